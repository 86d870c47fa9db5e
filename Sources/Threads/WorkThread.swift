import Platform

/// A thread that runs blocking work items one after another, in order.
///
/// *Threading*: `execute` and `executeLater` from any thread; `finish` once.
@safe public final class WorkThread: @unchecked Sendable {
    // `@unchecked`: everything mutable is protected by `mutex`.
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let changed = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private let name: String
    private var queue: [Work] = []
    /// Work that is due later, with its moment on `ConditionClock`.
    private var delayed: [(due: Int64, work: Work)] = []
    private var isRunning = false
    private var worker: NativeThread?
    private var isFinished = false

    /// Wraps the closure: an array of bare closures allocates for each element.
    private struct Work {
        let run: @Sendable () -> Void
    }

    /// The thread starts when the first item arrives.
    public init(name: String) {
        self.name = name
        unsafe pthread_mutex_init(mutex, nil)
        // A wall clock that jumps must not change when delayed work runs.
        unsafe ConditionClock.initialize(changed)
    }

    deinit {
        unsafe pthread_cond_destroy(changed)
        unsafe pthread_mutex_destroy(mutex)
        unsafe changed.deallocate()
        unsafe mutex.deallocate()
    }

    /// Runs `work` after everything that was handed over before. Returns false, and drops `work`, after `finish`, and
    /// if the system starts no thread: a caller whose work somebody waits for must then answer them itself.
    public func execute(_ work: @escaping @Sendable () -> Void) -> Bool {
        let isTaken = locked {
            guard !isFinished, hasThread() else { return false }
            queue.append(Work(run: work))
            return true
        }
        if isTaken { unsafe pthread_cond_broadcast(changed) }
        return isTaken
    }

    /// Runs `work` when `delay` nanoseconds have passed and the thread is free. `finish` drops it, so nobody may depend
    /// on it for an answer. If the system starts no thread, it waits for later work that gets one.
    public func executeLater(_ delay: Int64, _ work: @escaping @Sendable () -> Void) {
        locked {
            guard !isFinished else { return }
            delayed.append((ConditionClock.now().adding(saturating: max(delay, 0)), Work(run: work)))
            _ = hasThread()
        }
        unsafe pthread_cond_broadcast(changed)
    }

    /// Whether work waits, or is being done, that is not delayed.
    public var isBusy: Bool { locked { isRunning || !queue.isEmpty } }

    private func locked<Result>(_ body: () -> Result) -> Result {
        unsafe pthread_mutex_lock(mutex)
        defer { unsafe pthread_mutex_unlock(mutex) }
        return body()
    }

    /// Starts the thread if there is none yet; false if the system starts none. Call with the mutex held.
    ///
    /// Signal a change after releasing the mutex: the thread would wake only to wait for it, which costs two more futex
    /// calls.
    private func hasThread() -> Bool {
        // The thread keeps this object until `finish`.
        if worker == nil { worker = NativeThread(name: name) { self.loop() } }
        return worker != nil
    }

    /// Accepts no more work and waits, up to `timeout`, until all accepted work is done; false if it is not. Called
    /// from this very thread it does not wait: the remaining work is done, and the thread ends.
    public func finish(timeout: Duration) -> Bool {
        unsafe pthread_mutex_lock(mutex)
        isFinished = true
        delayed = []
        if let worker, worker.isCurrent {
            self.worker = nil
            unsafe pthread_mutex_unlock(mutex)
            worker.detach()
            return true
        }
        unsafe pthread_cond_broadcast(changed)
        let deadline = ConditionClock.now().adding(saturating: timeout.wholeNanoseconds)
        while isRunning || !queue.isEmpty {
            guard wait(until: deadline) else {
                unsafe pthread_mutex_unlock(mutex)
                return false
            }
        }
        let worker = worker
        self.worker = nil
        unsafe pthread_mutex_unlock(mutex)
        worker?.join()
        return true
    }

    private func loop() {
        unsafe pthread_mutex_lock(mutex)
        while true {
            while queue.isEmpty {
                if isFinished {
                    unsafe pthread_mutex_unlock(mutex)
                    return
                }
                guard let next = delayed.indices.min(by: { delayed[$0].due < delayed[$1].due }) else {
                    unsafe pthread_cond_wait(changed, mutex)
                    continue
                }
                if delayed[next].due <= ConditionClock.now() {
                    queue.append(delayed.remove(at: next).work)
                } else {
                    _ = wait(until: delayed[next].due)
                }
            }
            let work = queue.removeFirst()
            isRunning = true
            unsafe pthread_mutex_unlock(mutex)
            work.run()
            unsafe pthread_mutex_lock(mutex)
            isRunning = false
            unsafe pthread_cond_broadcast(changed)
        }
    }

    /// Waits for a change; false if `deadline` has passed.
    private func wait(until deadline: Int64) -> Bool {
        var time = ConditionClock.deadline(deadline)
        return unsafe pthread_cond_timedwait(changed, mutex, &time) != ETIMEDOUT
    }
}
