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

    /// A new version of the file that is being written. It is locked itself, which shows that its writer lives even if
    /// somebody removes the lock file. `commit` puts it in place, `abandon` removes it; if it is dropped otherwise, the
    /// file stays as a note for the next holder of the lock: see `leftover`.
    struct Replacement: ~Copyable, Sendable {
        fileprivate let file: FileDescriptor

        init(_ file: consuming FileDescriptor) {
            self.file = file
        }
    }

    /// Throws if a record could not be saved now. Call it before an irrevocable action that has no journal. The lock must
    /// be held.
    func proveWritable() throws(SessionFileError) {
        try holdingRoom {}
    }

    /// The same, and holds room for the record while `work` runs.
    func holdingRoom<Result>(_ work: () -> Result) throws(SessionFileError) -> Result {
        try makeDirectory()
        try proveReplaceable()
        let room = try prepare()
        let result = work()
        abandon(room)
        return result
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
        let file: FileDescriptor
        do {
            file = try FileDescriptor.open(temporaryPath, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW)
        } catch {
            throw SessionFileError("write", path, code: error.code)
        }
        // Where that fails, the lock file alone must do.
        _ = file.lock(.exclusive)
        // Real bytes, not a hole, because a full disk must show now. Blanks, so that the file remains JSON when a
        // record is written over them.
        var room = journal?.bytes ?? []
        room += [UInt8](repeating: 0x20, count: size - room.count)
        // The process's umask may have removed our own rights, too.
        guard fchmod(file.number, 0o600) == 0, file.writeAll(room), file.synchronize() else {
            throw failure(of: Replacement(file))
        }
        return Replacement(file)
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
    /// more, under a name of its own. `former` is the record that it replaces, to be kept for a person.
    ///
    /// If only the renaming fails, `keepsComplete` leaves the new file where the next holder of the lock finds it: see
    /// `leftover`. For a record that nobody else has, and that must not be lost if this process ends.
    @discardableResult
    func commit(
        _ record: SessionRecord,
        _ replacement: consuming Replacement,
        keeping former: SessionRecord? = nil,
        keepsComplete: Bool = false,
        mayReplace: () throws(SessionFileError) -> Bool = { true }
    ) throws(SessionFileError) -> Version? {
        let bytes = record.serialized()
        guard replacement.file.rewrite(bytes), let information = replacement.file.information() else {
            throw failure(of: replacement)
        }
        let isAllowed: Bool
        do throws(SessionFileError) {
            isAllowed = try mayReplace()
        } catch {
            abandon(replacement)
            throw error
        }
        guard isAllowed else {
            abandon(replacement)
            return nil
        }
        guard replacement.file.isNamed(temporaryPath) else { return try commitBeside(record, keeping: former) }
        do throws(SessionFileError) {
            return try put(record, from: temporaryPath, information, keeping: former)
        } catch {
            if !keepsComplete { abandon(replacement) }
            throw error
        }
    }

    /// Puts a file with the record in place that nobody else knows: if that fails, nothing of it stays.
    private func commitBeside(
        _ record: SessionRecord,
        keeping former: SessionRecord?
    ) throws(SessionFileError) -> Version {
        let own = "\(temporaryPath).\(String(UInt64.random(in: 0 ... .max), radix: 16))"
        guard PrivateFile.create(own, record.serialized()) else { throw SessionFileError("write", path) }
        do throws(SessionFileError) {
            var information = stat()
            guard unsafe lstat(own, &information) == 0 else { throw SessionFileError("write", path) }
            return try put(record, from: own, information, keeping: former)
        } catch {
            unsafe unlink(own)
            throw error
        }
    }

    /// Renames the file at `new`, which has the record and is on the disk, into the session file's place, durably.
    /// Keeps `former`, the record that it replaces, for a person.
    func put(
        _ record: SessionRecord,
        from new: String,
        _ information: stat,
        keeping former: SessionRecord?
    ) throws(SessionFileError) -> Version {
        if let former { writeDraft(former) }
        do throws(SessionFileError) {
            guard unsafe rename(new, path) == 0 else { throw SessionFileError("write", path) }
            try synchronizeDirectory()
        } catch {
            // It may be in place already, if only its directory could not be synchronized.
            if former != nil { settleDraft(isReplaced: (try? load())?.record.held == record.held) }
            throw error
        }
        if former != nil { settleDraft(isReplaced: true) }
        return Version(information)
    }

    /// Writes a file beside this one, in place of what is there, durably and never in part.
    func write(
        _ bytes: some Collection<UInt8>,
        to path: String,
        through draft: String
    ) throws(SessionFileError) {
        guard PrivateFile.create(draft, bytes), unsafe rename(draft, path) == 0 else {
            let code = errno
            unsafe unlink(draft)
            throw SessionFileError("write", path, code: code)
        }
        try synchronizeDirectory()
    }

    private func failure(of replacement: consuming Replacement) -> SessionFileError {
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

    func abandon(_ replacement: consuming Replacement) {
        if replacement.file.isNamed(temporaryPath) { unsafe unlink(temporaryPath) }
    }

    /// Calls `prepare` and `commit`.
    @discardableResult
    public func save(
        _ record: SessionRecord,
        keeping former: SessionRecord? = nil,
        keepsComplete: Bool = false,
        mayReplace: () throws(SessionFileError) -> Bool = { true }
    ) throws(SessionFileError) -> Version? {
        try commit(record, try prepare(), keeping: former, keepsComplete: keepsComplete, mayReplace: mayReplace)
    }

    /// Saves `record` after a try that failed. With a new file, because one that could not be synchronized must not be
    /// trusted, unless a complete one is left, which is not given up before there is another. If only the directory could
    /// not be synchronized, the record is in its place already.
    func saveAgain(
        _ record: SessionRecord,
        keeping former: SessionRecord?,
        keepsComplete: Bool = false,
        mayReplace: () throws(SessionFileError) -> Bool
    ) throws(SessionFileError) -> Version? {
        if let loaded = (try? load()) ?? nil, loaded.record == record {
            try synchronizeDirectory()
            return loaded.version
        }
        guard path(ofComplete: record) != nil else {
            return try save(record, keeping: former, keepsComplete: keepsComplete, mayReplace: mayReplace)
        }
        guard try mayReplace() else {
            removeLeftover()
            return nil
        }
        return try completeLeftover(record, keeping: former)
    }

    /// Saves `record` in place of what was read; nil means that there was no file. Nil, and nothing is changed, if
    /// somebody has changed the file since.
    func save(
        _ record: SessionRecord,
        keeping former: SessionRecord? = nil,
        over loaded: Loaded?
    ) throws(SessionFileError) -> Version? {
        try save(record, keeping: former, mayReplace: { version() == loaded?.version })
    }

    /// The same for information that nothing depends on. Nil if it was not saved, for whatever reason.
    func trySave(_ record: SessionRecord, over loaded: Loaded?) -> Version? {
        (try? save(record, over: loaded)) ?? nil
    }
}
