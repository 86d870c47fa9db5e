import Platform

/// The lock that processes sharing a session file take.
extension SessionFile {
    /// An exclusive lock on `FILE.lock`. Held until `unlock()`; the kernel releases it when the process dies.
    public struct LockHandle: Sendable {
        let descriptor: Int32
        /// Of the lock file.
        let path: String

        /// True while the lock file is the one that is locked. If somebody has removed it, another process can lock a
        /// new one.
        var isInPlace: Bool { FileDescriptor.isNamed(descriptor, path) }

        public func unlock() {
            close(descriptor)
        }
    }

    /// The interval between tries of a lock that another process holds, in nanoseconds. Bounds how long its refresh
    /// delays our waiters.
    private static let lockInterval = 5_000_000

    /// How long a wait for the lock may last before people are told of it.
    public static let quietWait = Duration.seconds(2)

    /// Waits for the lock, up to `waitLimit`. Nil if it was not available by then, or if `isOver` returns that the wait
    /// has no purpose any more. A stopped process may hold it for ever: `isLong` is called once, after `quietWait`.
    /// Throws if the lock file cannot be opened.
    public func lock(
        waitLimit: Duration,
        isOver: () -> Bool = { false },
        quietFor quietWait: Duration = quietWait,
        isLong: (() -> Void)? = nil
    ) throws(SessionFileError) -> LockHandle? {
        let begun = MonotonicClock.now()
        let deadline = begun.adding(saturating: waitLimit.nanoseconds)
        let noticed = begun.adding(saturating: quietWait.nanoseconds)
        var notice = isLong
        while true {
            if let handle = try tryLock() { return handle }
            let now = MonotonicClock.now()
            if now >= deadline || isOver() { return nil }
            if now >= noticed {
                notice?()
                notice = nil
            }
            var pause = timespec(tv_sec: 0, tv_nsec: Self.lockInterval)
            unsafe nanosleep(&pause, nil)
        }
    }

    /// Takes the lock if it is free. Nil otherwise.
    public func tryLock() throws(SessionFileError) -> LockHandle? {
        try makeDirectory()
        let name = path + ".lock"
        let flags = O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW
        let descriptor = SystemCall.retrying { unsafe open(name, flags, 0o600) }
        guard descriptor >= 0 else { throw SessionFileError("write", name) }
        guard SystemCall.retrying({ flock(descriptor, LOCK_EX | LOCK_NB) }) == 0 else {
            let code = errno
            close(descriptor)
            if code == EWOULDBLOCK { return nil }
            throw SessionFileError("lock", name, code: code)
        }
        let handle = LockHandle(descriptor: descriptor, path: name)
        guard handle.isInPlace, !isBeingReplaced else {
            handle.unlock()
            return nil
        }
        return handle
    }
}
