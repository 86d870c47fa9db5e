import Platform
import Support

/// The two clocks that determine a token's age. Injected, so that tests can use their own.
public protocol CredentialClock: Sendable {
    /// Nanoseconds. Advances while the machine sleeps, and never jumps.
    func elapsed() -> Int64
    /// Seconds since 1970. May jump, and may show any value.
    func wall() -> Int
}

public struct SystemClock: CredentialClock {
    public init() {}

    public func elapsed() -> Int64 { BootClock.now() }

    public func wall() -> Int { UTCTime.clamped(WallClock.now().seconds) }
}

/// One reading of both clocks. Take one for each decision, and use it for all of the numbers.
struct Instant: Sendable {
    /// On `CredentialClock.elapsed()`.
    var elapsed: Int64
    /// Seconds since 1970, within `UTCTime.range`.
    var wall: Int

    init(elapsed: Int64, wall: Int) {
        self.elapsed = elapsed
        self.wall = UTCTime.clamped(wall)
    }

    /// Converts `moment`, seconds since 1970, to `CredentialClock.elapsed()`. Clamped to the longest life from now.
    func elapsed(at moment: Int) -> Int64 {
        let limit = Claims.longestLife
        let seconds = min(max(moment.subtracting(saturating: wall), -limit), limit)
        return elapsed.adding(saturating: Int64(seconds) * 1_000_000_000)
    }
}

extension CredentialClock {
    var now: Instant { Instant(elapsed: elapsed(), wall: wall()) }
}
