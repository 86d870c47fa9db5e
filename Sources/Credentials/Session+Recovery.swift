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
        file.waitUntilWritten { clock.now.wall }
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
        var problem: SessionFileError?
        switch leftover {
        case nil: break
        // The leftover has the new token, and nobody else does: the old one is dead.
        case .record(let record) where record.follows(current): problem = complete(record, file)
        case .journal(let journal) where current?.spent == journal.fingerprint: settle(journal, current, file)
        case .record, .journal, .rubbish: file.removeLeftover()
        }
        // What is not saved yet is newer than what an earlier process kept.
        guard snapshot.persistence.unsaved == nil else { return }
        do throws(SessionFileError) {
            // What lies at the path of new files comes first.
            if problem == nil, try file.takeUpUnsaved(file.load()?.record) { emit(.recovered) }
        } catch {
            problem = error
        }
        let reason = saving.withLock {
            Result { () throws(SessionFileError) in try file.load() }.map {
                takeSuccessor(of: $0, in: file, because: problem)
            }
        }
        if case .success(let reason?) = reason { reportUnsaved(reason) }
    }

    /// Puts the leftover, which is `record`, in place. Returns why that failed.
    private func complete(_ record: SessionRecord, _ file: SessionFile) -> SessionFileError? {
        let isOwn = snapshot.persistence.unsaved != nil && record.held == snapshot.record.held
        do throws(SessionFileError) {
            // Together, so that nobody takes for another's change what this process could not put in place itself.
            try saving.withLock { () throws(SessionFileError) in
                let former = isOwn ? snapshot.persistence.unsaved?.former : nil
                let version = try file.completeLeftover(record, keeping: former)
                update { state, _ in state.fileHolds(record, version) }
            }
        } catch {
            return error
        }
        // A response that could not be interpreted; a session is looked at by itself.
        if file.unsaved == nil { file.removeAnswer() }
        emit(isOwn ? .saved : .recovered)
        return nil
    }

    /// Turns the journal of a dead process into the record that tells of it.
    private func settle(_ journal: SessionFile.Journal, _ current: SessionRecord?, _ file: SessionFile) {
        guard var record = current else { return }
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
        guard (try? file.proveReplaceable()) != nil, let replacement = file.takeUpJournal() else { return }
        _ = try? file.commit(record, replacement)
    }

    /// Makes this session of what replaced the file's, which was `loaded`, and could not be put in its place, `because` of
    /// that: what the file has is dead. Returns the reason for `reportUnsaved`; nil if there is no such record, or another
    /// is unsaved already. `saving` is held, except during `init`.
    func takeSuccessor(
        of loaded: SessionFile.Loaded?,
        in file: SessionFile,
        because problem: SessionFileError? = nil
    ) -> String? {
        let before = snapshot
        guard before.persistence.unsaved == nil, let successor = file.successor(of: loaded?.record),
            foreign(successor.record) == nil
        else { return nil }
        let reason = problem?.description ?? "\(file.path) cannot be replaced"
        let unsaved = Persistence.Unsaved(
            replacing: loaded?.record.spent,
            seen: loaded?.version,
            reason: reason,
            keptIn: successor.place
        )
        let isFirst = before.machine.generation == 0
        let hand = isFirst ? .opening : Publication.Hand.file(AdoptedChange(from: before.record, to: successor.record))
        publish(successor.record, .unsaved(unsaved), by: hand)
        return "\(reason); it is kept in \(successor.place)"
    }
}
