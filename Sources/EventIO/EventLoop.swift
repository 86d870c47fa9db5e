internal import CLibevent
public import Platform
import Threads

/// One thread's event loop, over a libevent `event_base`.
///
/// *Ownership*: owns the `event_base`, freed in `deinit`, after every timer and watch on it is gone (they hold the
/// loop). *Threading*: call `execute` and `stop` on any thread. Everything else belongs to the thread that calls
/// `run()`; classes bound to a loop are not `Sendable` and never leave it.
public final class EventLoop: @unchecked Sendable {
    // `@unchecked`: `base` is set once; `inbox` and `signals` are protected by `lock`; the rest is touched on the loop
    // only.
    let base: OpaquePointer
    private var wakeUp: OpaquePointer?
    /// A pipe: other threads write to it to wake the loop.
    private let wakeUpEnds: (read: Int32, write: Int32)
    private let lock = Lock()
    /// Work handed over by other threads. Protected by `lock`.
    private var inbox: [@Sendable () -> Void] = []
    /// The pending signal that was sent last; it links to the earlier ones. Protected by `lock`.
    private var signals: LoopSignal?
    /// Whether something was written to the pipe since the inbox was last emptied. Protected by `lock`.
    private var isWakeUpPending = false
    private var isStopped = false
    /// The thread that runs `run()`. Protected by `lock`.
    private var runner: pthread_t?
    /// `run()` has returned: work that is handed over now would never run. Protected by `lock`.
    private var hasEnded = false
    /// Called first in a turn if `callAtTurnStart` was called before it: after the turn's look at descriptors and
    /// timers, before anything that the look found is handled. Whoever sets it must clear it before the objects that it
    /// uses go away.
    public var turnStarted: (() -> Void)?
    /// libevent calls it first in the next turn, because it is due before the look.
    private var turnStart: OpaquePointer?
    private var isTurnStartDue = false
    /// What the last look at the descriptors tells of those that it did not report.
    private var look = Look.past
    /// Called at the end of each turn, when everything that one look at descriptors and timers found has been handled.
    /// Whoever sets it must clear it before the objects that it uses go away.
    public var turnEnded: (() -> Void)?

    private enum Look {
        /// Nothing: something was handled since, or was left over from the turn before, and may have read more.
        case past
        /// The look is being taken, and nothing else comes before `turnStarted`.
        case coming
        /// They had nothing to be read. Nothing has happened since.
        case justTaken
    }

    /// How many descriptors libevent's epoll reports at once, at least (epoll_wait(2): `maxevents`; epoll.c:
    /// `INITIAL_NEVENT`). A look that made fewer events due left no descriptor out.
    public static let reportedAtOnce = 32

    /// How long a look tells something, in nanoseconds: later, what has come since is worth a call.
    static let lookLasts: UInt64 = 200_000
    /// When the last look began, on the monotonic clock.
    private var lookedAt: UInt64 = 0

    /// Creates a loop; some thread calls `run()`. Throws if the process may have no more descriptors.
    public init() throws(SystemError) {
        // No locks: only the loop's thread touches the base. libevent would take them four times a request, 1 % of the
        // CPU time.
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
        turnStart = clibevent_new(
            base,
            -1,
            0,
            { _, _, context in
                Unmanaged<EventLoop>.fromOpaque(context!).takeUnretainedValue().startTurn()
            },
            Unmanaged.passUnretained(self).toOpaque()
        )
    }

    deinit {
        if let wakeUp { event_free(wakeUp) }
        if let turnStart { event_free(turnStart) }
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

    /// Runs callbacks until `stop()`. Blocks the calling thread, which becomes the loop's. A loop that has ended may run
    /// again.
    public func run() {
        isStopped = false
        lock.withLock {
            hasEnded = false
            runner = pthread_self()
        }
        drainInbox()
        while !isStopped {
            prepareTurnStart()
            // Without this flag the loop returns at once when only the wake-up event is registered.
            if event_base_loop(base, Int32(EVLOOP_ONCE | EVLOOP_NO_EXIT_ON_EMPTY)) != 0 { break }
            turnEnded?()
        }
        drainInbox()
        let dropped = lock.withLock {
            hasEnded = true
            runner = nil
            return takeInbox()
        }
        // Released outside of the lock: a deinitializer may hand over more work.
        _ = dropped.work
        var signal = dropped.signals
        while let sent = signal { signal = take(sent) }
    }

    // MARK: The turn's start

    /// Has `turnStarted` called at the start of the next turn, which begins without waiting for events. Call on the
    /// loop.
    public func callAtTurnStart() {
        isTurnStartDue = true
    }

    private func prepareTurnStart() {
        guard isTurnStartDue else { return }
        isTurnStartDue = false
        look = dueEvents == 0 ? .coming : .past
        lookedAt = MonotonicClock.now()
        event_active(turnStart, Int32(EV_TIMEOUT), 1)
    }

    private func startTurn() {
        if case .coming = look, dueEvents < Self.reportedAtOnce { look = .justTaken }
        turnStarted?()
        look = .past
    }

    /// How many events wait for their callbacks.
    private var dueEvents: Int { Int(event_base_get_num_events(base, UInt32(EVENT_BASE_COUNT_ACTIVE))) }

    /// Whether the look has just been taken, at `now` on the monotonic clock, and reported every descriptor that was due.
    /// Call on the loop.
    @inline(__always)
    func hasJustLooked(at now: UInt64) -> Bool {
        if case .justTaken = look { now &- lookedAt < Self.lookLasts } else { false }
    }

    /// A descriptor is watched for reading since the look, which tells nothing of it. Call on the loop.
    func forgetLook() {
        look = .past
    }

    // MARK: Other threads

    /// Whether the caller may use objects of this loop: it is on the loop's thread, or no thread runs the loop.
    public var isCurrent: Bool {
        lock.withLock { runner.map { pthread_equal($0, pthread_self()) != 0 } ?? true }
    }

    /// Makes `run()` return after the callbacks that are already due. Any thread.
    public func stop() {
        execute { [self] in
            isStopped = true
            event_base_loopbreak(base)
        }
    }

    /// Ends the turn after the current callback: `turnEnded` is called, and the remaining events come in the next turn.
    /// Call on the loop.
    public func endTurn() {
        event_base_loopbreak(base)
    }

    /// Runs `work` on the loop, in the order of the calls, never before returning. Dropped if the loop has ended. Any
    /// thread.
    public func execute(_ work: @escaping @Sendable () -> Void) {
        let mustWake = lock.withLock {
            guard !hasEnded else { return false }
            inbox.append(work)
            return needsWakeUp()
        }
        if mustWake { wake() }
    }

    /// Calls the signal's handler on the loop, once for all sends before that.
    func deliver(_ signal: LoopSignal) {
        let mustWake = lock.withLock {
            guard !hasEnded, !signal.isSent else { return false }
            signal.isSent = true
            signal.next = signals
            signals = signal
            return needsWakeUp()
        }
        if mustWake { wake() }
    }

    /// Whether the new work needs a write to the pipe. Call with the lock held.
    private func needsWakeUp() -> Bool {
        defer { isWakeUpPending = true }
        return !isWakeUpPending
    }

    private func wake() {
        var byte: UInt8 = 0
        _ = SystemCall.retrying { write(wakeUpEnds.write, &byte, 1) }
    }

    /// Call with the lock held.
    private func takeInbox() -> (work: [@Sendable () -> Void], signals: LoopSignal?) {
        defer { (inbox, signals) = ([], nil) }
        return (inbox, signals)
    }

    /// Resets a pending signal, which may be sent again from now on, and returns the one before it.
    private func take(_ signal: LoopSignal) -> LoopSignal? {
        lock.withLock {
            defer { (signal.isSent, signal.next) = (false, nil) }
            return signal.next
        }
    }

    private func drainInbox() {
        // Before the inbox is emptied: later work writes to the pipe again.
        withUnsafeTemporaryAllocation(byteCount: 64, alignment: 1) {
            _ = SystemCall.read(wakeUpEnds.read, into: $0)
        }
        let (work, sent) = lock.withLock {
            isWakeUpPending = false
            return takeInbox()
        }
        for item in work { item() }
        var signal = sent
        while let due = signal {
            signal = take(due)
            due.handler()
        }
    }
}
