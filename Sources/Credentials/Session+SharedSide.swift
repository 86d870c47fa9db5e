import Platform
import Threads

/// The session's side of sharing it with other machines.
extension Session: SharedSide {
    /// How long a deed of another machine waits for the file's lock: another process here learns of it, too.
    private static let deedWaitLimit = Duration.seconds(2)

    /// Keeps the session in step with the other machines, for long-running programs. Does nothing if no machine shares
    /// it.
    public func share() {
        sharing?.begin()
    }

    /// Takes over the other machines' session once, for a command without a running Squire beside it. Calls `done` when
    /// that is in use, or the others cannot be asked.
    public func look(_ done: @escaping @Sendable () -> Void) {
        let isTaken = thread.execute { [self] in
            lookNow()
            done()
        }
        if !isTaken { done() }
    }

    /// On the session's thread.
    func lookNow() {
        // The holder of the lock is about to write what this would find.
        guard let sharing, let file, let handle = (try? hold(file)) ?? nil else { return }
        defer { handle.unlock() }
        recheckNow()
        _ = sharing.change(.look, from: snapshot.isForeign ? SessionRecord() : snapshot.record, LookSteps())
    }

    /// The steps of a change that only takes over.
    private final class LookSteps: SharedSteps {
        func prepare() -> Bool { false }
        func giveWay() {}
        func send(after doubt: SharedDoubt) -> SharedSending { .nothing(nil) }
        func save(as identity: SharedIdentity, over there: SessionRecord?) -> SharedSaving { .nothing }
        func forget(as identity: SharedIdentity, _ mark: SharedMark) {}
    }

    /// The place where machines share the session; nil if they do not.
    var place: String? { binding?.sharedPlace }

    public func execute(_ work: @escaping @Sendable () -> Void) -> Bool { thread.execute(work) }

    public func engineIsBack() {
        update { state, _ in state.machine.engineIsBack() }
    }

    public func carryOut(_ deed: SharedDeed, isLocked: Bool) -> SharedSaving {
        switch deed {
        case .adopt(let other, let identity, let refusal, let age):
            take(identity, isLocked: isLocked) { [self] record in
                record = record.adopting(other)
                record.correctClock(now: clock.now.wall, age: age)
                if let binding { record.complete(binding) }
            }
            if let refusal { deny(identity, refusal, isLocked: isLocked) }
        case .forget(let identity): take(identity, isLocked: isLocked) { $0.forgetToken() }
        case .deny(let identity, let refusal): deny(identity, refusal, isLocked: isLocked)
        case .allow(let identity): allow(identity, isLocked: isLocked)
        case .enrol(let identity): return enrol(identity, isLocked: isLocked)
        case .disown(let identity): disown(identity, isLocked: isLocked)
        case .markShared(let identity, let mark):
            self.mark(identity, isLocked: isLocked) { [now = clock.now.wall] in $0.markShared(mark, now: now) }
        case .renumber(let identity): return renumber(identity, isLocked: isLocked)
        }
        return snapshot.persistence.unsaved == nil ? .inFile : .inMemory
    }

    /// Only a login helps, unless another machine has a successor. The file tells commands that look.
    private func deny(_ identity: SharedIdentity, _ refusal: SharedRefusal, isLocked: Bool) {
        let isOurs = update { state, _ in
            guard state.record.localHolding(in: place) == .shared(.tokens(identity)) else { return false }
            state.machine.deny(refusal.words(retriesLost: state.machine.policy.retriesLost))
            return true
        }
        guard isOurs else { return }
        mark(identity, isLocked: isLocked) { $0.deny(refusal) }
        emit(.denied(advice: status.advice))
    }

    private func allow(_ identity: SharedIdentity, isLocked: Bool) {
        update { state, _ in
            if state.record.localHolding(in: place) == .shared(.tokens(identity)) { state.machine.allow() }
        }
        mark(identity, isLocked: isLocked) { $0.isRefreshDenied = false }
    }

    /// The mark is only information: if it cannot be saved, this process still knows it.
    private func mark(_ identity: SharedIdentity, isLocked: Bool, _ change: (inout SessionRecord) -> Void) {
        guard let file, snapshot.persistence.unsaved == nil else { return }
        locking(file, isLocked: isLocked, waitLimit: .zero) {
            guard let loaded = load(identity, from: file) else { return }
            var record = loaded.record
            change(&record)
            guard record != loaded.record else { return }
            let saved = try? file.save(record, mayReplace: { file.version() == loaded.version })
            guard let version = saved ?? nil else { return }
            sharing?.holds(record)
            update { state, _ in
                state.record = record
                state.persistence = .saved(version)
            }
        }
    }

    /// Runs `work` with the file's lock and `saving` held; nil if the lock is not available within `waitLimit`.
    @discardableResult
    private func locking<Result>(
        _ file: SessionFile,
        isLocked: Bool,
        waitLimit: Duration = deedWaitLimit,
        _ work: () -> Result
    ) -> Result? {
        let handle = isLocked ? nil : (try? hold(file, waitLimit: waitLimit)) ?? nil
        guard isLocked || handle != nil else { return nil }
        defer { handle?.unlock() }
        return saving.withLock(work)
    }

    /// The file's contents, if those are the tokens, or the logout, with that identity.
    private func load(_ identity: SharedIdentity, from file: SessionFile) -> SessionFile.Loaded? {
        guard let loaded = (try? file.load()) ?? nil,
            loaded.record.localHolding(in: place).identity == identity
        else { return nil }
        return loaded
    }

    /// Makes another machine's deed current here: it is saved first, and takes effect whether or not that succeeded.
    private func take(_ identity: SharedIdentity, isLocked: Bool, _ change: (inout SessionRecord) -> Void) {
        guard let file else { return }
        let lock = Result { () throws(SessionFileError) in
            isLocked ? nil : try hold(file, waitLimit: Self.deedWaitLimit)
        }
        let handle = (try? lock.get()) ?? nil
        defer { handle?.unlock() }
        let before = snapshot
        var problem: String?
        var kept = Kept.nothing
        saving.withLock {
            do throws(SessionFileError) {
                guard try lock.get() != nil || isLocked else {
                    throw SessionFileError("another process has held \(file.path).lock. Is a squire stopped?")
                }
                kept = try save(identity, in: file, change)
            } catch {
                var record = snapshot.record
                change(&record)
                record.share(as: identity, in: place)
                problem = error.description
                let persistence = snapshot.unsaved(replacing: before.record.spent, error.description)
                publish(record, persistence, by: .machine(AdoptedChange(from: before.record, to: record)))
            }
        }
        // Otherwise another process of this machine learnt of it first, and this one from the file.
        if before.record.localHolding(in: place).identity != identity {
            let change = AdoptedChange(from: before.record, to: snapshot.record)
            emit(.adopted(change, of: .machine, generation: generation))
        }
        if case .beforeShared = kept { emit(.keptBeforeShared(path: file.beforeSharedPath)) }
        if let problem { reportUnsaved(problem) }
        // The end of a refresh by this process answers its waiters.
        if !isLocked { resumeWaiters() }
    }

    /// Returns what happened to the former record. `saving` and the file's lock are held.
    private func save(
        _ identity: SharedIdentity,
        in file: SessionFile,
        _ change: (inout SessionRecord) -> Void
    ) throws(SessionFileError) -> Kept {
        while true {
            let (record, loaded) = try changing(file, replacesForeign: false)
            if let loaded, let theirs = loaded.record.localHolding(in: place).identity,
                theirs == identity || identity.precedes(theirs) && !loaded.record.yields(to: identity, in: place)
            {
                // Another process of this machine was quicker, or knows of something newer.
                let hand = Publication.Hand.machine(AdoptedChange(from: snapshot.record, to: loaded.record))
                publish(loaded.record, .saved(loaded.version), by: hand)
                return .nothing
            }
            var changed = record
            change(&changed)
            changed.share(as: identity, in: place)
            let kept = try keep(record, replacedBy: changed, file)
            let version = try file.keeping(kept.previous, replacedBy: changed) { keep throws(SessionFileError) in
                try file.save(changed, mayReplace: { file.version() == loaded?.version && keep() })
            }
            // Otherwise a process without the lock was quicker: its record counts as the former one.
            guard let version else { continue }
            publish(changed, .saved(version), by: .machine(AdoptedChange(from: snapshot.record, to: changed)))
            file.removeAnswer()
            return kept
        }
    }

    /// What happens to a login that another machine's replaces.
    private enum Kept {
        case nothing
        /// It is to be kept as the previous one.
        case previous(SessionRecord)
        /// It was this machine's own, and is kept beside the file.
        case beforeShared

        var previous: SessionRecord? {
            guard case .previous(let record) = self else { return nil }
            return record
        }
    }

    /// Keeps this machine's own login beside the file.
    private func keep(
        _ former: SessionRecord,
        replacedBy new: SessionRecord,
        _ file: SessionFile
    ) throws(SessionFileError) -> Kept {
        let isNews = former.lineage != new.lineage && former.token != new.token
        guard isNews, !former.isDead(canRefresh: mayRefresh(former), now: clock.now.wall) else { return .nothing }
        guard former.localHolding(in: place) == .own else { return .previous(former) }
        try file.keepBeforeShared(former)
        return .beforeShared
    }

    /// Gives what is held another era.
    private func renumber(_ identity: SharedIdentity, isLocked: Bool) -> SharedSaving {
        guard let file else { return .nothing }
        return locking(file, isLocked: isLocked) {
            let isUnsaved = snapshot.persistence.unsaved != nil
            let loaded = isUnsaved ? nil : (try? file.load()) ?? nil
            var record = loaded?.record ?? snapshot.record
            guard record.localHolding(in: place).identity?.id == identity.id else { return .nothing }
            let change = AdoptedChange(from: snapshot.record, to: record)
            record.renumber(as: identity)
            guard let loaded else {
                publish(record, snapshot.persistence, by: .file(change))
                return .inMemory
            }
            let saved = try? file.save(record, mayReplace: { file.version() == loaded.version })
            // The file is locked by nobody who follows the rules: a person, or a disk that is full.
            guard let version = saved ?? nil else { return .noRoom }
            publish(record, .saved(version), by: .file(change))
            return .inFile
        } ?? .noRoom
    }

    /// Turns this machine's own session into the shared one.
    private func enrol(_ identity: SharedIdentity, isLocked: Bool) -> SharedSaving {
        guard let file else { return .nothing }
        return locking(file, isLocked: isLocked) {
            guard let loaded = (try? file.load()) ?? nil, foreign(loaded.record) == nil,
                loaded.record.localHolding(in: place) == .own
            else { return .nothing }
            var record = loaded.record
            if let binding { record.complete(binding) }
            record.share(as: identity, in: place)
            let saved = Result { () throws(SessionFileError) in
                try file.save(record, mayReplace: { file.version() == loaded.version })
            }
            guard case .success(let version) = saved else { return .noRoom }
            // A process without the lock was quicker.
            guard let version else { return .nothing }
            let hand = Publication.Hand.file(AdoptedChange(from: snapshot.record, to: record))
            publish(record, .saved(version), by: hand)
            return .inFile
        } ?? .noRoom
    }

    /// The session that was to be shared is this machine's own again. If the file cannot be changed, a later start
    /// takes over the shared session and keeps this one.
    private func disown(_ identity: SharedIdentity, isLocked: Bool) {
        guard let file else { return }
        locking(file, isLocked: isLocked) {
            guard let loaded = load(identity, from: file) else { return }
            var record = loaded.record
            record.endSharing()
            let saved = try? file.save(record, mayReplace: { file.version() == loaded.version })
            let change = AdoptedChange(from: snapshot.record, to: record)
            publish(record, (saved ?? nil).map(Persistence.saved) ?? snapshot.persistence, by: .file(change))
        }
    }
}
