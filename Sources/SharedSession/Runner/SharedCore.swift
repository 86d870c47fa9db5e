import Credentials
import Platform

/// What the protocol's thread knows, and what it does because of what it hears. Pure but for the dice.
struct SharedCore: Sendable {
    /// What is to be done because of an event, in that order.
    enum Effect: Sendable {
        case get
        case swap(expecting: StoredValue?, bytes: [UInt8])
        case watch
        /// For the session's thread.
        case put(SharedDesk.Item)
        case engineIsBack
        case tell(SharedNews)
    }

    /// A change of this process.
    private enum Change {
        case none
        /// It begins when nothing else is on its way to the session, if that still holds the same tokens.
        case waiting(SharedWish, of: HeldTokens)
        case under(Work)
    }

    private enum Work {
        case refresh
        /// Before it can be refreshed, what this machine has becomes the session of all.
        case join
        case login
        case logout
        case look
    }

    private enum Denial {
        case none
        /// Told here; the engine does not say so yet.
        case said(SharedIdentity)
        /// The engine says so.
        case seen(SharedIdentity)
    }

    private enum Life {
        /// Nothing was asked of the engine yet.
        case new
        case begun
        /// Begins nothing more.
        case closed
    }

    private(set) var machine: SharedState
    private var values: SharedValues
    /// What the session holds.
    private var local = SessionRecord()
    private var change = Change.none
    private var life = Life.new
    private var isKept = false
    /// Deeds that the session has not carried out yet.
    private var outstanding = 0
    /// The tokens that the API refused to refresh, as this machine was told.
    private var denial = Denial.none
    /// What is known of the last refresh of what is held, for whoever sends the next.
    private var doubt = SharedDoubt.none
    /// What was this machine's own before it was to become the session of all.
    private var joining: SessionRecord?
    /// The value that is being written.
    private var writing: SharedValues.Known?
    private var observations: SharedObservations

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

    /// When `time` is to be told; nil where nothing waits.
    var wakeAt: Int64? { machine.wakeAt }

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
        return settled(start(now) + look(now), now)
    }

    private mutating func look(_ now: Int64) -> [Effect] {
        outstanding == 0 ? handle(hasOwn ? .joins : .started, now) : []
    }

    private var hasOwn: Bool { local.localHolding(in: values.place) == .own }

    private mutating func start(_ now: Int64) -> [Effect] {
        guard case .new = life else { return [] }
        life = .begun
        return [.watch] + adoptFile(now)
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

    mutating func sent(_ sending: SharedSending, now: Int64) -> [Effect] {
        switch sending {
        case .tokens: return took(.answered(.tokens), now: now)
        case .refused: return took(.answered(.refused), now: now)
        case .lost(let lost):
            local.unanswered = lost
            return took(.answered(.lost), now: now)
        case .nothing(let lost):
            if let lost { local.unanswered = lost }
            return took(.answered(.nothing), now: now)
        }
    }

    /// What must not be replaced by another customer's session, and never was shared. Whoever logs in decides.
    private var own: SessionRecord {
        switch change {
        case .waiting(.login, _), .under(.login): SessionRecord()
        case .none, .waiting, .under: machine.isJoining ? joining ?? local : local
        }
    }

    mutating func read(_ result: Result<StoredValue?, SharedStoreFailure>, now: Int64) -> [Effect] {
        switch result {
        case .success(let value):
            let back = tell(observations.answered())
            return back + settled(handle(.read(values.reading(value, own: own)), now), now)
        case .failure(let failure):
            return tell(observations.failed(failure)) + settled(handle(.read(nil), now), now)
        }
    }

    mutating func swapped(_ outcome: SwapOutcome, now: Int64) -> [Effect] {
        var effects: [Effect] = []
        let event: SharedState.Swapped
        switch outcome {
        case .written(let revision):
            effects += tell(observations.answered())
            if var written = writing {
                written.value.revision = revision
                event = .written(version: values.written(written))
            } else {
                event = .unclear
            }
        case .conflict(let value):
            effects += tell(observations.answered())
            event = .conflict(values.reading(value, own: own))
        case .unclear(let failure):
            observations.note(failure)
            event = .unclear
        case .failed(let failure):
            effects += tell(observations.failed(failure))
            event = .failed
        }
        writing = nil
        observations.count(event, machine)
        return effects + settled(handle(.swapped(event), now), now)
    }

    mutating func watched(_ news: SharedStoreNews, now: Int64) -> [Effect] {
        switch news {
        case .connected:
            let effects = [.engineIsBack] + tell(observations.answered())
            // Silence is counted anew.
            return effects + settled(handle(.disconnected, now) + handle(.connected, now), now)
        case .changed(let value):
            let effects = handle(.watched(values.reading(value, own: own)), now)
            return settled(effects, now)
        case .lost(let failure):
            return tell(observations.failed(failure)) + settled(handle(.disconnected, now), now)
        }
    }

    // MARK: What is done

    private mutating func handle(_ event: SharedState.Event, _ now: Int64) -> [Effect] {
        let actions = machine.handle(event, at: now, chance: .system)
        if machine.isClaiming { noteDoubt(actions) }
        var effects: [Effect] = []
        for action in actions { effects += obey(action, now) }
        effects += endDenial()
        observations.see(machine.seen?.facts, now)
        return effects
    }

    /// A claim is written: over nothing, or over another machine's, which may have been sent.
    private mutating func noteDoubt(_ actions: [SharedState.Action]) {
        guard actions.contains(where: { if case .swap = $0 { true } else { false } }) else { return }
        doubt = .none
        for case .say(.takesOver(let by)) in actions where by != machine.me { doubt = .takenOver(from: by) }
    }

    /// A refusal holds as long as the engine says so: whoever restores it, or writes one word there, ends no session.
    private mutating func endDenial() -> [Effect] {
        guard let facts = machine.seen?.facts else { return [] }
        switch (denial, facts.state) {
        case (.none, _): return []
        case (.said(let identity), _) where facts.identity != identity,
            (.seen(let identity), _) where facts.identity != identity:
            denial = .none
            return []
        case (.said(let identity), .refused):
            denial = .seen(identity)
            return []
        case (.seen(let identity), .ready), (.seen(let identity), .busy):
            denial = .none
            return [deed(.allow(identity))]
        case (.said, _), (.seen, _): return []
        }
    }

    /// The end of each event: forgets what is over, and begins what waited for it.
    private mutating func settled(_ done: [Effect], _ now: Int64) -> [Effect] {
        var effects = done
        values.forget(allBut: machine.versions)
        guard outstanding == 0 else { return effects }
        effects += adoptFile(now)
        guard outstanding == 0 else { return effects }
        if case .waiting(let wish, let held) = change {
            if wish.needsStep, local.held != held {
                // What it is of was replaced before it could begin: to go on would spend a dead token.
                effects += end(.settled)
            } else if isInStep || !wish.needsStep {
                effects += begin(wish, now)
            }
        }
        // Whatever came of it: nobody waits for what is not under way.
        if case .under = change, machine.isIdle, outstanding == 0 { effects += end(.settled) }
        return effects
    }

    /// Whether the protocol speaks of what the session has.
    private var isInStep: Bool { machine.held.identity == holding.identity }

    private var holding: SharedHolding {
        switch local.localHolding(in: values.place) {
        case .shared(let holding): holding
        case .own, .elsewhere: .nothing
        }
    }

    /// Another process of this machine, or a person, may have changed the file.
    private mutating func adoptFile(_ now: Int64) -> [Effect] {
        guard !isInStep, machine.heedsFile else { return [] }
        if case .under = change { return [] }
        observations.hasNothingOfItsOwn()
        let effects = handle(.fileChanged(holding), now)
        guard isKept, hasOwn, outstanding == 0, case .begun = life else { return effects }
        return effects + handle(.joins, now)
    }

    private mutating func begin(_ wish: SharedWish, _ now: Int64) -> [Effect] {
        switch wish {
        case .refresh where hasOwn:
            change = .under(.join)
            return handle(.joins, now)
        case .refresh:
            change = .under(.refresh)
            return handle(.refreshWanted, now)
        case .login:
            change = .under(.login)
            return handle(.loggedIn, now)
        case .logout:
            change = .under(.logout)
            return handle(.loggedOut, now)
        case .look:
            change = .under(.look)
            return handle(hasOwn ? .joins : .started, now)
        }
    }

    private mutating func end(_ ending: SharedEnding) -> [Effect] {
        if case .none = change { return [] }
        change = .none
        return [.put(.end(ending))]
    }

    /// What another machine did takes the place of what this one was to refresh. A person's wish is later.
    private mutating func superseded() -> [Effect] {
        switch change {
        case .waiting(.login, _), .waiting(.logout, _), .under(.login), .under(.logout), .none: []
        case .waiting(.refresh, _), .waiting(.look, _), .under(.refresh), .under(.join), .under(.look): end(.settled)
        }
    }

    private mutating func deed(_ deed: SharedDeed) -> Effect {
        outstanding += 1
        return .put(.deed(deed))
    }

    private mutating func obey(_ action: SharedState.Action, _ now: Int64) -> [Effect] {
        switch action {
        case .get: return [.get]
        case .swap(let expecting, let new): return swap(expecting, new, now)
        case .prepare: return step(.prepare) ?? handle(.prepared(false), now)
        case .send:
            let there = machine.seen.flatMap { values[$0.version]?.session?.record.unanswered }
            let known = there.map(SharedDoubt.unanswered) ?? doubt
            return step(.send(after: known)) ?? handle(.answered(.nothing), now)
        case .save(let identity): return save(identity)
        case .adopt(let view):
            guard let session = values[view.version]?.session else { return [] }
            observations.adopts(now)
            observations.hasNothingOfItsOwn()
            let isRefused = view.facts.state == .refused
            return [deed(.adopt(session.record, view.facts.identity, isRefused: isRefused))] + superseded()
        case .use: return end(.done)
        case .forget(let identity):
            if case .under(.logout) = change { return (step(.forget(identity)) ?? []) + end(.done) }
            observations.hasNothingOfItsOwn()
            return [deed(.forget(identity))] + superseded()
        case .refuse(let refusal):
            if refusal == .loginNeeded, case .tokens(let identity) = machine.held { denial = .said(identity) }
            if case .under = change {
                return end(.failed(SharedFailure(refusal, values.problem ?? observations.problem)))
            }
            guard refusal == .loginNeeded, case .tokens(let identity) = machine.held else { return [] }
            return [deed(.deny(identity))]
        case .disown(let identity): return [deed(.disown(identity))]
        case .say(let notice):
            if notice == .notShared, case .ended = machine.held {
                return tell(observations.saidOfLogout(values.problem, now))
            }
            return tell(observations.said(notice, values.problem, now))
        }
    }

    private func tell(_ news: SharedNews?) -> [Effect] { news.map { [.tell($0)] } ?? [] }

    /// Nil without a change that could take it.
    private func step(_ step: SharedStep) -> [Effect]? {
        guard case .under = change else { return nil }
        return [.put(.step(step))]
    }

    private mutating func save(_ identity: SharedIdentity) -> [Effect] {
        switch change {
        case .under(.refresh), .under(.login):
            let there = machine.seen.flatMap { values[$0.version]?.session?.record }
            let isOther = machine.seen.map { $0.facts.identity != machine.held.identity } ?? false
            return [.put(.step(.save(identity, over: isOther ? there : nil)))]
        case .none, .waiting, .under(.join), .under(.logout), .under(.look):
            if machine.isJoining { joining = local }
            return [deed(.enrol(identity))]
        }
    }

    private mutating func swap(_ expecting: SharedView?, _ new: SharedFacts, _ now: Int64) -> [Effect] {
        guard let (record, session) = values.record(new, expecting: expecting, own: local) else {
            observations.note(
                SharedStoreFailure(.configuration, "this machine has not got what is to be shared, or cannot seal it")
            )
            return handle(.swapped(.failed), now)
        }
        let bytes = record.bytes
        let value = StoredValue(bytes: bytes, revision: StoreRevision(""))
        writing = SharedValues.Known(value: value, record: record, session: session)
        return [.swap(expecting: expecting.flatMap { values[$0.version]?.value }, bytes: bytes)]
    }
}

extension SharedWish {
    /// It is of what the session holds.
    fileprivate var needsStep: Bool {
        switch self {
        case .refresh, .look: true
        case .login, .logout: false
        }
    }
}
