import Credentials
import Platform

/// The state of the protocol's thread: the machine, the values it refers to, and the change of this process. Turns each
/// event into effects. Performs no I/O; its only impurity is randomness.
struct SharedCore: Sendable {
    /// What the caller must do because of an event, in order.
    enum Effect: Sendable {
        case get
        /// Swap the engine's value after that many nanoseconds.
        case swap(expecting: StoredValue?, bytes: [UInt8], after: Int64)
        /// Learn whether the engine, which has this value, accepts writes.
        case probe(StoredValue)
        case watch
        /// Hand the item to the session's thread.
        case put(SharedQueue.Item)
        case engineIsBack
        case tell(SharedNews)
    }

    /// The change that this process makes to its session.
    enum Change {
        case none
        /// It begins once nothing else is on its way to the session, provided that the session still holds the same
        /// tokens.
        case waiting(SharedWish, of: HeldTokens)
        case under(Work)
    }

    enum Work {
        case refresh
        /// This machine's session becomes the shared one first, so that it can be refreshed.
        case join
        case login
        case logout
        case look
    }

    enum Denial {
        case none
        /// Reported here; the engine does not say so yet.
        case said(SharedIdentity)
        /// The engine says so.
        case seen(SharedIdentity)
    }

    /// How current the watch's reports are.
    enum Touch {
        /// The watch is not connected.
        case none
        /// The watch is connected, but has not reported the current value yet, or the value could not be read.
        case connected
        /// The watch last reported these tokens, or their logout. The next report is news.
        case close(SharedIdentity)
    }

    enum Life {
        /// Nothing has been asked of the engine yet.
        case new
        case begun
        /// No further change begins.
        case closed
    }

    var machine: SharedState
    var values: SharedValues
    /// The session's record.
    var local = SessionRecord()
    var change = Change.none
    var life = Life.new
    var isKept = false
    /// The number of deeds that the session has not carried out yet.
    var outstanding = 0
    /// The tokens whose refresh the API refused, as far as this machine knows.
    var denial = Denial.none
    /// This machine's own session, while it becomes the shared one.
    var joining: SessionRecord?
    var touch = Touch.none
    /// For how many seconds the issuer wants no request, as it told this machine.
    var retryAfter: Int?
    /// Until when the issuer wants no request for those tokens, as it told another machine.
    var issuerPause: (of: SharedIdentity, until: Int64)?
    /// The value that the swap in progress writes.
    var writing: SharedValues.Known?
    /// How many swaps of the current change have ended in a conflict, or without an answer.
    var conflicts = 0
    var observations: SharedObservations

    /// This machine's clock, in seconds since 1970. Set before each event.
    var wall = 0

    init(_ machine: SharedState, _ values: SharedValues, _ observations: SharedObservations) {
        self.machine = machine
        self.values = values
        self.observations = observations
    }

    func status(now: Int64) -> SharedStatus {
        let seen = machine.seen.flatMap { view in values[view.version].map { (view.facts, $0.value.revision) } }
        return observations.status(seen?.0, revision: seen?.1, problem: values.problem, now: now)
    }

    /// Whether the engine has been read, or cannot be.
    var hasAsked: Bool { machine.hasLooked || observations.isLost }

    /// Whether nothing is in progress that another machine must learn of.
    var isAtRest: Bool { !machine.isOwing && outstanding == 0 }

    /// When `timePassed` is due; nil if nothing waits.
    var wakeAt: Int64? { [machine.wakeAt, observations.probeAt].compactMap(\.self).min() }

    // MARK: What is heard

    mutating func holds(_ record: SessionRecord, now: Int64) -> [Effect] {
        let former = local
        local = record
        let effects = settled([], now)
        // Somebody put in tokens that were never shared.
        guard isKept, case .begun = life, case .none = change, outstanding == 0, hasOwn, former.held != record.held
        else { return effects }
        return effects + settled(handle(.joins, now), now)
    }

    /// Keeps the session in step with the other machines from now on.
    mutating func begin(now: Int64) -> [Effect] {
        guard case .new = life else { return [] }
        isKept = true
        let effects = tell(recallsUnshared(now)) + start(now) + look(now)
        return settled(effects, now)
    }

    /// Restores, after a restart, that the others did not know what is held. The engine may still be away.
    private mutating func recallsUnshared(_ now: Int64) -> SharedNews? {
        guard local.isNotShared, !observations.isNotShared else { return nil }
        return switch holding {
        case .nothing: nil
        case .tokens: observations.said(.notShared, nil, now)
        case .ended: observations.saidOfLogout(nil, now)
        }
    }

    mutating func look(_ now: Int64) -> [Effect] {
        outstanding == 0 ? handle(hasOwn ? .joins : .started, now) : []
    }

    var hasOwn: Bool { local.localHolding(in: values.place) == .own }

    mutating func start(_ now: Int64) -> [Effect] {
        guard case .new = life else { return [] }
        life = .begun
        let effects = [.watch] + adoptFile(now)
        // A command does not report this, but clears the mark once the others know.
        _ = recallsUnshared(now)
        return effects
    }

    mutating func change(_ wish: SharedWish, _ record: SessionRecord, now: Int64) -> [Effect] {
        local = record
        if case .closed = life { return [.put(.end(.failed(.closed)))] }
        change = .waiting(wish, of: record.held)
        return settled(start(now), now)
    }

    /// Uses other keys to open and seal from now on.
    mutating func use(_ seal: SharedSeal, now: Int64) -> [Effect] {
        values.use(seal)
        guard case .begun = life, machine.isIdle else { return [] }
        return settled(look(now), now)
    }

    mutating func close(now: Int64) -> [Effect] {
        life = .closed
        // A change whose answer the API may have sent already is saved and, if possible, shared.
        guard !machine.isChanging else { return [] }
        return end(.failed(.closed))
    }

    mutating func carriedOut(now: Int64) -> [Effect] {
        outstanding = max(0, outstanding - 1)
        observations.adopted(now)
        return settled([], now)
    }

    mutating func handleAndSettle(_ event: SharedState.Event, now: Int64) -> [Effect] {
        // A login that brought no tokens ends here. The engine's value is then examined as before the login.
        var ended: [Effect] = []
        if event == .saved(.nothing), case .under(.login) = change { ended = end(.settled) }
        return settled(ended + handle(event, now), now)
    }

    mutating func timePassed(now: Int64) -> [Effect] { probe(now) + handleAndSettle(.time, now: now) }

    mutating func sent(_ sending: SharedSending, now: Int64) -> [Effect] {
        switch sending {
        case .tokens: return handleAndSettle(.answered(.tokens), now: now)
        case .refused: return handleAndSettle(.answered(.refused), now: now)
        case .lost(let lost):
            local.unanswered = lost
            return handleAndSettle(.answered(.lost), now: now)
        case .nothing(let lost, let seconds):
            if let lost { local.unanswered = lost }
            retryAfter = seconds
            return handleAndSettle(.answered(.nothing), now: now)
        }
    }

    /// The session that must not be replaced by another customer's, because it was never shared. Empty during a login,
    /// because whoever logs in decides.
    var own: SessionRecord {
        switch change {
        case .waiting(.login, _), .under(.login): SessionRecord()
        case .none, .waiting, .under:
            if machine.note.weight == .wish, machine.held.isTokens {
                // A person has decided, and the decision waits to be shared.
                SessionRecord()
            } else {
                machine.isJoining ? joining ?? local : local
            }
        }
    }

    mutating func read(_ result: Result<StoredValue?, SharedStoreFailure>, now: Int64) -> [Effect] {
        switch result {
        case .success(let value):
            let back = tell(observations.answered())
            let reading = values.reading(value, own: own)
            let told = adoptPause(reading, now) + reportLaterDeed(reading, now)
            return back + settled(told + handle(.read(reading), now), now)
        case .failure(let failure):
            return tell(observations.failed(failure)) + settled(handle(.read(nil), now), now)
        }
    }

    mutating func swapped(_ outcome: SwapOutcome, now: Int64) -> [Effect] {
        var effects: [Effect] = []
        let event: SharedState.Swapped
        switch outcome {
        case .written(let revision):
            effects += wrote()
            if var written = writing {
                written.value.revision = revision
                event = .written(version: values.written(written))
            } else {
                event = .unclear
            }
        case .conflict(let value):
            effects += wrote()
            let reading = values.reading(value, own: own)
            effects += adoptPause(reading, now) + reportLaterDeed(reading, now)
            event = .conflict(reading)
        case .unclear(let failure):
            observations.note(unclear: failure)
            event = .unclear
        case .failed(let failure):
            effects += tell(observations.refusedWrite(failure, now))
            event = .failed
        }
        writing = nil
        switch event {
        case .conflict: conflicts = min(conflicts + 1, 64)
        // Nobody else has won, so that the engine has trouble.
        case .unclear: conflicts = min(max(conflicts, Self.freeConflicts) + 1, 64)
        case .written, .failed: break
        }
        observations.count(event, machine)
        return effects + settled(handle(.swapped(event), now), now)
    }

    mutating func watched(_ news: SharedStoreNews, now: Int64) -> [Effect] {
        switch news {
        case .connected:
            touch = .connected
            let effects = [.engineIsBack] + tell(observations.answered())
            // The silence of other machines is measured anew.
            return effects + settled(handle(.disconnected, now) + handle(.connected, now), now)
        case .changed(let value):
            let reading = values.reading(value, own: own)
            let effects = adoptPause(reading, now) + reportLaterDeed(reading, now) + handle(.watched(reading), now)
            if case .record(let view) = reading { touch = .close(view.facts.identity) } else { touch = .connected }
            return settled(effects, now)
        case .lost(let failure):
            touch = .none
            return tell(observations.failed(failure)) + settled(handle(.disconnected, now), now)
        }
    }
}
