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
    /// A pipe: other threads write to it to wake the loop.
    private let wakeUpEnds: (read: Int32, write: Int32)
    private let lock = Lock()
    /// Work handed over by other threads. Protected by `lock`.
    private var inbox: [@Sendable () -> Void] = []
    /// Whether something was written to the pipe since the inbox was last emptied. Protected by `lock`.
    private var isWakeUpPending = false
    private var isStopped = false
    /// Called when everything that one look at descriptors and timers found is dealt with, before the next look. Its setter takes it back
    /// before what it needs is gone.
    public var turnEnded: (() -> Void)?

    /// Makes a loop that runs when some thread calls `run()`. Throws when the process may have no more descriptors.
    public init() throws(SystemError) {
        // No locks: only the loop's thread touches the base. They are taken four times a request otherwise, 1 % of its CPU time.
        let configuration = event_config_new()
        defer { event_config_free(configuration) }
        event_config_set_flag(configuration, Int32(EVENT_BASE_FLAG_NOLOCK.rawValue))
        wakeUpEnds = try Self.makePipe()
        guard let base = event_base_new_with_config(configuration) else {
            let error = SystemError("there is no way to wait for events")
            close(wakeUpEnds.read)
            close(wakeUpEnds.write)
            throw error
        }
        self.base = base
        wakeUp = clibevent_new(
            base,
            wakeUpEnds.read,
            EV_READ | EV_PERSIST,
            { _, _, context in
                Unmanaged<EventLoop>.fromOpaque(context!).takeUnretainedValue().drainInbox()
            },
            Unmanaged.passUnretained(self).toOpaque()
        )
        event_add(wakeUp, nil)
    }

    deinit {
        if let wakeUp { event_free(wakeUp) }
        event_base_free(base)
        close(wakeUpEnds.read)
        close(wakeUpEnds.write)
    }

    private static func makePipe() throws(SystemError) -> (read: Int32, write: Int32) {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw SystemError("a pipe to wake an event loop cannot be made") }
        for end in ends {
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
        }
        return (ends[0], ends[1])
    }

    /// Runs callbacks until `stop()`. Blocks the calling thread, which becomes the loop's.
    public func run() {
        isStopped = false
        drainInbox()
        while !isStopped {
            // Without the flag the loop ends at once when only the wake-up event is registered.
            if event_base_loop(base, Int32(EVLOOP_ONCE | EVLOOP_NO_EXIT_ON_EMPTY)) != 0 { break }
            turnEnded?()
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

    /// Ends the turn after the callback that runs: `turnEnded` is called, and what else was found comes in the next turn. On the loop.
    public func endTurn() {
        event_base_loopbreak(base)
    }

    /// Runs `work` on the loop, in the order of the calls. Any thread; never runs it before returning.
    public func execute(_ work: @escaping @Sendable () -> Void) {
        let mustWake = lock.withLock {
            inbox.append(work)
            defer { isWakeUpPending = true }
            return !isWakeUpPending
        }
        guard mustWake else { return }
        var byte: UInt8 = 0
        while write(wakeUpEnds.write, &byte, 1) < 0, errno == EINTR {}
    }

    private func drainInbox() {
        // Before the inbox is emptied: what comes after that writes again.
        withUnsafeTemporaryAllocation(byteCount: 64, alignment: 1) {
            while read(wakeUpEnds.read, $0.baseAddress, $0.count) < 0, errno == EINTR {}
        }
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
        UInt64(min(max(wholeNanoseconds, 0), 9_000_000_000 * 1_000_000_000))
    }
}
