import Credentials
import Platform

/// What the protocol's thread knows, and what it does because of what it hears. Pure but for the dice.
struct SharedCore: Sendable {
    /// What is to be done because of an event, in that order.
    enum Effect: Sendable {
        case get
        /// Once that many nanoseconds have passed.
        case swap(expecting: StoredValue?, bytes: [UInt8], after: Int64)
        /// The same, where nothing can be expected: tells whether the engine would write.
        case probe(expecting: StoredValue, bytes: [UInt8])
        case watch
        /// For the session's thread.
        case put(SharedDesk.Item)
        case engineIsBack
        case tell(SharedNews)
    }

    /// A change of this process.
    enum Change {
        case none
        /// It begins when nothing else is on its way to the session, if that still holds the same tokens.
        case waiting(SharedWish, of: HeldTokens)
        case under(Work)
    }

    enum Work {
        case refresh
        /// Before it can be refreshed, what this machine has becomes the session of all.
        case join
        case login
        case logout
        case look
    }

    enum Denial {
        case none
        /// Told here; the engine does not say so yet.
        case said(SharedIdentity)
        /// The engine says so.
        case seen(SharedIdentity)
    }

    /// Whether what is heard of the engine is news.
    enum Touch {
        /// The watch hears nothing.
        case none
        /// It hears, and has not told yet what there was before, or nobody could read that.
        case connected
        /// It told of these tokens, or of their logout, last: what follows is new.
        case close(SharedIdentity)
    }

    enum Life {
        /// Nothing was asked of the engine yet.
        case new
        case begun
        /// Begins nothing more.
        case closed
    }

    var machine: SharedState
    var values: SharedValues
    /// What the session holds.
    var local = SessionRecord()
    var change = Change.none
    var life = Life.new
    var isKept = false
    /// Deeds that the session has not carried out yet.
    var outstanding = 0
    /// The tokens that the API refused to refresh, as this machine was told.
    var denial = Denial.none
    /// What is known of the last refresh of what is held, for whoever sends the next.
    var doubt = SharedDoubt.none
    /// What was this machine's own before it was to become the session of all.
    var joining: SessionRecord?
    var touch = Touch.none
    /// For how many seconds the issuer wants to be left alone, as it said to this machine's refresh.
    var retryAfter: Int?
    /// Until when it does, as it said to another machine that refreshed those tokens.
    var bar: (of: SharedIdentity, until: Int64)?
    /// The value that is being written.
    var writing: SharedValues.Known?
    /// How many writes of what is under way found another value than they expected.
    var conflicts = 0
    var observations: SharedObservations

    /// This machine's clock, in seconds since 1970: set before each event.
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

    /// The engine was read, or cannot be.
    var hasAsked: Bool { machine.hasLooked || observations.isLost }

    /// Nothing is under way that another machine must learn of.
    var isAtRest: Bool { !machine.isOwing && outstanding == 0 }

    /// When `timePassed` is to be told; nil where nothing waits.
    var wakeAt: Int64? { [machine.wakeAt, observations.probeAt].compactMap(\.self).min() }

    // MARK: What is heard

    mutating func holds(_ record: SessionRecord, now: Int64) -> [Effect] {
        let former = local
        local = record
        let effects = settled([], now)
        // Somebody put in tokens that nobody shares.
        guard isKept, case .begun = life, case .none = change, outstanding == 0, hasOwn, former.held != record.held
        else { return effects }
        return effects + settled(handle(.joins, now), now)
    }

    /// From now on this machine keeps step with the others.
    mutating func begin(now: Int64) -> [Effect] {
        guard case .new = life else { return [] }
        isKept = true
        let effects = tell(recallsUnshared(now)) + start(now) + look(now)
        return settled(effects, now)
    }

    /// What the others did not know when this machine ended, of what it holds: the engine may be away still.
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
        // A command says nothing of it, and takes the mark away once the others know.
        _ = recallsUnshared(now)
        return effects
    }

    mutating func change(_ wish: SharedWish, _ record: SessionRecord, now: Int64) -> [Effect] {
        local = record
        if case .closed = life { return [.put(.end(.failed(.closed)))] }
        change = .waiting(wish, of: record.held)
        return settled(start(now), now)
    }

    /// Other keys open and seal from now on.
    mutating func use(_ seal: SharedSeal, now: Int64) -> [Effect] {
        values.use(seal)
        guard case .begun = life, machine.isIdle else { return [] }
        return settled(look(now), now)
    }

    mutating func close(now: Int64) -> [Effect] {
        life = .closed
        // What the API may have answered already is saved, and shared if that is possible.
        guard !machine.isChanging else { return [] }
        return end(.failed(.closed))
    }

    mutating func carriedOut(now: Int64) -> [Effect] {
        outstanding = max(0, outstanding - 1)
        observations.adopted(now)
        return settled([], now)
    }

    mutating func took(_ event: SharedState.Event, now: Int64) -> [Effect] {
        // A login that came to nothing decides nothing any more: what is there is looked at as before it.
        var ended: [Effect] = []
        if event == .saved(.nothing), case .under(.login) = change { ended = end(.settled) }
        return settled(ended + handle(event, now), now)
    }

    mutating func timePassed(now: Int64) -> [Effect] { probe(now) + took(.time, now: now) }

    mutating func sent(_ sending: SharedSending, now: Int64) -> [Effect] {
        switch sending {
        case .tokens: return took(.answered(.tokens), now: now)
        case .refused: return took(.answered(.refused), now: now)
        case .lost(let lost):
            local.unanswered = lost
            return took(.answered(.lost), now: now)
        case .nothing(let lost, let seconds):
            if let lost { local.unanswered = lost }
            retryAfter = seconds
            return took(.answered(.nothing), now: now)
        }
    }

    /// What must not be replaced by another customer's session, and never was shared. Whoever logs in decides.
    var own: SessionRecord {
        switch change {
        case .waiting(.login, _), .under(.login): SessionRecord()
        case .none, .waiting, .under:
            if machine.note.weight == .wish, machine.held.isTokens {
                // A person did decide, and it waits.
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
            let heeded = heedBar(reading, now) + heedMoment(reading, now)
            return back + settled(heeded + handle(.read(reading), now), now)
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
            effects += heedBar(reading, now) + heedMoment(reading, now)
            event = .conflict(reading)
        case .unclear(let failure):
            observations.note(failure)
            event = .unclear
        case .failed(let failure):
            effects += tell(observations.refusedWrite(failure, now))
            event = .failed
        }
        writing = nil
        if case .conflict = event { conflicts = min(conflicts + 1, 64) }
        observations.count(event, machine)
        return effects + settled(handle(.swapped(event), now), now)
    }

    mutating func watched(_ news: SharedStoreNews, now: Int64) -> [Effect] {
        switch news {
        case .connected:
            touch = .connected
            let effects = [.engineIsBack] + tell(observations.answered())
            // Silence is counted anew.
            return effects + settled(handle(.disconnected, now) + handle(.connected, now), now)
        case .changed(let value):
            let reading = values.reading(value, own: own)
            let effects = heedBar(reading, now) + heedMoment(reading, now) + handle(.watched(reading), now)
            if case .record(let view) = reading { touch = .close(view.facts.identity) } else { touch = .connected }
            return settled(effects, now)
        case .lost(let failure):
            touch = .none
            return tell(observations.failed(failure)) + settled(handle(.disconnected, now), now)
        }
    }
}
