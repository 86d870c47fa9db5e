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
    /// that is in use, or the others cannot be asked. Without a usable session it waits for the file's lock first: its
    /// holder may be looking, too, and nobody is to say meanwhile that a login is needed.
    public func look(_ done: @escaping @Sendable () -> Void) {
        let isTaken = thread.execute { [self] in
            lookNow(waitLimit: status.isUsable ? .zero : Self.lockWaitLimit)
            done()
        }
        if !isTaken { done() }
    }

    /// On the session's thread.
    func lookNow(waitLimit: Duration = .zero) {
        // The holder of the lock is about to write what this would find.
        guard let sharing, let file, let handle = (try? hold(file, waitLimit: waitLimit)) ?? nil else { return }
        recheckNow()
        _ = sharing.change(.look, from: snapshot.isForeign ? SessionRecord() : snapshot.record, LookSteps(self, file))
        handle.unlock()
    }

    /// The steps of a change that only takes over.
    private final class LookSteps: SharedSteps {
        private let session: Session
        private let file: SessionFile

        init(_ session: Session, _ file: SessionFile) {
            self.session = session
            self.file = file
        }

        func carryOut(_ deed: SharedDeed) -> SharedSaving { session.carryOut(deed, in: .success(file)) }
        func prepare() -> Bool { false }
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

    public func carryOut(_ deed: SharedDeed) -> SharedSaving {
        guard let file else { return .nothing }
        let saving: SharedSaving
        do throws(SessionFileError) {
            guard let handle = try hold(file, waitLimit: deed.isMark ? .zero : Self.deedWaitLimit) else {
                throw SessionFileError("another process has held \(file.path).lock. Is a squire stopped?")
            }
            saving = carryOut(deed, in: .success(file))
            handle.unlock()
        } catch {
            saving = carryOut(deed, in: .failure(error))
        }
        // In the middle of a change, the end of that answers its waiters.
        if deed.bringsTokens { resumeWaiters() }
        return saving
    }

    /// The session file, whose lock is held; or why it is not.
    typealias HeldFile = Result<SessionFile, SessionFileError>

    func carryOut(_ deed: SharedDeed, in held: HeldFile) -> SharedSaving {
        switch deed {
        case .adopt(let other, let identity, let refusal, let age):
            take(identity, in: held) { [self] record in
                record = record.adopting(other)
                record.correctClock(now: clock.now.wall, age: age)
                if let binding { record.complete(binding) }
            }
            if let refusal { deny(identity, refusal, in: held) }
        case .forget(let identity): take(identity, in: held) { $0.forgetToken() }
        case .deny(let identity, let refusal): deny(identity, refusal, in: held)
        case .allow(let identity): allow(identity, in: held)
        case .enrol(let identity): return enrol(identity, in: held)
        case .disown(let identity): disown(identity, in: held)
        case .markShared(let identity, let mark):
            self.mark(identity, in: held) { [now = clock.now.wall] in $0.markShared(mark, now: now) }
        case .renumber(let identity): return renumber(identity, in: held)
        }
        return snapshot.persistence.unsaved == nil ? .inFile : .inMemory
    }

    /// Only a login helps, unless another machine has a successor. The file tells commands that look.
    private func deny(_ identity: SharedIdentity, _ refusal: SharedRefusal, in held: HeldFile) {
        let isOurs = update { state, _ in
            guard state.record.localHolding(in: place) == .shared(.tokens(identity)) else { return false }
            state.machine.deny(refusal.words(retriesLost: state.machine.policy.retriesLost))
            return true
        }
        guard isOurs else { return }
        mark(identity, in: held) { $0.deny(refusal) }
        emitNews(.denied(advice: status.advice))
    }

    private func allow(_ identity: SharedIdentity, in held: HeldFile) {
        update { state, _ in
            if state.record.localHolding(in: place) == .shared(.tokens(identity)) { state.machine.allow() }
        }
        mark(identity, in: held) { $0.isRefreshDenied = false }
    }

    /// The mark is only information: if it cannot be saved, this process still knows it.
    private func mark(_ identity: SharedIdentity, in held: HeldFile, _ change: (inout SessionRecord) -> Void) {
        guard case .success(let file) = held, snapshot.persistence.unsaved == nil else { return }
        saving {
            guard let loaded = load(identity, from: file) else { return }
            var record = loaded.record
            change(&record)
            guard record != loaded.record, let version = file.trySave(record, over: loaded) else { return }
            sharing?.holds(record)
            update { state, _ in
                state.record = record
                state.persistence = .saved(version)
            }
        }
    }

    /// The file's contents, if those are the tokens, or the logout, with that identity.
    private func load(_ identity: SharedIdentity, from file: SessionFile) -> SessionFile.Loaded? {
        guard let loaded = (try? file.load()) ?? nil,
            loaded.record.localHolding(in: place).identity == identity
        else { return nil }
        return loaded
    }

    /// Makes another machine's deed current here: it is saved first, and takes effect whether or not that succeeded.
    private func take(_ identity: SharedIdentity, in held: HeldFile, _ change: (inout SessionRecord) -> Void) {
        let before = snapshot
        var problem: String?
        var kept = Former.nothing
        saving {
            do throws(SessionFileError) {
                kept = try save(identity, in: held.get(), change)
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
            emitNews(.adopted(change, of: .machine, generation: generation))
        }
        if case .beforeShared(let path) = kept { emit(.keptBeforeShared(path: path)) }
        if let problem { reportUnsaved(problem) }
    }

    /// Returns what happened to the former record. Called in `saving`, with the file's lock held.
    private func save(
        _ identity: SharedIdentity,
        in file: SessionFile,
        _ change: (inout SessionRecord) -> Void
    ) throws(SessionFileError) -> Former {
        while true {
            let (record, loaded) = try recordToChange(in: file, replacesForeign: false)
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
            // Otherwise a process without the lock was quicker: its record counts as the former one.
            guard let version = try file.save(changed, keeping: kept.previous, over: loaded) else { continue }
            publish(changed, .saved(version), by: .machine(AdoptedChange(from: snapshot.record, to: changed)))
            file.removeAnswer()
            return kept
        }
    }

    /// What happens to a login that another machine's replaces.
    private enum Former {
        case nothing
        /// It is to be kept as the previous one.
        case previous(SessionRecord)
        /// It was this machine's own, and is kept beside the file, at that path.
        case beforeShared(String)

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
    ) throws(SessionFileError) -> Former {
        let isNews = former.lineage != new.lineage && former.token != new.token
        guard isNews, !former.isDead(canRefresh: mayRefresh(former), now: clock.now.wall) else { return .nothing }
        guard former.localHolding(in: place) == .own else { return .previous(former) }
        try file.keepBeforeShared(former)
        return .beforeShared(file.beforeSharedPath)
    }

    /// Gives what is held another era.
    private func renumber(_ identity: SharedIdentity, in held: HeldFile) -> SharedSaving {
        guard case .success(let file) = held else { return .noRoom }
        return saving {
            let isUnsaved = snapshot.persistence.unsaved != nil
            let loaded = isUnsaved ? nil : (try? file.load()) ?? nil
            var record = loaded?.record ?? snapshot.record
            guard record.localHolding(in: place).identity?.id == identity.id else { return .nothing }
            let change = AdoptedChange(from: snapshot.record, to: record)
            record.renumber(as: identity)
            guard let loaded else {
                leaveRenamed(record, file)
                publish(record, snapshot.persistence, by: .file(change))
                return .inMemory
            }
            // The file is locked by nobody who follows the rules: a person, or a disk that is full.
            guard let version = file.trySave(record, over: loaded) else { return .noRoom }
            publish(record, .saved(version), by: .file(change))
            return .inFile
        }
    }

    /// Turns this machine's own session into the shared one.
    private func enrol(_ identity: SharedIdentity, in held: HeldFile) -> SharedSaving {
        guard case .success(let file) = held else { return .noRoom }
        return saving {
            guard let loaded = (try? file.load()) ?? nil, foreign(loaded.record) == nil,
                loaded.record.localHolding(in: place) == .own
            else { return .nothing }
            var record = loaded.record
            if let binding { record.complete(binding) }
            record.share(as: identity, in: place)
            do throws(SessionFileError) {
                // A process without the lock was quicker.
                guard let version = try file.save(record, over: loaded) else { return .nothing }
                let hand = Publication.Hand.file(AdoptedChange(from: snapshot.record, to: record))
                publish(record, .saved(version), by: hand)
                return .inFile
            } catch {
                return .noRoom
            }
        }
    }

    /// The session that was to be shared is this machine's own again. If the file cannot be changed, a later start
    /// takes over the shared session and keeps this one.
    private func disown(_ identity: SharedIdentity, in held: HeldFile) {
        guard case .success(let file) = held else { return }
        saving {
            guard let loaded = load(identity, from: file) else { return }
            var record = loaded.record
            record.endSharing()
            let version = file.trySave(record, over: loaded)
            let change = AdoptedChange(from: snapshot.record, to: record)
            publish(record, version.map(Persistence.saved) ?? snapshot.persistence, by: .file(change))
        }
    }
}

extension SharedDeed {
    /// It only tells what the other machines know: if that cannot be saved at once, it is not waited for.
    fileprivate var isMark: Bool {
        switch self {
        case .deny, .allow, .markShared: true
        case .adopt, .forget, .enrol, .disown, .renumber: false
        }
    }

    /// It replaces the tokens, by others or by none.
    fileprivate var bringsTokens: Bool {
        switch self {
        case .adopt, .forget: true
        case .deny, .allow, .enrol, .disown, .markShared, .renumber: false
        }
    }
}
