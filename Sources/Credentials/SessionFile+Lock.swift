import Platform

/// The lock that processes sharing a session file take.
extension SessionFile {
    /// An exclusive lock on `FILE.lock`, held until the value goes away; the kernel releases it when the process dies.
    public struct LockHandle: ~Copyable, Sendable {
        private let file: FileDescriptor
        private let path: String

        fileprivate init(_ file: consuming FileDescriptor, _ path: String) {
            self.file = file
            self.path = path
        }

        /// True while the lock file is the one that is locked. If somebody has removed it, another process can lock a
        /// new one.
        var isInPlace: Bool { file.isNamed(path) }

        /// Marks where the lock is held no more.
        public consuming func unlock() {}
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
        let flags = O_RDWR | O_CREAT | O_NONBLOCK | O_NOFOLLOW
        let file: FileDescriptor
        do {
            file = try FileDescriptor.open(name, flags)
        } catch {
            throw SessionFileError("write", name, code: error.code)
        }
        switch file.lock(.exclusive) {
        case .taken: break
        case .busy: return nil
        case .failed(let code): throw SessionFileError("lock", name, code: code)
        }
        let handle = LockHandle(file, name)
        guard handle.isInPlace, !isBeingReplaced else { return nil }
        return handle
    }
}
