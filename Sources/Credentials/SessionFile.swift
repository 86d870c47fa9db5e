import Threads

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// What a session file holds. Members this version does not know are kept.
package struct SessionRecord: Sendable, Equatable {
    package enum Origin: String, Sendable {
        /// Given by hand: its age is unknown.
        case given
        case signIn = "sign-in"
        case refresh
    }

    package struct LastRefresh: Sendable, Equatable {
        package var at: Int
        package var cause: String
        package var outcome: String
    }

    var document: JSONValue

    package init() {
        document = .object([.init("version", .integer(1))])
    }

    package init?(parsing bytes: [UInt8]) {
        guard let value = JSONValue(parsing: bytes), case .object = value else { return nil }
        document = value
    }

    package var token: Token? {
        get { document["token"]?.string.flatMap(Token.init) }
        set { document["token"] = newValue.map { .string($0.value) } }
    }
    package var receivedAt: Int? {
        get { document["received_at"]?.integer }
        set { document["received_at"] = newValue.map(JSONValue.integer) }
    }
    /// Seconds since 1970 by this machine's clock.
    package var expiresAt: Int? {
        get { document["expires_at"]?.integer }
        set { document["expires_at"] = newValue.map(JSONValue.integer) }
    }
    /// The origin of the upstream that issued the token; nil for one given by hand, which says nothing about that.
    package var upstream: String? {
        get { document["upstream"]?.string }
        set { document["upstream"] = newValue.map(JSONValue.string) }
    }
    package var refreshes: Int {
        get { document["refreshes"]?.integer ?? 0 }
        set { document["refreshes"] = .integer(newValue) }
    }
    /// The upstream refused to refresh this token.
    package var isRefused: Bool {
        get { document["refused"]?.bool ?? false }
        set { document["refused"] = newValue ? .bool(true) : nil }
    }
    package var lastRefresh: LastRefresh? {
        get {
            guard let value = document["last_refresh"], let at = value["at"]?.integer else { return nil }
            return LastRefresh(
                at: at,
                cause: value["cause"]?.string ?? "",
                outcome: value["outcome"]?.string ?? ""
            )
        }
        set {
            document["last_refresh"] = newValue.map {
                .object([
                    .init("at", .integer($0.at)), .init("cause", .string($0.cause)),
                    .init("outcome", .string($0.outcome)),
                ])
            }
        }
    }

    /// Puts a new token in. A token that was made for us just now lives `exp - nbf` from its receipt, whatever the issuer's clock
    /// says; of one given by hand only `exp` is known. `upstream` is whom the session is for.
    package mutating func put(_ token: Token, origin: Origin, upstream: String? = nil, now: Int) {
        self.token = token
        self.upstream = origin == .given ? nil : upstream
        receivedAt = now
        isRefused = false
        let claims = token.claims
        expiresAt = origin == .given ? claims?.expiresAt : claims?.lifetime.map { now + $0 } ?? claims?.expiresAt
        document["origin"] = .string(origin.rawValue)
    }

    func serialized() -> [UInt8] { Array((document.serialized(pretty: true) + "\n").utf8) }
}

/// A failed operation on the session file, in words for people.
package struct SessionFileError: Error, Equatable, Sendable, CustomStringConvertible {
    package var description: String

    init(_ action: String, _ path: String, code: Int32 = errno) {
        description = "cannot \(action) \(path): \(String(cString: strerror(code)))"
    }

    init(_ description: String) {
        self.description = description
    }
}

/// The session's file and its lock: what several processes share.
///
/// Written as a new file that replaces the old one (write, fsync, rename, fsync of the directory), mode 0600 from its first
/// moment. *Threading*: any thread; the lock excludes other processes and other `SessionFile`s.
package struct SessionFile: Sendable {
    package let path: String
    private static let maxBytes = 256 * 1024

    package init(path: String) {
        self.path = path
    }

    /// What changes when another process replaces the file.
    package struct Version: Equatable, Sendable {
        var inode: UInt64
        var size: Int64
        var seconds: Int
        var nanoseconds: Int
    }

    package func version() -> Version? {
        var information = stat()
        guard stat(path, &information) == 0 else { return nil }
        #if os(Linux)
        let time = information.st_mtim
        #else
        let time = information.st_mtimespec
        #endif
        return Version(
            inode: UInt64(information.st_ino),
            size: Int64(information.st_size),
            seconds: time.tv_sec,
            nanoseconds: Int(time.tv_nsec)
        )
    }

    /// Nil when there is no file.
    package func load() throws(SessionFileError) -> SessionRecord? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            if errno == ENOENT { return nil }
            throw SessionFileError("read", path)
        }
        defer { close(descriptor) }
        var information = stat()
        guard fstat(descriptor, &information) == 0 else { throw SessionFileError("read", path) }
        guard information.st_mode & S_IFMT == S_IFREG else {
            throw SessionFileError("cannot read \(path): not a regular file")
        }
        guard information.st_uid == geteuid() || geteuid() == 0 else {
            throw SessionFileError("cannot use \(path): it belongs to another user")
        }
        // A file made by hand may be open to others: close it rather than refuse.
        if information.st_mode & 0o077 != 0 { fchmod(descriptor, 0o600) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 16 * 1024)
        while true {
            let count = read(descriptor, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw SessionFileError("read", path) }
            if count == 0 { break }
            bytes += chunk[..<count]
            guard bytes.count <= Self.maxBytes else {
                throw SessionFileError("\(path) is too large for a session file")
            }
        }
        guard let record = SessionRecord(parsing: bytes) else {
            throw SessionFileError("\(path) is damaged: it is not a JSON object. Move it away and log in again")
        }
        return record
    }

    /// An exclusive lock on the file beside it. Held until `unlock()`; the kernel releases it when the process dies.
    package struct LockHandle: Sendable {
        let descriptor: Int32

        package func unlock() {
            close(descriptor)
        }
    }

    /// Waits for the lock. Throws when the directory cannot be written.
    package func lock() throws(SessionFileError) -> LockHandle {
        try makeDirectory()
        let name = path + ".lock"
        let descriptor = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw SessionFileError("write", name) }
        while flock(descriptor, LOCK_EX) != 0 {
            guard errno == EINTR else {
                let code = errno
                close(descriptor)
                throw SessionFileError("lock", name, code: code)
            }
        }
        return LockHandle(descriptor: descriptor)
    }

    /// A new version of the file in the making.
    package struct Replacement: Sendable {
        let descriptor: Int32
        let temporaryPath: String
        let path: String
    }

    /// Makes sure that a record can be saved, before anything irrevocable is done: creates the new file and takes its space.
    package func prepare() throws(SessionFileError) -> Replacement {
        try makeDirectory()
        var template = Array((directory + "/." + name + ".XXXXXX").utf8CString)
        // mkstemp(3) makes it 0600.
        let descriptor = mkstemp(&template)
        let temporary = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
        guard descriptor >= 0 else { throw SessionFileError("write", path) }
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        let replacement = Replacement(descriptor: descriptor, temporaryPath: temporary, path: path)
        // Real bytes, not a hole: a full disk must show now.
        let room = [UInt8](repeating: 0x20, count: 48 * 1024)
        guard Self.writeAll(descriptor, room), fsync(descriptor) == 0 else {
            let code = errno
            abandon(replacement)
            throw SessionFileError("write", path, code: code)
        }
        return replacement
    }

    /// Writes `record`, and makes it the file, durably.
    package func commit(_ record: SessionRecord, _ replacement: Replacement) throws(SessionFileError) {
        let bytes = record.serialized()
        guard lseek(replacement.descriptor, 0, SEEK_SET) == 0, Self.writeAll(replacement.descriptor, bytes),
            ftruncate(replacement.descriptor, off_t(bytes.count)) == 0, fsync(replacement.descriptor) == 0,
            rename(replacement.temporaryPath, path) == 0
        else {
            let code = errno
            abandon(replacement)
            throw SessionFileError("write", path, code: code)
        }
        close(replacement.descriptor)
        let handle = open(directory, O_RDONLY | O_CLOEXEC)
        guard handle >= 0 else { throw SessionFileError("open", directory) }
        defer { close(handle) }
        guard fsync(handle) == 0 else { throw SessionFileError("save", directory) }
    }

    package func abandon(_ replacement: Replacement) {
        close(replacement.descriptor)
        unlink(replacement.temporaryPath)
    }

    /// `prepare` and `commit` in one.
    package func save(_ record: SessionRecord) throws(SessionFileError) {
        try commit(record, try prepare())
    }

    private var directory: String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    private var name: String {
        path.lastIndex(of: "/").map { String(path[path.index(after: $0)...]) } ?? path
    }

    /// Makes the directory and its parents, 0700.
    private func makeDirectory() throws(SessionFileError) {
        let directory = directory
        var information = stat()
        if stat(directory, &information) == 0 { return }
        var partial = directory.hasPrefix("/") ? "" : "."
        for component in directory.split(separator: "/") {
            partial += "/" + component
            if mkdir(partial, 0o700) != 0, errno != EEXIST { throw SessionFileError("make the directory", partial) }
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
