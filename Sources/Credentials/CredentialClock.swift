#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// The two clocks a token's life is judged by. Injected: tests own theirs.
public protocol CredentialClock: Sendable {
    /// Nanoseconds that go on while the machine sleeps and never jump.
    func elapsed() -> Int64
    /// Seconds since 1970.
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
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    public func wall() -> Int {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return time.tv_sec
    }
}

extension Duration {
    /// Whole nanoseconds.
    var wholeNanoseconds: Int64 {
        let (seconds, attoseconds) = components
        return seconds.multipliedReportingOverflow(by: 1_000_000_000).partialValue + attoseconds / 1_000_000_000
    }
}
