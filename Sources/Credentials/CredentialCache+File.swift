import Threads

/// Keeping step with the file, which other processes and people change too.
extension CredentialCache {
    /// A refresh of another process is waited for, whatever it takes: two tries of half a minute, and a moment.
    private static let changePatience = Duration.seconds(75)

    /// Looks, on the session's thread, whether another process replaced the file, and adopts its token. One stat(2) when nothing changed.
    public func recheckFile() {
        guard let file, lock.withLock({ !isRechecking }) else { return }
        lock.withLock { isRechecking = true }
        thread.execute { [self] in
            if lock.withLock({ unsaved != nil }) { saveAgain(file) } else { recheckNow() }
            lock.withLock { isRechecking = false }
        }
    }

    /// The same at once; blocks for as long as the disk does. Who waits for a refresh while somebody puts another token in has it now.
    func recheckNow() {
        guard let file else { return }
        var event: SessionEvent?
        saving.withLock { event = readAgain(file) }
        guard let event else { return }
        observe(event)
        guard case .adopted = event, let credential = lock.withLock({ state.credential }) else { return }
        resumeWaiters(.success(credential), reply: .success(Self.reply(with: credential.token)))
    }

    /// Nil when nothing changed that matters. `saving` is held.
    private func readAgain(_ file: SessionFile) -> SessionEvent? {
        let version = file.version()
        guard version != lock.withLock({ fileVersion }) else { return nil }
        let before = generation
        do throws(SessionFileError) {
            guard let loaded = try file.load() else {
                noteMissing()
                return nil
            }
            let isOld = lock.withLock {
                guard let unsaved, unsaved.replaces == loaded.record.token?.fingerprint else { return false }
                fileVersion = loaded.version
                return true
            }
            if isOld { return nil }
            publish(loaded.record, version: loaded.version)
            return generation == before ? nil : .adopted(generation: generation)
        } catch {
            // Somebody may be in the middle of writing it: what is in memory is as good as it was.
            return lock.withLock {
                defer {
                    fileProblem = error.description
                    fileVersion = version
                }
                return fileProblem == error.description ? nil : .fileUnreadable(reason: error.description)
            }
        }
    }

    /// The file is gone, perhaps with its directory or its disk. Forgetting is what `squire logout` is for: the token is kept and saved again.
    private func noteMissing() {
        let isKept = lock.withLock { () -> Bool in
            fileVersion = nil
            guard state.credential != nil, unsaved == nil else { return false }
            unsaved = Unsaved(replaces: nil, reason: "the session file is gone")
            return true
        }
        if isKept { scheduleSave() }
    }

    // MARK: Saving what could not be saved

    /// Tries again by itself, at growing intervals.
    func scheduleSave() {
        let delay = lock.withLock {
            defer { saveDelay = min(saveDelay * 2, Self.lastSaveDelay) }
            return saveDelay
        }
        thread.executeLater(delay) { [weak self] in
            guard let self, let file else { return }
            saveAgain(file)
            if lock.withLock({ unsaved != nil }) { scheduleSave() }
        }
    }

    /// Saves what could not be saved before, unless somebody logged in meanwhile.
    func saveAgain(_ file: SessionFile) {
        guard let unsaved = lock.withLock({ unsaved }), let handle = (try? file.tryLock()) ?? nil else { return }
        defer { handle.unlock() }
        var event: SessionEvent?
        saving.withLock {
            do throws(SessionFileError) {
                var theirs: SessionFile.Loaded?
                let version = try file.save(lock.withLock { record }) { () throws(SessionFileError) in
                    theirs = try file.load()
                    if theirs?.record.token?.fingerprint == unsaved.replaces { theirs = nil }
                    return theirs == nil
                }
                if let theirs {
                    let before = generation
                    publish(theirs.record, version: theirs.version)
                    if generation != before { event = .adopted(generation: generation) }
                    return
                }
                lock.withLock {
                    self.unsaved = nil
                    fileVersion = version
                    fileProblem = nil
                    saveDelay = Self.firstSaveDelay
                }
                event = .saved
            } catch {
                lock.withLock { self.unsaved?.reason = error.description }
            }
        }
        if let event { observe(event) }
    }

    // MARK: Logins and logouts

    /// Changes the record in the file, and what is in use with it; `change` says whether there is anything to change. With
    /// `keepsUnsaved` a change that cannot be saved holds in memory until it can.
    func replace(
        keepsUnsaved: Bool,
        _ change: (inout SessionRecord) -> Bool
    ) -> Result<Void, SessionFileError> {
        var problem: SessionFileError?
        if let file {
            do throws(SessionFileError) {
                try replace(file, change)
                return .success(())
            } catch {
                guard keepsUnsaved else { return .failure(error) }
                problem = error
            }
        }
        saving.withLock { replaceInMemory(because: problem, change) }
        guard let problem else { return .success(()) }
        observe(.notSaved(reason: problem.description))
        scheduleSave()
        return .failure(problem)
    }

    private func replaceInMemory(because problem: SessionFileError?, _ change: (inout SessionRecord) -> Bool) {
        var changed = lock.withLock { record }
        let replaces = lock.withLock { unsaved?.replaces } ?? changed.token?.fingerprint
        guard change(&changed) else { return }
        let pending = problem.map { Unsaved(replaces: replaces, reason: $0.description) }
        publish(changed, version: lock.withLock { fileVersion }, unsaved: pending)
    }

    private func replace(_ file: SessionFile, _ change: (inout SessionRecord) -> Bool) throws(SessionFileError) {
        guard let handle = try file.lock(patience: Self.changePatience) else {
            throw SessionFileError(
                "another process has held \(file.path).lock for \(Self.changePatience). Is a squire stopped?"
            )
        }
        defer { handle.unlock() }
        recover(file)
        while true {
            // Nothing unreadable is overwritten, not even by what is newer.
            let loaded = try file.load()
            var changed = loaded?.record ?? SessionRecord()
            lock.withLock { if unsaved != nil { changed = record } }
            guard change(&changed) else { return }
            let isSaved = try saving.withLock { () throws(SessionFileError) -> Bool in
                guard let version = try file.save(changed, mayReplace: { file.version() == loaded?.version }) else {
                    return false
                }
                publish(changed, version: version)
                return true
            }
            // Else somebody without the lock was quicker: what they wrote counts too.
            if isSaved { return }
        }
    }

    // MARK: After a crash

    /// Deals with what a process that died in the middle of a save left. The file's lock is held.
    func recover(_ file: SessionFile) {
        guard let leftover = file.leftover() else { return }
        // What cannot be read now may be readable later: nothing is thrown away.
        let current: SessionRecord?
        do { current = try file.load()?.record } catch { return }
        switch leftover {
        case .record(let record) where record.token != current?.token && record.replaced == current?.token?.fingerprint:
            // It had the new token, and nobody else has: the old one is dead.
            guard (try? file.completeLeftover()) != nil else { return }
            observe(.recovered)
        case .journal(let journal):
            guard var record = current, record.token?.fingerprint == journal.fingerprint else {
                return file.removeLeftover()
            }
            record.unanswered = .init(at: journal.at, reason: "Squire was stopped before it came")
            record.note(
                RefreshEntry(
                    at: journal.at,
                    cause: journal.cause,
                    outcome: .interrupted,
                    detail: "Squire was stopped before the answer came; the API may have rotated the token"
                )
            )
            _ = try? file.save(record)
        case .record, .rubbish:
            file.removeLeftover()
        }
    }
}
