import Platform

/// Files that lie at the path for new files: a dead process left them, or they could not be put in place.
extension SessionFile {
    enum Leftover {
        /// A complete record that was not renamed into place yet: a session, or the end of one.
        case record(SessionRecord)
        /// A refresh was in flight.
        case journal(Journal)
        case rubbish

        var record: SessionRecord? { if case .record(let record) = self { record } else { nil } }
    }

    /// The leftover at the path of new files; nil if there is none. Meaningful only while the lock is held.
    func leftover() -> Leftover? {
        let file: FileDescriptor
        do {
            file = try openLeftover(O_RDONLY)
        } catch {
            return error.code == ENOENT ? nil : .rubbish
        }
        return leftover(in: file)
    }

    private func leftover(in file: borrowing FileDescriptor) -> Leftover {
        guard isOurs(file), case .bytes(let bytes) = file.readAll(limit: Self.maximumBytes),
            let record = SessionRecord(parsing: bytes)
        else { return .rubbish }
        if let journal = Journal(record.document) { return .journal(journal) }
        return record.isEmpty && !record.isEnd ? .rubbish : .record(record)
    }

    /// The record at the path of new files that its writer could not put in place, or did not live to; nil if there is
    /// none. Needs no lock: one file is looked at from first to last. A writer that lives locks it until it is in place,
    /// and then it has another name.
    var abandonedRecord: SessionRecord? {
        guard hasLeftover, let file = try? openLeftover(O_RDONLY), case .record(let record) = leftover(in: file),
            file.lock(.shared) != .busy, file.isNamed(temporaryPath)
        else { return nil }
        return record
    }

    /// True if a living process has not finished the new file: somebody has removed the file of the lock that it holds.
    var isBeingReplaced: Bool {
        guard let file = try? openLeftover(O_RDONLY), isOurs(file) else { return false }
        return file.lock(.shared) == .busy
    }

    private func openLeftover(_ access: Int32) throws(SystemError) -> FileDescriptor {
        try FileDescriptor.open(temporaryPath, access | O_NONBLOCK | O_NOFOLLOW)
    }

    private func isOurs(_ opened: borrowing FileDescriptor) -> Bool { opened.information().map(isOurs) ?? false }

    /// True if a file beside the session file comes from a process that may write that: it is a regular file of this
    /// user or, for the superuser, of the session file's owner. In a shared directory anybody can plant one.
    func isOurs(_ found: stat) -> Bool {
        var file = stat()
        guard found.st_mode & S_IFMT == S_IFREG else { return false }
        if found.st_uid == geteuid() { return true }
        return unsafe geteuid() == 0 && lstat(path, &file) == 0 && file.st_mode & S_IFMT == S_IFREG
            && file.st_uid == found.st_uid
    }

    /// True if there may be a leftover. One stat(2), without the lock.
    var hasLeftover: Bool { PrivateFile.exists(temporaryPath) }

    /// Waits, up to `limit`, for another process's refresh: once it is answered, the token in the file is dead. False
    /// if it is still running then. `isLong` is called once, after `quietWait`. One stat(2) if there is none.
    public func waitForRefresh(limit: Duration, isLong: (() -> Void)? = nil) -> Bool {
        guard hasLeftover else { return true }
        do throws(SessionFileError) {
            guard let handle = try lock(waitLimit: limit, isOver: { !hasLeftover }, isLong: isLong) else {
                return !hasLeftover
            }
            handle.unlock()
            return true
        } catch {
            // A process that cannot lock the file learns that when it has to write.
            return true
        }
    }

    /// Renames the leftover, which is `record`, into place, durably. Keeps `former`, the record that it replaces, for a
    /// person.
    func completeLeftover(
        _ record: SessionRecord,
        keeping former: SessionRecord? = nil
    ) throws(SessionFileError) -> Version {
        let file: FileDescriptor
        do {
            file = try openLeftover(O_RDWR)
        } catch {
            throw SessionFileError("read", temporaryPath, code: error.code)
        }
        guard isOurs(file) else { throw SessionFileError("\(temporaryPath) belongs to another user") }
        guard file.synchronize(), let information = file.information() else { throw SessionFileError("write", path) }
        return try put(record, from: temporaryPath, information, keeping: former)
    }

    /// Leaves `record`, which could not be put in the file's place, complete at the path of new files, instead of another
    /// such record: whoever takes the lock finds it there. `current` is what the file has. `former`, the session that
    /// `record` replaces, is kept for a person at once: it may have lain only there. If that fails, nothing changes. The
    /// lock must be held.
    func leave(_ record: SessionRecord, insteadOf current: SessionRecord?, keeping former: SessionRecord?) {
        guard !isBeingReplaced else { return }
        var left = record
        left.replaces(current)
        guard PrivateFile.create(completeDraftPath, left.serialized()) else { return }
        if let former {
            writeDraft(former)
            settleDraft(isReplaced: true)
        }
        guard unsafe rename(completeDraftPath, temporaryPath) == 0 else { return removeCompleteDraft() }
        try? synchronizeDirectory()
        settleAnswer(replacedBy: record, hasKeptFormer: former != nil)
    }

    /// Where `leave` writes.
    private var completeDraftPath: String { temporaryPath + ".complete" }

    /// Removes what a dead process did not leave completely: its client was told of nothing. The lock must be held.
    func removeCompleteDraft() {
        unsafe unlink(completeDraftPath)
    }

    /// True if a process may have left anything to settle. Four stat(2), without the lock.
    var hasRemains: Bool { hasLeftover || hasDraft || hasAnswer || PrivateFile.exists(completeDraftPath) }

    /// The journal of a dead process, to be turned into the record that tells of it: its space is reserved. Nil if there
    /// is none any more. The lock must be held.
    func takeUpJournal() -> Replacement? {
        guard let file = try? openLeftover(O_RDWR), isOurs(file), file.lock(.exclusive) != .busy else { return nil }
        return Replacement(file)
    }

    /// Frees the path of new files. Throws if what lies there may be all that is left of a session, or is being written:
    /// see `Session.hold`.
    func clearTemporaryPath() throws(SessionFileError) {
        guard hasLeftover else { return }
        guard !isBeingReplaced else { throw SessionFileError("another process is writing \(path)") }
        switch leftover() {
        case nil: return
        case .rubbish:
            guard unsafe unlink(temporaryPath) == 0 || errno == ENOENT else {
                throw SessionFileError("cannot write \(path): \(SessionFileError("remove", temporaryPath).description)")
            }
        case .record, .journal:
            // The cause, if it is known.
            try proveReplaceable()
            throw SessionFileError(
                "cannot write \(path): \(temporaryPath) has a session, or the note of a refresh, that cannot be put in place"
            )
        }
    }

    func removeLeftover() {
        unsafe unlink(temporaryPath)
    }
}
