import Threads

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// A failed operation on the session file, in words for people.
public struct SessionFileError: Error, Equatable, Sendable, CustomStringConvertible {
    public var description: String
    /// The file exists but is not a usable session file: it must be moved away by hand.
    public var isUnreadable = false

    init(_ action: String, _ path: String, code: Int32 = errno) {
        description = "cannot \(action) \(path): \(String(cString: strerror(code)))"
    }

    init(_ description: String, isUnreadable: Bool = false) {
        self.description = description
        self.isUnreadable = isUnreadable
    }
}

/// The session's file and its lock: what several processes share.
///
/// Written as a new file beside it that replaces it (write, fsync, rename, fsync of the directory), mode 0600 from its first moment.
/// The new file has one name, since only the holder of the lock makes one; while a refresh is on its way it is also the journal that
/// says so. What a process that died left there is dealt with by the next holder of the lock: see `leftover`.
/// *Threading*: any thread; the lock excludes other processes and other `SessionFile`s.
public struct SessionFile: Sendable {
    public let path: String
    private static let maximumBytes = 256 * 1024

    public init(path: String) {
        self.path = path
    }

    /// What changes when another process replaces the file.
    public struct Version: Equatable, Sendable {
        var inode: UInt64
        var size: Int64
        var seconds: Int
        var nanoseconds: Int

        init(_ information: stat) {
            #if os(Linux)
            let time = information.st_mtim
            #else
            let time = information.st_mtimespec
            #endif
            inode = UInt64(information.st_ino)
            size = Int64(information.st_size)
            seconds = time.tv_sec
            nanoseconds = Int(time.tv_nsec)
        }
    }

    /// Nil when there is no file. One stat(2).
    public func version() -> Version? {
        var information = stat()
        guard lstat(path, &information) == 0 else { return nil }
        return Version(information)
    }

    /// A record and the version of the file that it was read from.
    public struct Loaded: Sendable {
        public var record: SessionRecord
        var version: Version
    }

    /// Nil when there is no file.
    public func load() throws(SessionFileError) -> Loaded? {
        // A link is refused: replacing the file would replace the link, and leave a dead token where it points to.
        let descriptor = Self.retrying { open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW) }
        guard descriptor >= 0 else {
            if errno == ENOENT { return nil }
            guard errno == ELOOP else { throw SessionFileError("read", path) }
            throw SessionFileError(
                "cannot use \(path): it is a symbolic link. Name the file itself in session.file",
                isUnreadable: true
            )
        }
        defer { close(descriptor) }
        let information = try look(at: descriptor)
        // A file made by hand may be open to others: close it rather than refuse.
        if information.st_mode & 0o077 != 0 { fchmod(descriptor, 0o600) }
        guard let bytes = try Self.readAll(descriptor, path) else {
            throw SessionFileError(
                "\(path) is too large for a session file. Move it away and log in again",
                isUnreadable: true
            )
        }
        guard let record = SessionRecord(parsing: bytes) else {
            throw SessionFileError(
                "\(path) is damaged: it is not a JSON object. Move it away and log in again",
                isUnreadable: true
            )
        }
        guard !record.hasBadToken else {
            throw SessionFileError(
                "\(path) is damaged: what stands at \"token\" is no bearer token. Correct it, or move the file away and log in again",
                isUnreadable: true
            )
        }
        return Loaded(record: record, version: Version(information))
    }

    /// What an open session file is, if it may be used: a regular file of this user, or of anybody for the superuser.
    private func look(at descriptor: Int32) throws(SessionFileError) -> stat {
        var information = stat()
        guard fstat(descriptor, &information) == 0 else { throw SessionFileError("read", path) }
        guard information.st_mode & S_IFMT == S_IFREG else {
            throw SessionFileError(
                "cannot read \(path): not a regular file. Move it away and log in again",
                isUnreadable: true
            )
        }
        guard information.st_uid == geteuid() || geteuid() == 0 else {
            throw SessionFileError("cannot use \(path): it belongs to another user", isUnreadable: true)
        }
        return information
    }

    /// Nil when there is more than a session file holds.
    private static func readAll(_ descriptor: Int32, _ path: String) throws(SessionFileError) -> [UInt8]? {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 16 * 1024)
        while true {
            let count = read(descriptor, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw SessionFileError("read", path) }
            if count == 0 { return bytes }
            bytes += chunk[..<count]
            if bytes.count > maximumBytes { return nil }
        }
    }

    // MARK: The lock

    /// An exclusive lock on the file beside it. Held until `unlock()`; the kernel releases it when the process dies.
    public struct LockHandle: Sendable {
        let descriptor: Int32

        public func unlock() {
            close(descriptor)
        }
    }

    /// How often a lock that another process holds is tried: those who wait for its refresh are held up no longer than this.
    private static let lockInterval = 5_000_000

    /// Waits for the lock, up to `waitLimit`. Nil when it did not come by then, or when `isOver` says that there is nothing left to wait
    /// for. A process that was stopped may hold it for ever. Throws when the lock file cannot be opened.
    public func lock(waitLimit: Duration, isOver: () -> Bool = { false }) throws(SessionFileError) -> LockHandle? {
        let deadline = Self.monotonic().adding(saturating: waitLimit.wholeNanoseconds)
        while true {
            if let handle = try tryLock() { return handle }
            if Self.monotonic() >= deadline || isOver() { return nil }
            var pause = timespec(tv_sec: 0, tv_nsec: Self.lockInterval)
            nanosleep(&pause, nil)
        }
    }

    /// The lock, if nobody has it.
    public func tryLock() throws(SessionFileError) -> LockHandle? {
        try makeDirectory()
        let name = path + ".lock"
        let descriptor = Self.retrying { open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW, 0o600) }
        guard descriptor >= 0 else { throw SessionFileError("write", name) }
        while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
            let code = errno
            if code == EINTR { continue }
            close(descriptor)
            if code == EWOULDBLOCK { return nil }
            throw SessionFileError("lock", name, code: code)
        }
        // Whoever removed the name would let another in beside us.
        var (ours, named) = (stat(), stat())
        guard fstat(descriptor, &ours) == 0, stat(name, &named) == 0, ours.st_ino == named.st_ino else {
            close(descriptor)
            return nil
        }
        return LockHandle(descriptor: descriptor)
    }

    private static func monotonic() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec).multiplied(saturating: 1_000_000_000).adding(saturating: Int64(time.tv_nsec))
    }

    // MARK: Saving

    /// Says that a refresh is on its way: with which token (`Token.fingerprint`), since when, why.
    struct Journal: Equatable, Sendable {
        var fingerprint: String
        var at: Int
        var cause: RefreshCause

        var bytes: [UInt8] {
            let journal = JSONValue.object([
                .init("refreshing", .string(fingerprint)), .init("at", .integer(at)),
                .init("cause", .string(cause.rawValue)),
            ])
            return Array(journal.serialized().utf8)
        }

        init(fingerprint: String, at: Int, cause: RefreshCause) {
            self.fingerprint = fingerprint
            self.at = at
            self.cause = cause
        }

        init?(_ json: JSONValue) {
            guard let fingerprint = json["refreshing"]?.string, let at = json["at"]?.moment,
                let cause = json["cause"]?.string.flatMap(RefreshCause.init)
            else { return nil }
            self.init(fingerprint: fingerprint, at: at, cause: cause)
        }
    }

    /// A new version of the file in the making.
    public struct Replacement: Sendable {
        let descriptor: Int32
    }

    /// Makes sure that a record can be saved, before anything irrevocable is done: creates the new file and takes its space. With a
    /// `journal` it says what is about to be done, durably. The lock must be held.
    func prepare(_ journal: Journal? = nil) throws(SessionFileError) -> Replacement {
        try makeDirectory()
        unlink(temporaryPath)
        let descriptor = Self.retrying {
            open(temporaryPath, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        }
        guard descriptor >= 0 else { throw SessionFileError("write", path) }
        // Real bytes, not a hole: a full disk must show now. Blanks, so that what is written over them stays JSON.
        var room = journal?.bytes ?? []
        let size = min(max(Int(version()?.size ?? 0), 0), Self.maximumBytes) + Self.room
        room += [UInt8](repeating: 0x20, count: size - room.count)
        // The mask of the process may have taken our own rights away too.
        guard fchmod(descriptor, 0o600) == 0, Self.writeAll(descriptor, room), Self.retrying({ fsync(descriptor) }) == 0
        else {
            let code = errno
            abandon(Replacement(descriptor: descriptor))
            throw SessionFileError("write", path, code: code)
        }
        return Replacement(descriptor: descriptor)
    }

    /// A token of the largest size and everything said beside it.
    private static let room = 48 * 1024

    /// Writes `record`, and makes it the file, durably. `mayReplace` is asked at the last moment: what takes no lock may have changed the
    /// file while the disk was busy. When it says no, or throws, nothing is replaced; nil then.
    @discardableResult
    func commit(
        _ record: SessionRecord,
        _ replacement: Replacement,
        mayReplace: () throws(SessionFileError) -> Bool = { true }
    ) throws(SessionFileError) -> Version? {
        let bytes = record.serialized()
        var information = stat()
        guard lseek(replacement.descriptor, 0, SEEK_SET) == 0, Self.writeAll(replacement.descriptor, bytes),
            ftruncate(replacement.descriptor, off_t(bytes.count)) == 0,
            Self.retrying({ fsync(replacement.descriptor) }) == 0,
            fstat(replacement.descriptor, &information) == 0
        else { throw failure(of: replacement) }
        do throws(SessionFileError) {
            guard try mayReplace() else {
                abandon(replacement)
                return nil
            }
        } catch {
            abandon(replacement)
            throw error
        }
        guard rename(temporaryPath, path) == 0 else { throw failure(of: replacement) }
        close(replacement.descriptor)
        try synchronizeDirectory()
        return Version(information)
    }

    private func failure(of replacement: Replacement) -> SessionFileError {
        let code = errno
        abandon(replacement)
        return SessionFileError("write", path, code: code)
    }

    private func synchronizeDirectory() throws(SessionFileError) {
        let handle = Self.retrying { open(directory, O_RDONLY | O_CLOEXEC) }
        guard handle >= 0 else { throw SessionFileError("open", directory) }
        defer { close(handle) }
        guard Self.retrying({ fsync(handle) }) == 0 else { throw SessionFileError("save", directory) }
    }

    func abandon(_ replacement: Replacement) {
        close(replacement.descriptor)
        unlink(temporaryPath)
    }

    /// `prepare` and `commit` in one.
    @discardableResult
    public func save(
        _ record: SessionRecord,
        mayReplace: () throws(SessionFileError) -> Bool = { true }
    ) throws(SessionFileError) -> Version? {
        try commit(record, try prepare(), mayReplace: mayReplace)
    }

    // MARK: What a process that died left

    enum Leftover {
        /// A whole record that was not made the file yet.
        case record(SessionRecord)
        /// A refresh was on its way.
        case journal(Journal)
        case rubbish
    }

    /// What lies where the new file is made, nil when nothing does. Meaningful while the lock is held.
    func leftover() -> Leftover? {
        let descriptor = openLeftover(O_RDONLY)
        guard descriptor >= 0 else { return errno == ENOENT ? nil : .rubbish }
        defer { close(descriptor) }
        guard isOurs(descriptor), let bytes = (try? Self.readAll(descriptor, temporaryPath)) ?? nil,
            let record = SessionRecord(parsing: bytes)
        else { return .rubbish }
        if let journal = Journal(record.document) { return .journal(journal) }
        return record.token == nil ? .rubbish : .record(record)
    }

    private func openLeftover(_ access: Int32) -> Int32 {
        Self.retrying { open(temporaryPath, access | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW) }
    }

    /// Whether a leftover is one of a process that could write the session file: a regular file of this user, or, for the superuser, of
    /// the session file's owner. Anybody can put one into a directory that others write to.
    private func isOurs(_ descriptor: Int32) -> Bool {
        var (leftover, file) = (stat(), stat())
        guard fstat(descriptor, &leftover) == 0, leftover.st_mode & S_IFMT == S_IFREG else { return false }
        if leftover.st_uid == geteuid() { return true }
        return geteuid() == 0 && lstat(path, &file) == 0 && file.st_mode & S_IFMT == S_IFREG
            && file.st_uid == leftover.st_uid
    }

    /// Whether something may lie there: one stat(2), without the lock.
    var hasLeftover: Bool {
        var information = stat()
        return lstat(temporaryPath, &information) == 0
    }

    /// Makes a leftover record the file, durably.
    func completeLeftover() throws(SessionFileError) {
        let descriptor = openLeftover(O_RDWR)
        guard descriptor >= 0 else { throw SessionFileError("read", temporaryPath) }
        defer { close(descriptor) }
        guard isOurs(descriptor) else { throw SessionFileError("\(temporaryPath) belongs to another user") }
        guard Self.retrying({ fsync(descriptor) }) == 0, rename(temporaryPath, path) == 0 else {
            throw SessionFileError("write", path)
        }
        try synchronizeDirectory()
    }

    func removeLeftover() {
        unlink(temporaryPath)
    }

    // MARK: A response that could not be read

    /// Where the response to a refresh is kept that came whole and held no token: it may name the only token that lives.
    public var answerPath: String { path + ".answer" }

    private static let maximumAnswerBytes = 64 * 1024

    /// Keeps what fits of `bytes`, readable to this user only, in place of one that was kept before. False when that fails.
    func keepAnswer(_ bytes: [UInt8]) -> Bool {
        unlink(answerPath)
        let descriptor = Self.retrying {
            open(answerPath, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        }
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        let isKept =
            fchmod(descriptor, 0o600) == 0
            && Self.writeAll(descriptor, Array(bytes.prefix(Self.maximumAnswerBytes)))
            && Self.retrying { fsync(descriptor) } == 0
        if !isKept { unlink(answerPath) }
        return isKept
    }

    /// A token was saved, or the session was forgotten: nobody needs it any more.
    func removeAnswer() {
        unlink(answerPath)
    }

    var hasAnswer: Bool {
        var information = stat()
        return lstat(answerPath, &information) == 0
    }

    // MARK: Names

    private var temporaryPath: String { directory + "/." + name + ".new" }

    var directory: String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    var name: String {
        path.lastIndex(of: "/").map { String(path[path.index(after: $0)...]) } ?? path
    }

    /// Makes the directory and its parents, 0700.
    func makeDirectory() throws(SessionFileError) {
        let directory = directory
        var information = stat()
        if stat(directory, &information) == 0 { return }
        var partial = directory.hasPrefix("/") ? "" : "."
        for component in directory.split(separator: "/") {
            partial += "/" + component
            if mkdir(partial, 0o700) != 0, errno != EEXIST { throw SessionFileError("make the directory", partial) }
        }
    }

    /// A system call, again when a signal interrupted it: some file systems let that happen.
    private static func retrying(_ call: () -> Int32) -> Int32 {
        while true {
            let result = call()
            if result >= 0 || errno != EINTR { return result }
        }
    }

    private static func writeAll(_ descriptor: Int32, _ bytes: [UInt8]) -> Bool {
        var offset = 0
        while offset < bytes.count {
            let count = bytes.withUnsafeBytes { write(descriptor, $0.baseAddress! + offset, $0.count - offset) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return false }
            offset += count
        }
        return true
    }
}
