internal import CLibevent
import Threads

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// One thread's event loop, over a libevent `event_base`.
///
/// *Ownership*: owns the `event_base`, freed in `deinit`, after every timer and watch on it is gone (they hold the loop).
/// *Threading*: `execute` and `stop` may be called from any thread. Everything else belongs to the thread that
/// calls `run()`; classes bound to a loop are not `Sendable` and never leave it.
public final class EventLoop: @unchecked Sendable {
    // `@unchecked`: `base` is set once; `inbox` is protected by `lock`; the rest is touched on the loop only.
    let base: OpaquePointer
    private var wakeUp: OpaquePointer?
    private let lock = Lock()
    /// Work handed over by other threads. Protected by `lock`.
    private var inbox: [@Sendable () -> Void] = []
    /// Whether `wakeUp` was activated since the inbox was last emptied. Protected by `lock`.
    private var isWakeUpPending = false
    private var isStopped = false

    /// libevent's locks must be set up before the first base, or another thread cannot wake the loop (event2/thread.h).
    private static let threadsAreEnabled: Bool = evthread_use_pthreads() == 0

    /// Makes a loop that runs when some thread calls `run()`.
    public init() {
        precondition(Self.threadsAreEnabled, "libevent was built without thread support")
        guard let base = event_base_new() else { fatalError("libevent found no way to wait for events") }
        self.base = base
        let context = Unmanaged.passUnretained(self).toOpaque()
        wakeUp = event_new(
            base,
            -1,
            Int16(EV_PERSIST),
            { _, _, context in
                Unmanaged<EventLoop>.fromOpaque(context!).takeUnretainedValue().drainInbox()
            },
            context
        )
        event_add(wakeUp, nil)
    }

    deinit {
        if let wakeUp { event_free(wakeUp) }
        event_base_free(base)
    }

    /// Runs callbacks until `stop()`. Blocks the calling thread, which becomes the loop's.
    public func run() {
        isStopped = false
        drainInbox()
        while !isStopped {
            // Without the flag the loop ends at once when only the wake-up event is registered.
            if event_base_loop(base, Int32(EVLOOP_NO_EXIT_ON_EMPTY)) != 0 { break }
        }
        drainInbox()
    }

    /// Makes `run()` return after the callbacks that are due now. Any thread.
    public func stop() {
        execute { [self] in
            isStopped = true
            event_base_loopbreak(base)
        }
    }

    /// Runs `work` on the loop, in the order of the calls. Any thread; never runs it before returning.
    public func execute(_ work: @escaping @Sendable () -> Void) {
        let mustWake = lock.withLock {
            inbox.append(work)
            defer { isWakeUpPending = true }
            return !isWakeUpPending
        }
        if mustWake { event_active(wakeUp, Int32(EV_TIMEOUT), 0) }
    }

    private func drainInbox() {
        let work = lock.withLock {
            isWakeUpPending = false
            defer { inbox = [] }
            return inbox
        }
        for item in work { item() }
    }
}

/// The clock of timeouts: `CLOCK_MONOTONIC`, nanoseconds. Goes forward only; stands still while the machine sleeps.
public enum MonotonicClock {
    public static func now() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
    }
}

extension Duration {
    /// Whole nanoseconds, clamped to what a timer can hold.
    public var nanoseconds: UInt64 {
        let (seconds, attoseconds) = components
        guard seconds >= 0 else { return 0 }
        guard seconds < 9_000_000_000 else { return 9_000_000_000 * 1_000_000_000 }
        return UInt64(seconds) * 1_000_000_000 + UInt64(max(0, attoseconds) / 1_000_000_000)
    }
}
