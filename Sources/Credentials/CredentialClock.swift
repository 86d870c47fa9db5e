import Threads

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// The two clocks a token's life is judged by. Injected: tests own theirs.
public protocol CredentialClock: Sendable {
    /// Nanoseconds that go on while the machine sleeps and never jump.
    func elapsed() -> Int64
    /// Seconds since 1970. May jump, and may be absurd.
    func wall() -> Int
}

public struct SystemClock: CredentialClock {
    public init() {}

    public func elapsed() -> Int64 {
        var time = timespec()
        #if os(Linux)
        clock_gettime(CLOCK_BOOTTIME, &time)
        #else
        clock_gettime(CLOCK_MONOTONIC_RAW, &time)
        #endif
        return Int64(time.tv_sec).multiplied(saturating: 1_000_000_000).adding(saturating: Int64(time.tv_nsec))
    }

    public func wall() -> Int {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return UTCTime.clamped(time.tv_sec)
    }
}

/// One reading of both clocks. Take one for a decision and use it for all of its numbers.
struct Instant: Sendable {
    /// On `CredentialClock.elapsed()`.
    var elapsed: Int64
    /// Seconds since 1970, within `UTCTime.range`.
    var wall: Int

    init(elapsed: Int64, wall: Int) {
        self.elapsed = elapsed
        self.wall = UTCTime.clamped(wall)
    }

    /// When `moment`, seconds since 1970, comes, on `CredentialClock.elapsed()`. What is further away than any life is brought nearer.
    func elapsed(at moment: Int) -> Int64 {
        let limit = Claims.longestLife
        let seconds = min(max(moment.subtracting(saturating: wall), -limit), limit)
        return elapsed.adding(saturating: Int64(seconds) * 1_000_000_000)
    }
}

extension CredentialClock {
    var now: Instant { Instant(elapsed: elapsed(), wall: wall()) }
}
