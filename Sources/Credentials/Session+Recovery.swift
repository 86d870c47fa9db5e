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
        let read = Result { () throws(SessionFileError) in try file.loadWhenWritten { clock.now.wall } }
        // A file that cannot be read now may be readable later: nothing is discarded.
        if case .success(let loaded) = read { recover(file, loaded) }
        return handle
    }

    /// Recovers from a crash during a save or a refresh. The file has `loaded`, and its lock is held.
    private func recover(_ file: SessionFile, _ loaded: SessionFile.Loaded?) {
        let leftover = file.leftover()
        yieldToLater(leftover?.record, loaded, in: file)
        guard file.hasRemains else { return }
        file.removeCompleteDraft()
        var current = loaded
        defer { file.recoverDraft(current?.record) }
        var problem: SessionFileError?
        do throws(SessionFileError) {
            switch leftover {
            case nil: break
            // The leftover has the new token, and nobody else does: the old one is dead.
            case .record(let record) where record.follows(current?.record): current = try complete(record, file)
            case .journal(let journal) where current?.record.spent == journal.fingerprint:
                current = settle(journal, current, file)
            case .record, .journal, .rubbish: file.removeLeftover()
            }
            // What is not saved yet is newer than what an earlier process kept.
            guard snapshot.persistence.unsaved == nil else { return }
            if let taken = try file.takeUpUnsaved(current?.record) {
                current = taken
                emit(.recovered)
            }
        } catch {
            problem = error
            // It may be in its place, if only the directory could not be synchronized.
            current = (try? file.load()) ?? current
        }
        let reason = saving { takeSuccessor(of: current, in: file, because: problem) }
        if let reason { reportUnsaved(reason) }
    }

    /// Calls `takeLater`, and tells of it. The file's lock is held.
    private func yieldToLater(_ beside: SessionRecord?, _ loaded: SessionFile.Loaded?, in file: SessionFile) {
        guard let change = saving({ takeLater(beside, loaded, in: file) }) else { return }
        emitNews(.adopted(change, of: .process, generation: generation))
        resumeWaiters()
    }

    /// What this process could not save lay beside the file, where others go on from it. Makes what one of them has put
    /// there since, which is `beside`, or in the file, which has `loaded`, the session: that is later, and is never
    /// overwritten with what was there before. Nil if nobody did. Called in `saving`.
    func takeLater(_ beside: SessionRecord?, _ loaded: SessionFile.Loaded?, in file: SessionFile) -> AdoptedChange? {
        let before = snapshot
        guard var unsaved = before.persistence.unsaved, unsaved.keptIn != nil else { return nil }
        let later: SessionRecord
        let persistence: Persistence
        if let beside, beside.follows(loaded?.record) {
            later = beside
            unsaved.replacing = loaded?.record.spent
            unsaved.seen = loaded?.version
            // Whoever put it there has kept it.
            unsaved.former = nil
            unsaved.keptIn = file.temporaryPath
            unsaved.order = .next()
            persistence = .unsaved(unsaved)
        } else if let loaded {
            let isNew = loaded.version != unsaved.seen && loaded.record.spent != unsaved.replacing
            // The file has no token, as before what lay there, and that has ended.
            guard isNew || loaded.record.isEmpty && beside?.isEnd == true else { return nil }
            later = loaded.record
            persistence = .saved(loaded.version)
        } else {
            return nil
        }
        guard later.held != before.record.held, foreign(later) == nil else { return nil }
        let change = AdoptedChange(from: before.record, to: later)
        publish(later, persistence, by: .file(change))
        return change
    }

    /// Puts the leftover, which is `record`, in place. Returns what is in the file now.
    private func complete(_ record: SessionRecord, _ file: SessionFile) throws(SessionFileError) -> SessionFile.Loaded {
        let isOwn = snapshot.persistence.unsaved != nil && record.held == snapshot.record.held
        // Together, so that nobody takes for another's change what this process could not put in place itself.
        let version = try saving { () throws(SessionFileError) in
            let former = isOwn ? snapshot.persistence.unsaved?.former : nil
            let version = try file.completeLeftover(record, keeping: former)
            update { state, _ in state.fileHolds(record, version) }
            return version
        }
        // A response that could not be interpreted, or what the end has ended; another session is looked at by itself.
        if record.isEmpty || file.unsaved == nil { file.removeAnswer() }
        if isOwn { emit(savedNews) } else if !record.isEmpty { emit(.recovered) }
        return SessionFile.Loaded(record: record, version: version)
    }

    /// Turns the journal of a dead process into the record that tells of it. Returns what is in the file now.
    private func settle(
        _ journal: SessionFile.Journal,
        _ current: SessionFile.Loaded?,
        _ file: SessionFile
    ) -> SessionFile.Loaded? {
        guard var record = current?.record else { return nil }
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
        guard (try? file.proveReplaceable()) != nil, let replacement = file.takeUpJournal(),
            let version = (try? file.commit(record, replacement)) ?? nil
        else { return current }
        return SessionFile.Loaded(record: record, version: version)
    }

    /// Makes this session of what replaced the file's, which was `loaded`, and could not be put in its place, `because` of
    /// that: what the file has is dead. Returns the reason for `reportUnsaved`; nil if there is no such record, or another
    /// is unsaved already. Called in `saving`, or in `init`.
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
            keptIn: successor.path
        )
        let isFirst = before.machine.generation == 0
        let hand = isFirst ? .opening : Publication.Hand.file(AdoptedChange(from: before.record, to: successor.record))
        publish(successor.record, .unsaved(unsaved), by: hand)
        let what = successor.record.isEmpty ? "that it has ended" : "it"
        return "\(reason); \(what) is kept in \(successor.path)"
    }
}
