import Threads

/// Logins and logouts: changes that a person, or a client, makes to the record.
extension Session {
    /// How long a login or logout waits for another process's refresh: two tries of half a minute, and a margin.
    private static let changeWaitLimit = Duration.seconds(75)

    /// What to do with the record after a change.
    enum ChangeVerdict {
        /// There is nothing to change.
        case leave
        /// Save it, and keep the former one beside the file.
        case replace(keeping: SessionRecord?)
        /// Leave it: it belongs to that customer.
        case refuse(customer: String)
    }

    /// A change of the record.
    struct Change {
        /// If it cannot be saved, it stays in memory until it can, and beside the file where that is possible.
        var keepsUnsaved = false
        /// It may change a file with the session of another API.
        var replacesForeign = false
        /// Spends or ends what cannot be taken back, and gets the record that is about to change: the only part with
        /// effects. Nothing changes if it returns false. The file's lock is held, and no other. Called again if somebody
        /// else wrote the file first.
        var prepare: (SessionRecord) throws(SessionFileError) -> Bool = { _ in true }
        /// Receives the wall clock too.
        var make: (inout SessionRecord, Int) -> ChangeVerdict
    }

    /// Changes the record in the file, and the session with it.
    func replace(_ wish: SharedWish, _ change: Change) -> Result<Void, SessionFileError> {
        var isKept = false
        do throws(SessionFileError) {
            guard let file else {
                try replaceInMemory(because: nil, nil, change)
                return .success(())
            }
            guard let handle = try hold(file, waitLimit: Self.changeWaitLimit) else {
                throw SessionFileError(
                    "another process has held \(file.path).lock for \(Self.changeWaitLimit). Is a squire stopped?"
                )
            }
            defer { extendLifetime(handle) }
            if let sharing {
                let steps = ChangeSteps(self, file, change)
                defer { isKept = steps.hasTakenEffect }
                try share(wish, sharing, steps)
            } else {
                try replace(file, nil, over: nil, change)
            }
            return .success(())
        } catch {
            if !isKept { keep(change, nil, despite: error) }
            return .failure(error)
        }
    }

    /// Makes a change that could not be saved in memory, if it is to stay. False if it is not.
    @discardableResult
    func keep(_ change: Change, _ name: Naming?, despite error: SessionFileError) -> Bool {
        guard change.keepsUnsaved, !error.isRefusal else { return false }
        if error.reason != .left { try? replaceInMemory(because: error, name, change) }
        reportUnsaved(error.description)
        return true
    }

    /// `name` identifies the change if machines share the session.
    func replaceInMemory(
        because problem: SessionFileError?,
        _ name: Naming?,
        _ change: Change
    ) throws(SessionFileError) {
        guard try change.prepare(snapshot.record) else { return }
        saving {
            let before = snapshot
            var changed = before.record
            guard case .replace(let former) = change.make(&changed, clock.now.wall) else { return }
            if let name { share(&changed, name) }
            let persistence = problem.map { problem in
                let path = file?.path(ofComplete: changed)
                return before.unsaved(
                    replacing: before.record.spent,
                    keeping: former,
                    problem.description,
                    keptIn: path
                )
            }
            publish(changed, persistence ?? before.persistence, by: .change)
        }
    }

    /// The record in use, or the one that would be in use without a foreign file; and the version of the file that was
    /// read.
    func recordToChange(
        in file: SessionFile,
        replacesForeign: Bool
    ) throws(SessionFileError) -> (record: SessionRecord, loaded: SessionFile.Loaded?) {
        // An unreadable file is never overwritten, not even by newer data.
        let loaded = try file.load(now: clock.now.wall)
        if let loaded, !replacesForeign { try refuseForeign(loaded.record, file) }
        let before = snapshot
        return (before.persistence.unsaved != nil ? before.record : loaded?.record ?? SessionRecord(), loaded)
    }

    /// If machines share the session, `name` identifies the change, and `there` is the session that it replaces on the
    /// other machines. True if anything was changed. The file's lock is held.
    @discardableResult
    func replace(
        _ file: SessionFile,
        _ name: Naming?,
        over there: SessionRecord?,
        _ change: Change
    ) throws(SessionFileError) -> Bool {
        while true {
            var (changed, loaded) = try recordToChange(in: file, replacesForeign: change.replacesForeign)
            if let there { changed = changed.adopting(there) }
            guard try change.prepare(changed) else { return false }
            let before = snapshot
            let former: SessionRecord?
            switch change.make(&changed, clock.now.wall) {
            case .leave: return false
            case .refuse(let customer): throw SessionFileError(file.path, isOfCustomer: customer)
            case .replace(let replaced): former = replaced
            }
            if let name { share(&changed, name) }
            let kept = former ?? before.persistence.unsaved?.former
            let isSaved = try saving { () throws(SessionFileError) -> Bool in
                let version: SessionFile.Version?
                do throws(SessionFileError) {
                    version = try saveWithRetry(changed, over: loaded, keeping: kept, file)
                } catch {
                    guard change.keepsUnsaved else { throw error }
                    file.leave(changed, insteadOf: loaded?.record, keeping: kept)
                    guard let path = file.path(ofComplete: changed) else { throw error }
                    // At once, so that nobody here takes it for another's change.
                    let persistence = snapshot.unsaved(
                        replacing: before.record.spent,
                        keeping: former,
                        error.description,
                        keptIn: path
                    )
                    publish(changed, persistence, by: .change)
                    throw SessionFileError(error, .left)
                }
                guard let version else { return false }
                publish(changed, .saved(version), by: .change)
                return true
            }
            // Otherwise a process without the lock was quicker, and its change counts too.
            guard isSaved else { continue }
            file.settleAnswer(replacedBy: changed, hasKeptFormer: kept != nil)
            return true
        }
    }

    /// `record`, which lies beside the file since it could not be saved, has another identity: it has that there, too.
    /// If that fails, nothing changes there. Called in `saving`, with the file's lock held.
    func leaveRenamed(_ record: SessionRecord, _ file: SessionFile) {
        guard snapshot.persistence.unsaved?.keptIn == file.temporaryPath, let loaded = try? file.load() else { return }
        file.leave(record, insteadOf: loaded.record, keeping: nil)
    }

    /// What a login brought may be the only living token.
    private func saveWithRetry(
        _ record: SessionRecord,
        over loaded: SessionFile.Loaded?,
        keeping former: SessionRecord?,
        _ file: SessionFile
    ) throws(SessionFileError) -> SessionFile.Version? {
        do throws(SessionFileError) {
            return try file.save(record, keeping: former, over: loaded)
        } catch {
            return try file.saveAgain(record, keeping: former) { file.version() == loaded?.version }
        }
    }
}
