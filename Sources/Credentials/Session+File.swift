import Platform
import Threads

/// Follows changes of the file by other processes and people.
extension Session {
    /// When to look again at a file that is being written, in nanoseconds: it counts as damaged by then.
    private static let writingPause: Int64 = 3_000_000_000

    /// Checks, on the session's thread, whether another process replaced the file, or left beside it what it could not put
    /// in its place, and adopts that. Two stat(2) if nothing changed.
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
        let news = saving { readAgain(file) }
        let now = snapshot
        // Without waiting, because the caller may hold the lock itself. The next save binds the record, too.
        if now.persistence.version != before.persistence.version { _ = bindNow(now.record, in: file, waitLimit: .zero) }
        switch news {
        case nil: return
        case .successor(let reason)?: reportUnsaved(reason)
        case .event(let event)?: emitNews(event)
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

    /// What a look at the file found.
    private enum News {
        case event(SessionEvent)
        /// What came for the file's session could not be put in its place, for that reason, and is the session now.
        case successor(reason: String)
    }

    /// Nil if nothing changed that matters. Called in `saving`.
    private func readAgain(_ file: SessionFile) -> News? {
        let version = file.version()
        guard version != snapshot.persistence.version else { return file.hasLeftover ? readBeside(file) : nil }
        do throws(SessionFileError) {
            guard let loaded = try file.load(forUse: true, now: clock.now.wall) else {
                if let delay = update({ $0.loseFile(now: $1) }) { tryAgain(file, after: delay) }
                return nil
            }
            let before = snapshot.record
            let isForeign = foreign(loaded.record) != nil
            let isOld = update { state, _ in state.recognizes(loaded, isForeign: isForeign) }
            if let news = lookBeside(loaded, in: file) { return news }
            let change = AdoptedChange(from: before, to: loaded.record)
            guard !isOld, publish(loaded.record, .saved(loaded.version), by: .file(change)) else { return nil }
            return .event(.adopted(change, of: .process, generation: generation))
        } catch {
            // The record in memory is as good as before.
            guard error.reason == .incomplete else {
                let isNews = update { state, _ in state.cannotRead(version, error.description) }
                return isNews ? .event(.fileUnreadable(reason: error.description)) : nil
            }
            // The writer's end is told, unless there is none: then the next look finds damage.
            if update({ state, _ in state.cannotRead(nil, error.description) }) {
                thread.executeLater(Self.writingPause) { [weak self] in self?.recheckNow() }
            }
            return nil
        }
    }

    /// The same for what lies beside the file, which has not changed.
    private func readBeside(_ file: SessionFile) -> News? {
        guard let loaded = (try? file.load()) ?? nil else { return nil }
        return lookBeside(loaded, in: file)
    }

    private func lookBeside(_ loaded: SessionFile.Loaded, in file: SessionFile) -> News? {
        if let change = takeLater(file.abandonedRecord, loaded, in: file) {
            return .event(.adopted(change, of: .process, generation: generation))
        }
        return takeSuccessor(of: loaded, in: file).map { .successor(reason: $0) }
    }

    /// Tests, on the session's thread, whether a change could be saved, and calls `failed` if not.
    public func tryWriting(_ failed: @escaping @Sendable (SessionFileError) -> Void) {
        guard let file else { return }
        _ = thread.execute { if let problem = file.writeProblem() { failed(problem) } }
    }

    // MARK: Saving what could not be saved

    /// The token is in use and not on disk. Reports that, and retries by itself at growing intervals.
    func reportUnsaved(_ reason: String) {
        emit(.notSaved(reason: reason, hasEnded: snapshot.record.isEmpty))
        guard let file else { return }
        if let delay = update({ $0.scheduleSave(now: $1) }) { tryAgain(file, after: delay) }
    }

    /// What could not be saved is saved now.
    var savedNews: SessionEvent { snapshot.record.isEmpty ? .loggedOut : .saved }

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
        guard let event = saving({ saveUnsaved(file) }) else { return }
        if case .adopted = event { emitNews(event) } else { emit(event) }
    }

    /// Called in `saving`, with the file's lock held.
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
                return isOurs ? savedNews : .adopted(change, of: .process, generation: generation)
            }
            guard let version else { return nil }
            update { state, _ in state.persistence = .saved(version) }
            file.removeAnswer()
            return savedNews
        } catch {
            let path = leaveAgain(before.record, unsaved, file)
            update { state, _ in state.explainUnsaved(error.description, keptIn: path) }
            return nil
        }
    }

    /// Leaves beside the file what could not be put in its place: it may not have been possible before, or somebody has
    /// removed it. Returns the file that has it; nil if none has.
    private func leaveAgain(
        _ record: SessionRecord,
        _ unsaved: Persistence.Unsaved,
        _ file: SessionFile
    ) -> String? {
        if unsaved.keptIn == file.answerPath, file.hasAnswer { return file.answerPath }
        if !file.hasLeftover, let loaded = (try? file.load()) ?? nil, foreign(loaded.record) == nil {
            file.leave(record, insteadOf: loaded.record, keeping: unsaved.former)
        }
        return file.path(ofComplete: record)
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
        return saving {
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
        if let former = unsaved.former, found.hasReplaced(former) { unsaved.former = found.isEmpty ? nil : found }
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

    /// The persistence of a change that could not be saved, and that is published next, in the same `saving`. The file
    /// still holds what it held before the first such change; `former` is a session that the change replaced and that
    /// must not be lost. `path` is the file beside it that has the change, complete.
    func unsaved(
        replacing fingerprint: String?,
        keeping former: SessionRecord? = nil,
        _ reason: String,
        keptIn path: String? = nil
    ) -> Persistence {
        var unsaved = persistence.unsaved ?? .init(seen: persistence.version, reason: reason)
        // A file that was gone may reappear with the token that has died since.
        unsaved.replacing = unsaved.replacing ?? fingerprint
        unsaved.former = former ?? unsaved.former
        unsaved.keptIn = path
        unsaved.reason = reason
        unsaved.order = .next()
        return .unsaved(unsaved)
    }

    mutating func explainUnsaved(_ reason: String, keptIn path: String?) {
        guard case .unsaved(var unsaved) = persistence else { return }
        unsaved.reason = reason
        unsaved.keptIn = path
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
