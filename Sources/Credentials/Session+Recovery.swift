import Threads

/// The lock of the session file, and what a process left that died with it.
extension Session {
    /// Takes the file's lock, and first settles what a dead process left: nobody saves over that. Nil if the lock is not
    /// available within `waitLimit`, or `isOver` returns that the wait has no purpose any more.
    func hold(
        _ file: SessionFile,
        waitLimit: Duration = .zero,
        isOver: () -> Bool = { false }
    ) throws(SessionFileError) -> SessionFile.LockHandle? {
        let tell = { [self] in emit(.waitsForFile(path: file.path, since: SessionFile.quietWait, limit: waitLimit)) }
        guard let handle = try file.lock(waitLimit: waitLimit, isOver: isOver, isLong: tell) else { return nil }
        recover(file)
        return handle
    }

    /// Recovers from a crash during a save or a refresh. The file's lock is held.
    private func recover(_ file: SessionFile) {
        let leftover = file.leftover()
        guard leftover != nil || file.hasDraft || file.hasAnswer else { return }
        // A file that cannot be read now may be readable later: nothing is discarded.
        let current: SessionRecord?
        do { current = try file.load()?.record } catch { return }
        defer { file.recoverDraft((try? file.load())?.record) }
        switch leftover {
        case nil: break
        // Without a file, it is all that there is.
        case .record(let record)
        where record.held != current?.held && (current == nil || record.replaced == current?.spent):
            // The leftover has the new token, and nobody else does: the old one is dead.
            let isOwn = snapshot.persistence.unsaved != nil && record.held == snapshot.record.held
            // Together, so that nobody takes for another's change what this process could not put in place itself.
            let isDone = saving.withLock {
                guard (try? file.completeLeftover()) != nil else { return false }
                let version = file.version()
                update { state, _ in state.fileHolds(record, version) }
                return true
            }
            guard isDone else { return }
            // A response that could not be interpreted; a session is looked at below.
            if file.unsaved == nil { file.removeAnswer() }
            emit(isOwn ? .saved : .recovered)
        case .journal(let journal):
            guard var record = current, record.spent == journal.fingerprint else {
                return file.removeLeftover()
            }
            record.unanswered = .init(at: journal.at, reason: "Squire was stopped before it came")
            record.record(
                RefreshEntry(
                    at: journal.at,
                    cause: journal.cause,
                    outcome: .interrupted,
                    detail: "Squire was stopped before the answer came; the API may have rotated the token"
                )
            )
            // It stays where the file cannot be replaced: what it says must not be lost.
            guard (try? file.proveReplaceable()) != nil, let journal = file.takeUpJournal() else { return }
            _ = try? file.commit(record, journal)
        case .record, .rubbish:
            file.removeLeftover()
        }
        // What is not saved yet is newer than what an earlier process kept.
        guard snapshot.persistence.unsaved == nil else { return }
        if file.takeUpUnsaved((try? file.load())?.record) { emit(.recovered) }
    }
}
