public import Credentials
import Platform

/// The durations of the protocol, in nanoseconds of a clock that runs while the machine sleeps. Nothing is compared
/// with another machine's clock.
public struct SharedTiming: Hashable, Sendable {
    /// How long a claim must be silent before another machine takes over.
    public var takeover: Int64
    /// The interval at which the holder of a claim shows that it is alive.
    public var beat: Int64
    /// How long after writing its claim a machine may still send the refresh. Later the others may consider it dead.
    public var claimLimit: Int64
    /// How long a result waits for the engine before this machine uses it alone.
    public var patience: Int64
    /// The interval of reads while another machine refreshes, randomized by half of it in both directions.
    public var rereading: Int64
    /// The shortest and the longest pause between attempts to reach the engine.
    public var retry: ClosedRange<Int64>
    /// Whether a refresh without an answer is sent a second time.
    public var retriesLost: Bool

    public init(takeover: Duration, retriesLost: Bool = true) {
        self.takeover = takeover.wholeNanoseconds
        self.retriesLost = retriesLost
        beat = Duration.seconds(2).wholeNanoseconds
        claimLimit = Duration.seconds(2).wholeNanoseconds
        patience = Duration.seconds(5).wholeNanoseconds
        rereading = Duration.seconds(5).wholeNanoseconds
        retry = Duration.seconds(1).wholeNanoseconds...Duration.seconds(30).wholeNanoseconds
    }

    /// The pause before the next attempt: as long as the attempts have lasted so far, within the bounds.
    func pause(after lasted: Int64) -> Int64 { min(max(lasted, retry.lowerBound), retry.upperBound) }
}

/// The machine's sources of randomness. Each call returns another value.
public struct SharedRandomness {
    /// Makes the identifier of a token set, a login or a claim.
    public var id: () -> SharedID
    /// Makes a number from 0 to 1.
    public var fraction: () -> Double

    public init(id: @escaping () -> SharedID, fraction: @escaping () -> Double) {
        self.id = id
        self.fraction = fraction
    }

    public static var system: SharedRandomness {
        SharedRandomness(id: { .random() }, fraction: { .random(in: 0...1) })
    }
}
