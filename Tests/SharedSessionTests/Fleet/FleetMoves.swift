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
    /// Of each machine, as far as it was asked for.
    private var uses: [UInt32: FleetUse] = [:]

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
        var world = FleetWorld(
            machines: [],
            record: nil,
            tokens: [FleetWorld.Token(parent: 0, family: 0), FleetWorld.Token(parent: 0, family: 1)],
            valid: 2,
            had: 2,
            budgets: fleet.budgets
        )
        put(SharedFacts(identity, .ready), &world)
        for number in 0..<fleet.machines {
            let timing = SharedTiming(takeover: .seconds(40), retriesLost: fleet.retriesLost)
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
        var next = next
        next.forget(fleet)
        forgetTold(&next)
        rename(&next)
        moves.append(FleetMove(label: label, machine: machine, isFault: isFault, next: next, breach: breach))
        self.breach = nil
    }

    // MARK: The environment

    private mutating func lateWrites(_ world: FleetWorld) {
        for write in world.lateWrites where matches(write.expecting, world) {
            var next = world
            next.lateWrites.remove(write)
            let breaks = next.breaksLineage(write.new)
            put(write.new, &next)
            add("late write arrives", nil, next, breach: breaks ? .lineage : nil)
        }
    }

    private mutating func login(_ world: inout FleetWorld) {
        let token = world.deed(isLogin: true)
        let era = fleet.omission == .era ? 1 : (world.record?.facts.identity.era ?? 0) + 1
        let identity = SharedIdentity(
            id: FleetNames.token(token),
            parent: nil,
            login: FleetNames.login(token),
            era: era,
            generation: 0
        )!
        put(SharedFacts(identity, .ready), &world)
    }

    /// The engine's next value.
    mutating func put(_ new: SharedFacts, _ world: inout FleetWorld) {
        let counted = (world.record?.version ?? 0) + 1
        let version = fleet.omission == .wholeValue ? counted : inUse(world).freeVersion(new)
        world.put(new, version: version)
    }

    mutating func inUse(_ world: FleetWorld) -> FleetUse {
        var use = FleetUse(world)
        for number in world.machines {
            let known = uses[number] ?? FleetUse(machines[number])
            uses[number] = known
            use.append(known)
        }
        use.noteRest(world)
        return use
    }

    /// Gives everything the name that it has in each state that is the same but for names.
    private mutating func rename(_ world: inout FleetWorld) {
        guard fleet.omission != .wholeValue else { return }
        let renaming = FleetRenaming(inUse(world))
        for number in world.machines.indices {
            var machine = machines[world.machines[number]]
            guard !machine.heardOf.allSatisfy(renaming.knows) else { continue }
            // What nobody pursues any more: its name may be another claim's next.
            machine.heardOf = machine.heardOf.filter(renaming.knows)
            world.machines[number] = machines.number(machine)
        }
        if renaming.changesNothing { return }
        renaming.rename(&world)
        for number in world.machines.indices {
            var machine = machines[world.machines[number]]
            renaming.rename(&machine)
            world.machines[number] = machines.number(machine)
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
            login(&next)
            add("somebody logs in", nil, next, isFault: true)
        }
        next = world
        if world.former != nil, world.former != world.record, next.spends(.lostWrite) {
            next.record = world.former
            next.history.insert(.lostWrite)
            forgetTold(&next, isAnother: true)
            add("the engine loses its last write", nil, next, isFault: true)
        }
        next = world
        if let earlier = world.earlier, earlier != world.record, next.spends(.restored) {
            next.record = earlier
            (next.former, next.earlier) = (nil, nil)
            next.history.insert(.lostWrite)
            forgetTold(&next, isAnother: true)
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

    /// What was told matters as long as it is there. `isAnother`: it is not, though it may look the same.
    private mutating func forgetTold(_ world: inout FleetWorld, isAnother: Bool = false) {
        let there = reading(world)
        for number in world.machines.indices {
            var machine = machines[world.machines[number]]
            guard let told = machine.told, isAnother || told != there else { continue }
            machine.told = nil
            world.machines[number] = machines.number(machine)
        }
    }
}
