public import Credentials
import Platform

/// The times of the protocol, in nanoseconds of a clock that counts while the machine sleeps. None is compared with
/// another machine's.
public struct SharedTiming: Hashable, Sendable {
    /// How long nothing is heard of a claim before another machine takes over.
    public var takeover: Int64
    /// How often the holder of a claim shows that it lives.
    public var beat: Int64
    /// How long after its claim was sent off a machine may still send the refresh: later it may be taken for dead.
    public var claimLimit: Int64
    /// How long a result waits for the engine before this machine uses it alone.
    public var patience: Int64
    /// How often the engine is asked while another machine refreshes, give or take half of it.
    public var rereading: Int64
    /// The shortest and the longest pause between two tries to reach the engine.
    public var retry: ClosedRange<Int64>
    /// A refresh without an answer is tried once more.
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

    /// The pause before the next try: as long as it has lasted already, within the bounds.
    func pause(after lasted: Int64) -> Int64 { min(max(lasted, retry.lowerBound), retry.upperBound) }
}

/// What the machine cannot know by itself. Both are other each time.
public struct SharedChance {
    /// Names a token set, a login or a claim.
    public var id: () -> SharedID
    /// From 0 to 1.
    public var fraction: () -> Double

    public init(id: @escaping () -> SharedID, fraction: @escaping () -> Double) {
        self.id = id
        self.fraction = fraction
    }

    public static var system: SharedChance {
        SharedChance(id: { .random() }, fraction: { .random(in: 0...1) })
    }
}
