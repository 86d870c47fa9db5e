public import Platform
import Support

/// Replacing the file: prepared before an irrevocable action, committed after it.
extension SessionFile {
    /// Records that a refresh is in flight: of which token (`Token.fingerprint`), since when, and why.
    struct Journal: Equatable, Sendable {
        var fingerprint: String
        var at: Int
        var cause: RefreshCause

        var bytes: [UInt8] {
            let journal = JSONValue.object([
                .init("refreshing", .string(fingerprint)), .init("at", .integer(at)),
                .init("cause", .string(cause.rawValue)),
            ])
            return journal.octets()
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

    /// A new version of the file that is being written. It is locked itself (flock(2)), which shows that its writer lives
    /// even if somebody removes the lock file.
    public struct Replacement: Sendable {
        let descriptor: Int32
    }

    /// Throws if a record could not be saved now. Call it before an irrevocable action that has no journal. The lock must
    /// be held.
    func proveWritable() throws(SessionFileError) {
        try holdingRoom {}
    }

    /// The same, and holds room for the record while `work` runs.
    func holdingRoom<Result>(_ work: () -> Result) throws(SessionFileError) -> Result {
        let room = try prepare()
        defer { abandon(room) }
        try proveReplaceable()
        return work()
    }

    /// Takes as much of the disk as saving a session needs, and keeping the one that it replaces, until the result goes
    /// away. Needs no lock, and no file is to be seen. Nil if that is not possible.
    public func reserveRoom() -> FileDescriptor? {
        guard let room = try? FileDescriptor.unnamedFile(in: directory) else { return nil }
        guard room.writeAll([UInt8](repeating: 0x20, count: size + Self.roomBeside)) else { return nil }
        return room
    }

    /// The size of a new file while its record is not written: enough for any.
    private var size: Int { min(max(Int(version()?.size ?? 0), 0), Self.maximumBytes) + Self.room }

    /// Creates the new file and reserves its space, so that a record can be saved after an irrevocable action. With a
    /// `journal` the file durably says what is about to happen. Throws, too, if a dead process's session or journal lies
    /// at the path of new files. The lock must be held.
    func prepare(_ journal: Journal? = nil) throws(SessionFileError) -> Replacement {
        try makeDirectory()
        if journal != nil { try proveReplaceable() }
        try clearTemporaryPath()
        let descriptor = SystemCall.retrying {
            unsafe open(temporaryPath, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        }
        guard descriptor >= 0 else { throw SessionFileError("write", path) }
        // Where that fails, the lock file alone must do.
        _ = SystemCall.retrying { flock(descriptor, LOCK_EX | LOCK_NB) }
        // Real bytes, not a hole, because a full disk must show now. Blanks, so that the file remains JSON when a
        // record is written over them.
        var room = journal?.bytes ?? []
        room += [UInt8](repeating: 0x20, count: size - room.count)
        // The process's umask may have removed our own rights, too.
        guard fchmod(descriptor, 0o600) == 0, SystemCall.writeAll(descriptor, room),
            SystemCall.retrying({ fsync(descriptor) }) == 0
        else {
            let code = errno
            abandon(Replacement(descriptor: descriptor))
            throw SessionFileError("write", path, code: code)
        }
        return Replacement(descriptor: descriptor)
    }

    /// Throws if no file can take the place of the one that is there: that is mounted by itself, immutable or
    /// append-only, or somebody else's in a sticky directory. A new file beside it shows none of these. Changes nothing;
    /// where it cannot be told, it is taken for possible. The lock must be held.
    ///
    /// link(2) refuses such files for the same reasons as rename(2) over them does.
    func proveReplaceable() throws(SessionFileError) {
        var (file, parent) = (stat(), stat())
        guard unsafe lstat(path, &file) == 0 else { return }
        guard file.st_mode & S_IFMT != S_IFDIR else { throw SessionFileError("write", path, code: EISDIR) }
        let user = geteuid()
        if unsafe stat(directory, &parent) == 0, parent.st_mode & S_ISVTX != 0,
            user != 0, user != file.st_uid, user != parent.st_uid
        {
            throw SessionFileError("write", path, code: EPERM)
        }
        let probe = directory + "/." + name + ".probe"
        unsafe unlink(probe)
        if unsafe link(path, probe) == 0 {
            guard unsafe unlink(probe) == 0 else { throw SessionFileError("write", path) }
            return
        }
        switch errno {
        case EXDEV: throw SessionFileError("write", path, code: EBUSY)
        case EPERM where FileFlags.forbidReplacement(path): throw SessionFileError("write", path, code: EPERM)
        // Here there are no hard links, or nobody may make them.
        default: return
        }
    }

    /// The number of bytes reserved for a token of the largest size and everything else in the record.
    private static let room = 48 * 1024

    /// The number of bytes reserved besides for the session that a login replaces.
    private static let roomBeside = 16 * 1024

    /// Writes `record` and renames it into place, durably. Calls `mayReplace` last, because an editor that takes no
    /// lock may have changed the file while the disk was busy. If it returns false, nothing is replaced and the result
    /// is nil. If the new file has lost its name, or the name has become another file's, the record is written once
    /// more, under a name of its own.
    ///
    /// If only the renaming fails, `keepsComplete` leaves the new file where the next holder of the lock finds it: see
    /// `leftover`. For a record that nobody else has, and that must not be lost if this process ends.
    @discardableResult
    func commit(
        _ record: SessionRecord,
        _ replacement: Replacement,
        keepsComplete: Bool = false,
        mayReplace: () throws(SessionFileError) -> Bool = { true }
    ) throws(SessionFileError) -> Version? {
        let bytes = record.serialized()
        var information = stat()
        guard lseek(replacement.descriptor, 0, SEEK_SET) == 0, SystemCall.writeAll(replacement.descriptor, bytes),
            ftruncate(replacement.descriptor, off_t(bytes.count)) == 0,
            SystemCall.retrying({ fsync(replacement.descriptor) }) == 0,
            unsafe fstat(replacement.descriptor, &information) == 0
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
        guard FileDescriptor.isNamed(replacement.descriptor, temporaryPath) else {
            close(replacement.descriptor)
            return try commitBeside(bytes)
        }
        guard unsafe rename(temporaryPath, path) == 0 else {
            guard keepsComplete else { throw failure(of: replacement) }
            let code = errno
            close(replacement.descriptor)
            throw SessionFileError("write", path, code: code)
        }
        close(replacement.descriptor)
        try synchronizeDirectory()
        return Version(information)
    }

    /// Puts a file with these bytes in place that nobody else knows.
    private func commitBeside(_ bytes: [UInt8]) throws(SessionFileError) -> Version {
        let own = "\(temporaryPath).\(String(UInt64.random(in: 0 ... .max), radix: 16))"
        guard PrivateFile.create(own, bytes) else { throw SessionFileError("write", path) }
        var information = stat()
        guard unsafe lstat(own, &information) == 0, unsafe rename(own, path) == 0 else {
            let code = errno
            unsafe unlink(own)
            throw SessionFileError("write", path, code: code)
        }
        try synchronizeDirectory()
        return Version(information)
    }

    private func failure(of replacement: Replacement) -> SessionFileError {
        let code = errno
        abandon(replacement)
        return SessionFileError("write", path, code: code)
    }

    func synchronizeDirectory() throws(SessionFileError) {
        do {
            try ParentDirectory.synchronize(of: path)
        } catch {
            throw SessionFileError(error)
        }
    }

    func abandon(_ replacement: Replacement) {
        if FileDescriptor.isNamed(replacement.descriptor, temporaryPath) { unsafe unlink(temporaryPath) }
        close(replacement.descriptor)
    }

    /// Calls `prepare` and `commit`.
    @discardableResult
    public func save(
        _ record: SessionRecord,
        keepsComplete: Bool = false,
        mayReplace: () throws(SessionFileError) -> Bool = { true }
    ) throws(SessionFileError) -> Version? {
        try commit(record, try prepare(), keepsComplete: keepsComplete, mayReplace: mayReplace)
    }
}
