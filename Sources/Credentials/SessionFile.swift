import Platform

/// The session file, which several processes share, and its lock.
///
/// A save writes a new file beside it and renames it into place (write, fsync, rename, fsync of the directory). The new
/// file has mode 0600 from its first moment, and always the same name, because only the holder of the lock creates it.
/// While a refresh is in flight the new file is also the journal that says so. After a crash the next holder of the
/// lock handles it: see `leftover`. *Threading*: any thread; the lock excludes other processes and other
/// `SessionFile`s.
public struct SessionFile: Sendable {
    public let path: String
    static let maximumBytes = 256 * 1024

    public init(path: String) {
        self.path = path
    }

    /// Identifies a version of the file. It changes when another process replaces the file.
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

    /// The version of the file; nil if there is none. One stat(2).
    public func version() -> Version? {
        var information = stat()
        guard unsafe lstat(path, &information) == 0 else { return nil }
        return Version(information)
    }

    /// A record and the file version that it was read from.
    struct Loaded: Sendable {
        var record: SessionRecord
        var version: Version
    }

    /// Reads the file alone: what the session is, tells `session`. Nil if there is none. Looking changes nothing. A file
    /// made by hand may be readable by others: reading it for use closes it to them, rather than refusing it.
    ///
    /// With `now`, in seconds since 1970, a file that is cut counts as incomplete, not as damaged, while it was written a
    /// moment ago.
    func load(forUse: Bool = false, now: Int? = nil) throws(SessionFileError) -> Loaded? {
        // A link is refused: replacing the file would replace the link, and leave a dead token at its target.
        let file: FileDescriptor
        do {
            file = try FileDescriptor.open(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW)
        } catch {
            if error.code == ENOENT { return nil }
            if error.code == ENOTDIR { throw SessionFileError(path, hasNoDirectoryAt: obstacle ?? directory) }
            guard error.code == ELOOP else { throw SessionFileError("read", path, code: error.code) }
            throw SessionFileError(
                "cannot use \(path): it is a symbolic link. Name the file itself in session.file",
                isUnreadable: true
            )
        }
        let information = try look(at: file)
        if forUse, information.st_mode & 0o077 != 0 { fchmod(file.number, 0o600) }
        let bytes: [UInt8]
        switch file.readAll(limit: Self.maximumBytes) {
        case .bytes(let read): bytes = read
        case .failed(let code): throw SessionFileError("read", path, code: code)
        case .tooLarge:
            throw SessionFileError(
                "\(path) is too large for a session file. Move it away and log in again",
                isUnreadable: true
            )
        }
        guard let record = SessionRecord(parsing: bytes) else {
            let written = Version(information).seconds
            if let now, now.subtracting(saturating: written).magnitude < Self.writingTime {
                throw SessionFileError(incomplete: path)
            }
            throw SessionFileError(
                "\(path) is damaged: it is not a JSON object. Move it away and log in again",
                isUnreadable: true
            )
        }
        guard !record.isEmpty || Journal(record.document) == nil else {
            throw SessionFileError(
                "\(path) is damaged: it holds the note of a refresh, and no session. Move it away and log in again",
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

    /// Reads the file as `load` does; while it is cut and being written, waits for the rest, for a second at most: a
    /// program such as cp(1), which takes no lock, writes into it. `now` is the wall clock, in seconds since 1970. Blocks.
    func loadWhenWritten(forUse: Bool = false, now: () -> Int) throws(SessionFileError) -> Loaded? {
        do throws(SessionFileError) {
            return try load(forUse: forUse, now: now())
        } catch {
            guard error.reason == .incomplete else { throw error }
        }
        waitUntilWritten(now: now)
        return try load(forUse: forUse)
    }

    /// How long after its last change a cut file may still be being written, in seconds.
    private static let writingTime = 2

    private func waitUntilWritten(now: () -> Int) {
        func isIncomplete() -> Bool {
            do throws(SessionFileError) { _ = try load(now: now()) } catch { return error.reason == .incomplete }
            return false
        }
        let deadline = MonotonicClock.now().adding(saturating: Duration.seconds(1).nanoseconds)
        guard let events = DirectoryEvents(), events.watch(directory) != nil else {
            while isIncomplete(), MonotonicClock.now() < deadline { MonotonicClock.pause(Self.lookInterval) }
            return
        }
        // It may have been completed before the watch began.
        while isIncomplete() {
            let left = deadline.subtracting(saturating: MonotonicClock.now()) / 1_000_000
            var polled = pollfd(fd: events.descriptor, events: Int16(POLLIN), revents: 0)
            guard left > 0, unsafe poll(&polled, 1, Int32(left)) >= 0 || errno == EINTR else { return }
            _ = events.read()
        }
    }

    /// The interval between looks where the system reports no changes, in nanoseconds.
    private static let lookInterval: Int64 = 5_000_000

    /// Checks an open session file: it must be a regular file of this user. The superuser may use anybody's.
    private func look(at file: borrowing FileDescriptor) throws(SessionFileError) -> stat {
        guard let information = file.information() else { throw SessionFileError("read", path) }
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

    /// The first part of the path to the file that should be a directory, and is something else.
    private var obstacle: String? {
        var place = directory
        var found: String?
        while place != "/", place != "." {
            var information = stat()
            if unsafe stat(place, &information) == 0 {
                if information.st_mode & S_IFMT == S_IFDIR { break }
                found = place
            }
            place = ParentDirectory.of(place)
        }
        return found
    }

    // MARK: Names

    /// Whether both are the same file, however the way to it is spelt.
    func isSame(as other: SessionFile) -> Bool {
        if path == other.path { return true }
        guard name == other.name, let place = RealPath.of(directory) else { return false }
        return place == RealPath.of(other.directory)
    }

    var temporaryPath: String { directory + "/" + temporaryName }

    private var temporaryName: String { "." + name + ".new" }

    /// Whether a change of that entry of the directory concerns the session: the file, or what lies beside it for its place.
    func isPlace(_ entry: String) -> Bool { entry == name || entry == temporaryName }

    var directory: String { ParentDirectory.of(path) }

    var name: String {
        path.lastIndex(of: "/").map { String(path[path.index(after: $0)...]) } ?? path
    }

    /// Creates the directory and its parents with mode 0700.
    public func makeDirectory() throws(SessionFileError) {
        do {
            try ParentDirectory.make(for: path)
        } catch {
            throw SessionFileError(error)
        }
    }
}
