/// The clock of timeouts: `CLOCK_MONOTONIC`, nanoseconds. Never goes back; stands still while the machine sleeps.
public enum MonotonicClock {
    @inlinable @inline(__always)
    public static func now() -> UInt64 {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
    }

    /// Blocks the thread for that many nanoseconds, whatever signals arrive.
    public static func pause(_ nanoseconds: Int64) {
        var left = ConditionClock.deadline(nanoseconds)
        var rest = timespec()
        while unsafe nanosleep(&left, &rest) != 0, errno == EINTR { left = rest }
    }
}

/// The clock of ages and lifetimes: nanoseconds since the machine started. Never goes back; runs on while the machine
/// sleeps.
public enum BootClock {
    public static func now() -> Int64 {
        #if os(Linux)
        time(of: CLOCK_BOOTTIME).wholeNanoseconds
        #else
        time(of: CLOCK_MONOTONIC_RAW).wholeNanoseconds
        #endif
    }
}

/// The clock of dates: `CLOCK_REALTIME`. May jump, and may show any value.
public enum WallClock {
    /// Since 1970, with nanoseconds within the second.
    public static func now() -> (seconds: Int, nanoseconds: Int) {
        let time = time(of: CLOCK_REALTIME)
        return (Int(time.tv_sec), Int(time.tv_nsec))
    }

    /// Since 1970.
    public static func milliseconds() -> Int64 {
        let time = time(of: CLOCK_REALTIME)
        return Int64(time.tv_sec).multiplied(saturating: 1000).adding(saturating: Int64(time.tv_nsec) / 1_000_000)
    }
}

/// The clock that `pthread_cond_timedwait` measures its deadline by, in nanoseconds. Linux lets us choose one that does
/// not jump.
public enum ConditionClock {
    public static func now() -> Int64 {
        #if os(Linux)
        time(of: CLOCK_MONOTONIC).wholeNanoseconds
        #else
        time(of: CLOCK_REALTIME).wholeNanoseconds
        #endif
    }

    /// Initialises `condition` so that it measures by this clock.
    public static func initialize(_ condition: UnsafeMutablePointer<pthread_cond_t>) {
        #if os(Linux)
        var attributes = pthread_condattr_t()
        unsafe pthread_condattr_init(&attributes)
        unsafe pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        unsafe pthread_cond_init(condition, &attributes)
        unsafe pthread_condattr_destroy(&attributes)
        #else
        unsafe pthread_cond_init(condition, nil)
        #endif
    }

    /// `moment` as `pthread_cond_timedwait` takes it.
    public static func deadline(_ moment: Int64) -> timespec {
        let moment = max(moment, 0)
        return timespec(tv_sec: Int(moment / 1_000_000_000), tv_nsec: Int(moment % 1_000_000_000))
    }
}

private func time(of clock: clockid_t) -> timespec {
    var time = timespec()
    unsafe clock_gettime(clock, &time)
    return time
}

extension timespec {
    fileprivate var wholeNanoseconds: Int64 {
        Int64(tv_sec).multiplied(saturating: 1_000_000_000).adding(saturating: Int64(tv_nsec))
    }
}
