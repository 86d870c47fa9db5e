import Credentials

@testable import SharedSession

/// Telling a machine of an event.
extension FleetMoves {
    /// Hands `event` to the machine and takes up what it wants done. `now` is far away where time has passed.
    mutating func tell(
        _ event: SharedState.Event,
        _ number: Int,
        _ machine: inout FleetMachine,
        _ world: inout FleetWorld,
        now: Int64 = 1
    ) {
        leaveOut(event, &machine)
        if fleet.omission == .repair, machine.state.isSending, case .watched = event { return }
        let randomness = randomness(event, number, machine, world)
        let moment = machine.isLate ? Self.long : now
        // All that time the other one has beaten, if it pursues its claim: what is asked for after it says so. What was
        // asked for before says nothing of it.
        if machine.isLate, machine.state.calledAt == Self.long, Self.isAnswer(event),
            let rival = machine.state.rivalClaim, rival.silentSince != nil, !isSilent(rival.claim, world)
        {
            machine.state.rivalClaim?.silentSince = moment
        }
        let former = machine.state.held
        if fleet.omission == .order, let facts = Self.view(event)?.facts, facts.claim != nil,
            let rival = machine.state.rivalClaim, facts.identity.precedes(rival.identity)
        {
            machine.state.rivalClaim = nil
        }
        var actions: [SharedState.Action] = []
        if isOvertaken(machine.state, event, world) {
            actions = machine.state.handle(.overtaken, at: moment, randomness: randomness)
        }
        actions += machine.state.handle(event, at: moment, randomness: randomness)
        noteClaim(event, former, &machine)
        noteDoubt(event, former, &machine)
        for action in actions { take(action, number, &machine, &world) }
        // The others were told after all.
        let there = machine.state.sight.view?.facts.identity
        if machine.note.weight == .wish, there == machine.disk.identity { machine.note.weight = .usual }
        if machine.state.phase == .idle, machine.state.wish.isRefresh { breach = .answered }
        if case .sharing(let sharing) = machine.state.phase, sharing.cause == .healing, world.history.isEmpty {
            breach = .quiet
        }
        machine.state.forgetTime(isLate: machine.isLate && machine.state.claim != nil)
        // It decides nothing in the machine: where doubt is not tracked, states that differ in it alone are one.
        if !fleet.tracksDoubt { machine.state.silent = [] }
        if machine.state.claim == nil { machine.isLate = false }
        if !isRefreshing(machine.state) { machine.sentUnder = nil }
        if !fleet.tellsOnce, !machine.state.isSending { machine.told = nil }
        if case .saving = machine.state.phase {} else { machine.answer = 0 }
    }

    private mutating func randomness(
        _ event: SharedState.Event,
        _ number: Int,
        _ machine: FleetMachine,
        _ world: FleetWorld
    ) -> SharedRandomness {
        let ids: [SharedID]
        switch event {
        case .answered(.tokens): ids = [FleetNames.token(machine.answer)]
        // The person's deed is the last that the API heard of.
        case .loggedIn, .loggedOut:
            let token = world.tokens.count - 1
            ids = [FleetNames.token(token), FleetNames.login(token)]
        // Nobody makes a claim who wants no refresh.
        case _ where !machine.state.wish.isRefresh: ids = []
        default:
            var use = inUse(world)
            use.append(FleetUse(machine))
            use.note(event)
            ids = [use.freeClaim(number, machine.process)]
        }
        var next = 0
        return SharedRandomness(
            id: {
                defer { next += 1 }
                return ids[min(next, ids.count - 1)]
            },
            fraction: { 0.5 }
        )
    }

    /// What a person did here waits, and what the engine has is a later login, by the moments in both records.
    private func isOvertaken(_ state: SharedState, _ event: SharedState.Event, _ world: FleetWorld) -> Bool {
        guard state.note.weight == .wish, let there = Self.view(event)?.facts, there.state != .none,
            let mine = state.held.identity, there.identity.login != mine.login
        else { return false }
        return world.tokens[world.token(there)].family > world.tokens[FleetNames.number(mine.id)].family
    }

    private static func view(_ event: SharedState.Event) -> SharedView? {
        switch event {
        case .read(.record(let view)), .swapped(.conflict(.record(let view))), .watched(.record(let view)): view
        default: nil
        }
    }

    /// An answer of the engine.
    private static func isAnswer(_ event: SharedState.Event) -> Bool {
        switch event {
        case .read, .swapped: true
        default: false
        }
    }

    /// Of what the machine holds, and another one refreshes.
    private func noteClaim(_ event: SharedState.Event, _ former: SharedHolding, _ machine: inout FleetMachine) {
        guard fleet.losesClaims else { return }
        if machine.state.held != former { machine.heardOf = [] }
        guard let facts = Self.view(event)?.facts, let claim = facts.claim, claim.by != machine.state.me,
            machine.state.held == .tokens(facts.identity)
        else { return }
        machine.heardOf.insert(claim.id)
    }

    /// Who may have sent what the machine holds.
    private func noteDoubt(_ event: SharedState.Event, _ former: SharedHolding, _ machine: inout FleetMachine) {
        guard fleet.tracksDoubt else { return }
        if machine.state.held != former { (machine.heard, machine.heardSilent) = (nil, []) }
        guard let facts = Self.view(event)?.facts, machine.state.held == .tokens(facts.identity) else { return }
        machine.heardSilent.formUnion(facts.silent)
        if let heard = machine.heard, facts.ended.contains(heard) { machine.heard = nil }
        if let claim = facts.claim {
            guard claim.by != machine.state.me, !machine.state.ended.contains(claim.id) else { return }
            machine.heard = claim.id
        } else if facts.state != .ready {
            machine.heard = nil
        }
    }

    /// Whether the machine knows of all that may have sent what it sends now.
    private func isUnaware(_ machine: FleetMachine, _ token: SharedID, _ world: FleetWorld) -> Bool {
        let others = machine.heardSilent.union(machine.heard.map { [FleetNames.process($0)] } ?? []).subtracting([
            machine.state.me
        ])
        return others.contains { other in
            world.sent.contains(FleetWorld.Sent(token: token, by: other)) && !machine.state.silent.contains(other)
        }
    }

    /// Something was sent, and the others have not heard what came of it.
    private func isRefreshing(_ state: SharedState) -> Bool {
        switch state.phase {
        case .sending, .saving(_, .result): true
        case .sharing(let sharing): sharing.cause == .result
        case .idle, .reading, .claiming, .checking, .preparing, .saving, .closing: false
        }
    }

    /// Whether a machine that runs refreshes `token`, under a claim that the machine `number` has heard of.
    func isRefreshed(_ token: SharedID, _ machine: FleetMachine, _ number: Int, _ world: FleetWorld) -> Bool {
        guard world.history.isForgetful else { return false }
        return world.machines.indices.contains { index in
            let other = machines[world.machines[index]]
            guard index != number, let claim = other.sentUnder, machine.heardOf.contains(claim) else { return false }
            switch other.state.phase {
            case .sending: return other.state.held.identity?.id == token
            case .saving(let identity, .result): return identity.parent == token
            case .sharing(let sharing) where sharing.cause == .result:
                return other.state.held.identity?.parent == token
            default: return false
            }
        }
    }

    private mutating func take(
        _ action: SharedState.Action,
        _ number: Int,
        _ machine: inout FleetMachine,
        _ world: inout FleetWorld
    ) {
        switch action {
        case .get: machine.engine = .get
        case .swap(let expecting, let new):
            let isForgetful = fleet.omission == .claim && new.claim?.by != machine.state.me
            var facts = isForgetful ? SharedFacts(new.identity, .ready) : new
            if !fleet.tracksDoubt { facts.silent = [] }
            if fleet.omission == .ends { facts.ended = facts.ended.suffix(1) }
            if case .claiming(let claiming) = machine.state.phase, let by = claiming.over?.by {
                takesOver(by, number, machine, &world)
            }
            machine.state.call = .swap(facts)
            machine.engine = .swap(expecting: expecting, new: facts)
        case .prepare: machine.local = .prepare
        case .save(let identity): machine.local = .save(identity)
        case .send:
            guard case .sending(let sending) = machine.state.phase, let identity = machine.state.held.identity else {
                return
            }
            if isRefreshed(identity.id, machine, number, world) { breach = .alone }
            if fleet.losesClaims { machine.sentUnder = sending.claim.id }
            if fleet.tracksDoubt {
                if isUnaware(machine, identity.id, world) { breach = .doubted }
                world.sent.insert(FleetWorld.Sent(token: identity.id, by: machine.state.me))
            }
            let token = UInt8(FleetNames.number(identity.id))
            world.messages.insert(
                FleetWorld.Message(
                    machine: UInt8(number),
                    claim: sending.claim.id,
                    attempt: sending.attempt,
                    content: .request(token)
                )
            )
        case .adopt(let view):
            machine.disk = .tokens(view.facts.identity)
            machine.note = SharedHolding.Note(view.facts.state == .refused ? .dead : .usual)
            world.had |= 1 << UInt32(world.token(view.facts))
        case .use(let identity):
            if fleet.omission != .localCopy { machine.disk = .tokens(identity) }
        case .forget(let identity):
            machine.disk = .ended(identity)
            machine.note = machine.state.note
        case .disown: machine.disk = .nothing
        case .say(.shared(let identity)):
            if machine.state.held == .tokens(identity) { machine.disk = .tokens(identity) }
            machine.note.weight = .usual
        case .say(.notShared):
            if machine.disk == machine.state.held { machine.note.weight = machine.state.note.weight }
        case .refuse(.loginNeeded):
            if machine.disk == machine.state.held, machine.note.weight == .usual { machine.note.weight = .dead }
        case .refuse, .say: break
        }
    }

    private mutating func takesOver(
        _ by: ProcessName,
        _ number: Int,
        _ machine: FleetMachine,
        _ world: inout FleetWorld
    ) {
        if machine.isLate { passTime(by, number, &world) }
        // A claim that is written late may fall silent though its machine lives.
        let isTold = world.history.isTalkative && fleet.faults[.unclear] == nil
        if isTold, fleet.omission == .none || fleet.omission == .ends { breach = .trusted }
    }

    /// A machine that is late takes over: the time that has passed for it has passed for the other one, too.
    private mutating func passTime(_ by: ProcessName, _ number: Int, _ world: inout FleetWorld) {
        let owner = FleetNames.owner(by)
        guard owner.machine != number else { return }
        var other = machines[world.machines[owner.machine]]
        guard other.process == owner.process, other.state.claim != nil else { return }
        other.isLate = true
        world.machines[owner.machine] = machines.number(other)
    }

    /// Changes what the machine knows as if it did not have the rule that is left out.
    private func leaveOut(_ event: SharedState.Event, _ machine: inout FleetMachine) {
        if fleet.omission == .doubt { machine.state.silent = [] }
        if fleet.omission == .ends { machine.state.ended = [] }
        if fleet.omission == .memory { machine.state.rivalClaim = nil }
        let reading: SharedReading
        switch event {
        case .read(let read?): reading = read
        case .swapped(.conflict(let there)): reading = there
        case .watched(let told): reading = told
        default: return
        }
        guard case .record(let view) = reading, let held = machine.state.held.identity else { return }
        switch (fleet.omission, machine.state.phase) {
        case (.anyClaim, .sharing) where view.facts.identity != held && view.facts.claim?.by != machine.state.me,
            (.healing, .idle) where view.facts.identity.precedes(held),
            (.healing, .reading) where view.facts.identity.precedes(held):
            machine.state.held = .tokens(view.facts.identity)
            machine.disk = machine.state.held
            machine.state.phase = .reading
        default: break
        }
    }
}

extension SharedState {
    var isSending: Bool {
        guard case .sending = phase else { return false }
        return true
    }

    /// Each moment becomes one and the same: how much time has passed is for the exploration to say.
    /// A machine for which the time has passed knows what it asked for since.
    mutating func forgetTime(isLate: Bool) {
        calledAt = isLate && calledAt == FleetMoves.long ? calledAt : 1
        knownAt = isLate && knownAt == FleetMoves.long ? knownAt : 1
        if case .pausing = call { call = .pausing(until: 2) }
        if wish.isRefresh { wish = .refresh(since: 1) }
        if rivalClaim?.silentSince != nil { rivalClaim?.silentSince = 1 }
        if unclearSince != nil { unclearSince = 1 }
        switch phase {
        case .claiming(var claiming):
            claiming.since = 1
            phase = .claiming(claiming)
        case .checking(var claiming):
            claiming.since = 1
            phase = .checking(claiming)
        case .preparing(var claiming):
            claiming.since = 1
            phase = .preparing(claiming)
        case .sending(var sending):
            switch sending.hold {
            case .ours: sending.hold = .ours(at: 1, next: 3)
            case .regained: sending.hold = .regained(next: 3)
            case .lost: break
            }
            phase = .sending(sending)
        case .sharing(var sharing):
            sharing.since = 1
            phase = .sharing(sharing)
        case .closing(var closing):
            closing.since = 1
            phase = .closing(closing)
        case .idle, .reading, .saving: break
        }
    }
}
