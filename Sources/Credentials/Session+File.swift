import Platform
import Threads

/// Follows changes of the file by other processes and people.
extension Session {
    /// How long a login or logout waits for another process's refresh: two tries of half a minute, and a margin.
    private static let changeWaitLimit = Duration.seconds(75)

    /// When to look again at a file that is being written, in nanoseconds: it counts as damaged by then.
    private static let writingPause: Int64 = 3_000_000_000

    /// Checks, on the session's thread, whether another process replaced the file, and adopts its token. One stat(2) if
    /// nothing changed.
    public func recheckFile() {
        guard let file, update({ state, _ in state.queueRecheck() }) else { return }
        _ = thread.execute { [self] in
            let isUnsaved = update { state, _ in
                state.beginRecheck()
                return state.persistence.unsaved != nil
            }
            if isUnsaved { saveAgain(file) } else { recheckNow() }
        }
    }

    /// Blocking variant. Waiters are resumed if the file holds a newer token.
    func recheckNow() {
        guard let file else { return }
        let before = snapshot
        let event = saving.withLock { readAgain(file) }
        let now = snapshot
        // Without waiting, because the caller may hold the lock itself. The next save binds the record, too.
        if now.persistence.version != before.persistence.version { _ = bindNow(now.record, in: file, waitLimit: .zero) }
        switch event {
        case nil: return
        case .notSaved(let reason)?: reportUnsaved(reason)
        case let event?: emit(event)
        }
        if now.machine.generation != before.machine.generation { resumeWaiters() }
    }

    /// Gives a token that somebody else brought to those who wait for a refresh.
    func resumeWaiters() {
        let (waiters, credential, refreshToken) = update { state, _ in
            (state.takeWaiters(), state.machine.credential, state.record.refreshToken)
        }
        for waiter in waiters {
            if let credential {
                resume(waiter, with: credential, hasWaited: false, response(with: credential.token, refreshToken))
            } else {
                waiter.fail(.loginNeeded())
            }
        }
    }

    /// Nil if nothing changed that matters. `saving` is held.
    private func readAgain(_ file: SessionFile) -> SessionEvent? {
        let version = file.version()
        guard version != snapshot.persistence.version else { return nil }
        do throws(SessionFileError) {
            guard let loaded = try file.load(forUse: true, now: clock.now.wall) else {
                if let delay = update({ $0.loseFile(now: $1) }) { tryAgain(file, after: delay) }
                return nil
            }
            let before = snapshot.record
            let isForeign = foreign(loaded.record) != nil
            let isOld = update { state, _ in state.recognizes(loaded, isForeign: isForeign) }
            if let reason = takeSuccessor(of: loaded, in: file) { return .notSaved(reason: reason) }
            let change = AdoptedChange(from: before, to: loaded.record)
            guard !isOld, publish(loaded.record, .saved(loaded.version), by: .file(change)) else { return nil }
            return .adopted(change, of: .process, generation: generation)
        } catch {
            // The record in memory is as good as before.
            guard error.reason == .incomplete else {
                let isNews = update { state, _ in state.cannotRead(version, error.description) }
                return isNews ? .fileUnreadable(reason: error.description) : nil
            }
            // The writer's end is told, unless there is none: then the next look finds damage.
            if update({ state, _ in state.cannotRead(nil, error.description) }) {
                thread.executeLater(Self.writingPause) { [weak self] in self?.recheckNow() }
            }
            return nil
        }
    }

    /// Tests, on the session's thread, whether a change could be saved, and calls `failed` if not.
    public func tryWriting(_ failed: @escaping @Sendable (SessionFileError) -> Void) {
        guard let file else { return }
        _ = thread.execute { if let problem = file.writeProblem() { failed(problem) } }
    }

    // MARK: Saving what could not be saved

    /// The token is in use and not on disk. Reports that, and retries by itself at growing intervals.
    func reportUnsaved(_ reason: String) {
        emit(.notSaved(reason: reason))
        guard let file else { return }
        if let delay = update({ $0.scheduleSave(now: $1) }) { tryAgain(file, after: delay) }
    }

    private func tryAgain(_ file: SessionFile, after delay: (nanoseconds: Int64, due: Int64)) {
        thread.executeLater(delay.nanoseconds) { [weak self] in
            guard let self, snapshot.persistence.unsaved?.nextTry == delay.due else { return }
            saveAgain(file)
            if let next = update({ $0.scheduleSave(now: $1) }) { tryAgain(file, after: next) }
        }
    }

    /// Saves what could not be saved before, unless somebody logged in meanwhile.
    func saveAgain(_ file: SessionFile) {
        guard snapshot.persistence.unsaved != nil, let handle = (try? hold(file)) ?? nil else { return }
        defer { extendLifetime(handle) }
        if let event = saving.withLock({ saveUnsaved(file) }) { emit(event) }
    }

    /// `saving` and the file's lock are held.
    private func saveUnsaved(_ file: SessionFile) -> SessionEvent? {
        let before = snapshot
        guard let unsaved = before.persistence.unsaved else { return nil }
        do throws(SessionFileError) {
            var theirs: SessionFile.Loaded?
            // What lies complete beside the file is not written once more.
            let version = try file.saveAgain(before.record, keeping: unsaved.former) { () throws(SessionFileError) in
                theirs = try file.load(now: clock.now.wall)
                // The file has another token meanwhile, by hand or by a login: memory goes on, and nothing is
                // overwritten.
                if let theirs { try refuseForeign(theirs.record, file) }
                if theirs?.record.spent == unsaved.replacing { theirs = nil }
                return theirs == nil
            }
            if let theirs {
                let change = AdoptedChange(from: before.record, to: theirs.record)
                // The same tokens: another process put them in place, and knows no less of them.
                let isOurs = theirs.record.held == before.record.held
                guard publish(theirs.record, .saved(theirs.version), by: .file(change)) else { return nil }
                return isOurs ? .saved : .adopted(change, of: .process, generation: generation)
            }
            guard let version else { return nil }
            update { state, _ in state.persistence = .saved(version) }
            file.removeAnswer()
            return .saved
        } catch {
            update { state, _ in state.explainUnsaved(error.description) }
            return nil
        }
    }

    // MARK: Logins and logouts

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
        /// Spends or ends what cannot be taken back, and gets the record that is about to change: the only part with
        /// effects. Nothing changes if it returns false. The file's lock is held, and no other. Called again if somebody
        /// else wrote the file first.
        var prepare: (SessionRecord) throws(SessionFileError) -> Bool = { _ in true }
        /// Receives the wall clock too.
        var make: (inout SessionRecord, Int) -> ChangeVerdict
    }

    /// Changes the record in the file, and the session with it. With `keepsUnsaved` a change that cannot be saved stays
    /// in memory until it can. A file with the session of another API is changed only with `replacesForeign`.
    func replace(
        _ wish: SharedWish,
        keepsUnsaved: Bool,
        replacesForeign: Bool = false,
        _ change: Change
    ) -> Result<Void, SessionFileError> {
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
                let steps = ChangeSteps(self, file, keepsUnsaved, replacesForeign, change)
                try share(wish, sharing, steps)
            } else {
                try replace(file, replacesForeign: replacesForeign, nil, over: nil, change)
            }
            return .success(())
        } catch {
            guard keepsUnsaved, !error.isRefusal else { return .failure(error) }
            try? replaceInMemory(because: error, nil, change)
            reportUnsaved(error.description)
            return .failure(error)
        }
    }

    /// `name` identifies the change if machines share the session.
    func replaceInMemory(
        because problem: SessionFileError?,
        _ name: Naming?,
        _ change: Change
    ) throws(SessionFileError) {
        guard try change.prepare(snapshot.record) else { return }
        saving.withLock {
            let before = snapshot
            var changed = before.record
            guard case .replace(let former) = change.make(&changed, clock.now.wall) else { return }
            if let name { share(&changed, name) }
            let persistence = problem.map { problem in
                before.unsaved(replacing: before.record.spent, keeping: former, problem.description)
            }
            publish(changed, persistence ?? before.persistence, by: .change)
        }
    }

    /// The record in use, or the one that would be in use without a foreign file; and the version of the file that was
    /// read.
    func changing(
        _ file: SessionFile,
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
        replacesForeign: Bool,
        _ name: Naming?,
        over there: SessionRecord?,
        _ change: Change
    ) throws(SessionFileError) -> Bool {
        while true {
            var (changed, loaded) = try changing(file, replacesForeign: replacesForeign)
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
            let isSaved = try saving.withLock { () throws(SessionFileError) -> Bool in
                let version: SessionFile.Version?
                do throws(SessionFileError) {
                    version = try file.save(changed, keeping: kept, over: loaded)
                } catch {
                    // What a login brought may be the only living token.
                    version = try file.saveAgain(changed, keeping: kept) { file.version() == loaded?.version }
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

    func refuseForeign(_ record: SessionRecord, _ file: SessionFile) throws(SessionFileError) {
        if let origin = foreignOrigin(record) { throw SessionFileError(file.path, isOf: origin) }
    }

    // MARK: Binding

    /// Writes the binding into a record that lacks it, and publishes the file's contents then. Returns false, and does
    /// nothing, if the record is complete, the file is locked for longer than `waitLimit`, or it cannot be written:
    /// this process then continues as if the record were bound.
    func bindNow(_ record: SessionRecord, in file: SessionFile, waitLimit: Duration) -> Bool {
        guard let binding, record.lacks(binding), snapshot.persistence.unsaved == nil,
            let handle = (try? hold(file, waitLimit: waitLimit)) ?? nil
        else { return false }
        defer { extendLifetime(handle) }
        return saving.withLock {
            // Taking the lock may have found another record, which could not be put in the file's place.
            guard snapshot.persistence.unsaved == nil else { return false }
            // Another process may have bound it meanwhile, possibly to another API.
            guard let loaded = (try? file.load()) ?? nil else { return false }
            var bound = loaded.record
            let before = snapshot
            let isFirst = before.machine.generation == 0
            let hand = isFirst ? .opening : Publication.Hand.file(AdoptedChange(from: before.record, to: bound))
            guard bound.lacks(binding) else {
                publish(bound, .saved(loaded.version), by: hand)
                return true
            }
            bound.complete(binding)
            guard let version = file.trySave(bound, over: loaded) else { return false }
            publish(bound, .saved(version), by: hand)
            return true
        }
    }
}

extension Session.State {
    /// The file has what a process, this one or one that died, could not put in place before. What is not saved here
    /// yet replaces that now.
    mutating func fileHolds(_ found: SessionRecord, _ version: SessionFile.Version?) {
        guard case .unsaved(var unsaved) = persistence else { return }
        if let version, found.held == record.held {
            persistence = .saved(version)
            return
        }
        if let former = unsaved.former, found.hasReplaced(former) { unsaved.former = found }
        unsaved.replacing = found.spent
        unsaved.seen = version
        persistence = .unsaved(unsaved)
    }

    /// The file is gone, possibly with its directory or its disk. That is not a logout (`squire logout` is): the token
    /// is kept and saved again. Returns when that is tried; nil if there is nothing to save, or it is scheduled
    /// already.
    mutating func loseFile(now: Instant) -> (nanoseconds: Int64, due: Int64)? {
        switch persistence {
        case .unsaved(var unsaved):
            unsaved.seen = nil
            persistence = .unsaved(unsaved)
            return nil
        case .memoryOnly, .absent, .saved, .unreadable:
            guard !record.isEmpty else {
                persistence = .absent
                return nil
            }
            persistence = .unsaved(.init(replacing: nil, seen: nil, reason: "the session file is gone"))
            return scheduleSave(now: now)
        }
    }

    /// Whether `loaded` is the record that this process could not replace: with the dead token, or another API's.
    mutating func recognizes(_ loaded: SessionFile.Loaded, isForeign: Bool) -> Bool {
        guard case .unsaved(var unsaved) = persistence,
            isForeign || unsaved.replacing == loaded.record.spent
        else { return false }
        unsaved.seen = loaded.version
        persistence = .unsaved(unsaved)
        return true
    }

    /// The file cannot be used. True if that, or the reason, is new.
    mutating func cannotRead(_ version: SessionFile.Version?, _ reason: String) -> Bool {
        if case .unsaved(var unsaved) = persistence {
            // Still unsaved, and now for this reason.
            defer { persistence = .unsaved(unsaved) }
            unsaved.seen = version
            guard unsaved.reason != reason else { return false }
            unsaved.reason = reason
            return true
        }
        defer { persistence = .unreadable(version, reason: reason) }
        return persistence.problem != reason
    }

    /// The persistence of a change that could not be saved. The file still holds what it held before the first such
    /// change; `former` is a session that the change replaced and that must not be lost. `place` is the file beside it that
    /// has the change, complete.
    func unsaved(
        replacing fingerprint: String?,
        keeping former: SessionRecord? = nil,
        _ reason: String,
        keptIn place: String? = nil
    ) -> Persistence {
        var unsaved = persistence.unsaved ?? .init(seen: persistence.version, reason: reason)
        // A file that was gone may reappear with the token that has died since.
        unsaved.replacing = unsaved.replacing ?? fingerprint
        unsaved.former = former ?? unsaved.former
        unsaved.keptIn = place
        unsaved.reason = reason
        return .unsaved(unsaved)
    }

    mutating func explainUnsaved(_ reason: String) {
        guard case .unsaved(var unsaved) = persistence else { return }
        unsaved.reason = reason
        persistence = .unsaved(unsaved)
    }

    /// Schedules the next try to save, in nanoseconds from now and on the clock. Nil if nothing is unsaved.
    mutating func scheduleSave(now: Instant) -> (nanoseconds: Int64, due: Int64)? {
        guard case .unsaved(var unsaved) = persistence else { return nil }
        let delay = unsaved.schedule(now: now.elapsed)
        persistence = .unsaved(unsaved)
        return (delay, unsaved.nextTry)
    }
}
