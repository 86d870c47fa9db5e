import Credentials
@testable import SharedSession

/// One move of the fleet to another state.
struct FleetMove {
    var label: StaticString
    var machine: Int?
    var isFault: Bool
    var next: FleetWorld
    /// What the move itself breaks.
    var breach: FleetProperty?

}

/// Every move that is possible in a state: the environment's here, the machines' in `FleetMoves+Machine`.
struct FleetMoves {
    let fleet: FleetCase
    var machines = Interner<FleetMachine>()
    var moves: [FleetMove] = []
    /// What a machine did in the move that is being made.
    var breach: FleetProperty?

    /// Long enough for each wait of the protocol, in nanoseconds.
    static let long: Int64 = 1 << 50

    init(_ fleet: FleetCase) { self.fleet = fleet }

    /// Every machine has the first login's token, and hears the engine.
    mutating func start() -> FleetWorld {
        let identity = SharedIdentity(
            id: FleetNames.token(1),
            parent: nil,
            login: FleetNames.login(1),
            era: 1,
            generation: 0
        )!
        let none = FleetWorld.Token(parent: 0, family: 0, identity: identity)
        let first = FleetWorld.Token(parent: 0, family: 1, identity: identity)
        var world = FleetWorld(
            machines: [],
            record: nil,
            tokens: [none, first],
            valid: 2,
            had: 2,
            budgets: fleet.budgets
        )
        world.put(SharedFacts(identity, .ready))
        for number in 0..<fleet.machines {
            let timing = SharedTiming(takeover: .seconds(40))
            let disk = SharedHolding.tokens(identity)
            let state = SharedState(me: FleetNames.process(number, 0), held: disk, timing: timing)
            var machine = FleetMachine(state: state, disk: disk)
            tell(.connected, number, &machine, &world)
            tell(.watched(.record(world.record!)), number, &machine, &world)
            world.machines.append(machines.number(machine))
        }
        return world
    }

    mutating func all(from world: FleetWorld) -> [FleetMove] {
        moves.removeAll(keepingCapacity: true)
        lateWrites(world)
        for message in world.messages { deliver(message, world) }
        person(world)
        for number in world.machines.indices { machine(number, machines[world.machines[number]], world) }
        return moves
    }

    mutating func add(
        _ label: StaticString,
        _ machine: Int? = nil,
        _ next: FleetWorld,
        isFault: Bool = false,
        breach: FleetProperty? = nil
    ) {
        let breach = breach ?? self.breach
        moves.append(FleetMove(label: label, machine: machine, isFault: isFault, next: next, breach: breach))
        self.breach = nil
    }

    // MARK: The environment

    private mutating func lateWrites(_ world: FleetWorld) {
        for write in world.lateWrites where matches(write.expecting, world) {
            var next = world
            next.lateWrites.remove(write)
            let breaks = next.breaksLineage(write.new)
            next.put(write.new)
            add("late write arrives", nil, next, breach: breaks ? .lineage : nil)
        }
    }

    func matches(_ expecting: SharedView?, _ world: FleetWorld) -> Bool {
        fleet.omission == .wholeValue ? expecting?.version == world.record?.version : expecting == world.record
    }

    private mutating func deliver(_ message: FleetWorld.Message, _ world: FleetWorld) {
        var next = world
        next.messages.remove(message)
        let number = Int(message.machine)
        let machine = machines[world.machines[number]]
        switch message.content {
        case .request(let token):
            var lost = next
            let new = next.refresh(Int(token), fleet)
            if waits(machine, message) {
                var reply = message
                reply.content = .reply(new)
                next.messages.insert(reply)
            } else if new != nil {
                next.history.insert(.nobodyWaited)
            }
            let isBreach = new == nil && world.history.isEmpty
            add("refresh reaches the API", number, next, breach: isBreach ? .once : nil)
            if lost.spends(.lostMessage) {
                lost.history.insert(.lost)
                add("request lost", number, lost, isFault: true)
            }
        case .reply(let token):
            var lost = next
            if machine.life == .running, waits(machine, message) {
                var machine = machine
                machine.answer = Int(token ?? 0)
                tell(.answered(token == nil ? .refused : .tokens), number, &machine, &next)
                next.machines[number] = machines.number(machine)
                add(token == nil ? "is refused" : "has the answer", number, next)
            }
            if lost.spends(.lostMessage) {
                lost.history.insert(.lost)
                if token != nil { lost.history.insert(.answerLost) }
                add("answer lost", number, lost, isFault: true)
            }
        }
    }

    func waits(_ machine: FleetMachine, _ message: FleetWorld.Message) -> Bool {
        guard machine.life != .dead, case .sending(let sending) = machine.state.phase else { return false }
        return sending.claim.id == message.claim && sending.attempt == message.attempt
    }

    private mutating func person(_ world: FleetWorld) {
        var next = world
        if next.spends(.login) {
            next.login(fleet)
            add("somebody logs in", nil, next, isFault: true)
        }
        next = world
        if world.former != nil, world.former != world.record, next.spends(.lostWrite) {
            next.record = world.former
            next.history.insert(.lostWrite)
            forgetTold(&next)
            add("the engine loses its last write", nil, next, isFault: true)
        }
        next = world
        if let earlier = world.earlier, earlier != world.record, next.spends(.restored) {
            next.record = earlier
            (next.former, next.earlier) = (nil, nil)
            next.history.insert(.lostWrite)
            forgetTold(&next)
            add("the engine goes back by two writes", nil, next, isFault: true)
        }
        next = world
        if world.record != nil, next.spends(.emptied) {
            next.record = nil
            next.former = nil
            next.history.insert(.emptied)
            add("the engine is emptied", nil, next, isFault: true)
        }
    }

    /// What was told is not what is there any more, though it may look the same.
    private mutating func forgetTold(_ world: inout FleetWorld) {
        for number in world.machines.indices {
            var machine = machines[world.machines[number]]
            machine.told = nil
            world.machines[number] = machines.number(machine)
        }
    }

    // MARK: Telling a machine

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
        let version = Self.view(event)?.version ?? machine.state.sight.view?.version ?? 0
        let claim = FleetNames.claim(
            machine: number,
            process: machine.process,
            version: version,
            unclear: world.budgets[FleetCase.Fault.unclear.rawValue],
            lostWrites: world.budgets[FleetCase.Fault.lostWrite.rawValue]
                + world.budgets[FleetCase.Fault.emptied.rawValue] * 2
                + world.budgets[FleetCase.Fault.restored.rawValue]
        )
        let id = event == .answered(.tokens) ? FleetNames.token(machine.answer) : claim
        let chance = SharedChance(id: { id }, fraction: { 0.5 })
        let moment = machine.isLate ? Self.long : now
        let former = machine.state.held
        if fleet.omission == .order, let facts = Self.view(event)?.facts, facts.claim != nil,
            let standing = machine.state.standing, facts.identity.precedes(standing.identity)
        {
            machine.state.standing = nil
        }
        let actions = machine.state.handle(event, at: moment, chance: chance)
        noteClaim(event, former, &machine)
        for action in actions { take(action, number, &machine, &world) }
        if machine.state.phase == .idle, machine.state.wish.isRefresh { breach = .answered }
        if case .sharing(let sharing) = machine.state.phase, sharing.cause == .healing, world.history.isEmpty {
            breach = .quiet
        }
        machine.state.forgetTime()
        if machine.state.claim == nil { machine.isLate = false }
        if !fleet.tellsOnce, !machine.state.isSending { machine.told = nil }
        if case .saving = machine.state.phase {} else { machine.answer = 0 }
    }

    private static func view(_ event: SharedState.Event) -> SharedView? {
        switch event {
        case .read(.record(let view)), .swapped(.conflict(.record(let view))), .watched(.record(let view)): view
        default: nil
        }
    }

    /// Of what the machine holds, and another one refreshes.
    private func noteClaim(_ event: SharedState.Event, _ former: SharedHolding, _ machine: inout FleetMachine) {
        guard fleet.losesClaims else { return }
        if machine.state.held != former { machine.heardOf = [] }
        guard let facts = Self.view(event)?.facts, let claim = facts.claim, claim.by != machine.state.me,
            machine.state.held == .tokens(facts.identity)
        else { return }
        machine.heardOf.insert(claim.by)
    }

    /// Whether a machine that runs refreshes `token`, under a claim that the machine `number` has heard of.
    func isRefreshed(_ token: SharedID, _ machine: FleetMachine, _ number: Int, _ world: FleetWorld) -> Bool {
        guard world.history.isForgetful else { return false }
        return world.machines.indices.contains { index in
            let other = machines[world.machines[index]]
            guard index != number, machine.heardOf.contains(other.state.me) else { return false }
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
            let facts = isForgetful ? SharedFacts(new.identity, .ready) : new
            if isForgetful { machine.state.call = .swap(facts) }
            machine.engine = .swap(expecting: expecting, new: facts)
        case .prepare: machine.local = .prepare
        case .save(let identity): machine.local = .save(identity)
        case .send:
            guard case .sending(let sending) = machine.state.phase, let identity = machine.state.held.identity else {
                return
            }
            if isRefreshed(identity.id, machine, number, world) { breach = .alone }
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
            world.had |= 1 << UInt32(world.token(view.facts))
        case .use(let identity):
            if fleet.omission != .localCopy { machine.disk = .tokens(identity) }
        case .forget, .disown: machine.disk = .nothing
        case .say(.shared(let identity)): machine.disk = .tokens(identity)
        case .refuse, .say: break
        }
    }

    /// Changes what the machine knows as if it did not have the rule that is left out.
    private func leaveOut(_ event: SharedState.Event, _ machine: inout FleetMachine) {
        if fleet.omission == .memory { machine.state.standing = nil }
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
    mutating func forgetTime() {
        if case .pausing = call { call = .pausing(until: 2) }
        if wish.isRefresh { wish = .refresh(since: 1) }
        if standing?.silentSince != nil { standing?.silentSince = 1 }
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
