import Credentials
@testable import SharedSession

/// Breadth first over every state that a fleet can reach.
///
/// Of a state that was expanded some 130 octets stay: its hash, how it was reached, and the moves that lead to it. Two of
/// 16 million states with the same hash of 64 bits, of which one would be missed, have a probability of 7 in a million.
struct FleetExploration {
    struct Violation: CustomStringConvertible {
        var property: FleetProperty
        var trace: [String]

        var description: String { "\(property.rawValue) (\(property)) after: " + trace.joined(separator: " | ") }
    }

    private struct Origin {
        var state: UInt32
        var label: StaticString
        var machine: Int?

        var description: String { (machine.map { ["A ", "B ", "C "][$0] } ?? "") + label.description }
    }

    var states: Int { goods.count }
    private(set) var transitions = 0
    private(set) var violation: Violation?
    /// States at rest in which a person must log in.
    private(set) var refusals = 0
    /// Those of them before which nothing happened but that the engine lost something: a machine that never heard of a
    /// claim sent the same token, at an API that detects reuse. The page names that loss.
    private(set) var namedLosses = 0

    private var moves: FleetMoves
    /// The number of each state, by its hash.
    private var numbers: [Int: UInt32] = [:]
    /// What is expanded now, and what it leads to: numbered on from each other.
    private var layer: [FleetWorld] = []
    private var nextLayer: [FleetWorld] = []
    /// Whether each state is one that a fleet must always be able to reach.
    private var goods: [Bool] = []
    /// By which move each state was reached first.
    private var origins: [Origin] = [Origin(state: 0, label: "", machine: nil)]
    /// Moves that are no faults, as pairs of states.
    private var edges: [(from: UInt32, to: UInt32)] = []

    init(_ fleet: FleetCase, limit: Int = 16_000_000) {
        moves = FleetMoves(fleet)
        _ = number(moves.start())
        var next: UInt32 = 0
        while !nextLayer.isEmpty, violation == nil, states < limit {
            (layer, nextLayer) = (nextLayer, [])
            for world in layer where violation == nil && states < limit {
                expand(world, next)
                next += 1
            }
        }
        if violation == nil, states >= limit { violation = Violation(property: .progress, trace: ["too many states"]) }
        if violation == nil, fleet.claims == 0 { checkProgress() }
    }

    private mutating func number(_ world: FleetWorld) -> UInt32 {
        let hash = world.hashValue
        if let known = numbers[hash] { return known }
        let number = UInt32(states)
        numbers[hash] = number
        goods.append(isGood(world))
        nextLayer.append(world)
        return number
    }

    private mutating func expand(_ world: FleetWorld, _ state: UInt32) {
        for move in moves.all(from: world) {
            transitions += 1
            let count = states
            let next = number(move.next)
            if Int(next) == count { origins.append(Origin(state: state, label: move.label, machine: move.machine)) }
            if !move.isFault { edges.append((state, next)) }
            if let breach = move.breach {
                report(breach, state, Origin(state: state, label: move.label, machine: move.machine).description)
                return
            }
        }
        if isAtRest(world) { checkRest(world, state) }
        if world.machines.contains(where: { isDeaf(moves.machines[$0], world) }) { report(.current, state, "deaf") }
    }

    private mutating func report(_ property: FleetProperty, _ state: UInt32, _ last: String) {
        var trace = [last]
        var state = state
        while state != 0 {
            trace.append(origins[Int(state)].description)
            state = origins[Int(state)].state
        }
        violation = Violation(property: property, trace: trace.reversed())
    }

    private func isAtRest(_ world: FleetWorld) -> Bool {
        guard world.messages.isEmpty, world.lateWrites.isEmpty, let record = world.record, record.facts.claim == nil
        else { return false }
        return world.machines.allSatisfy { number in
            let machine = moves.machines[number]
            return machine.life == .running && !machine.isCut && machine.state.phase == .idle
                && machine.engine == .none && machine.state.sight.view == record
        }
    }

    /// Heard of what the engine has, and goes on as if it had not.
    private func isDeaf(_ machine: FleetMachine, _ world: FleetWorld) -> Bool {
        if isCareless(machine, world) || leavesItsClaim(machine, world) { return true }
        guard machine.life == .running, !machine.isCut, machine.engine == .none, machine.local == .none,
            machine.state.phase == .idle || machine.state.isPausing, machine.told == moves.reading(world)
        else { return false }
        guard machine.state.pendingReport == .none else { return !machine.state.isPausing }
        return machine.state.sight.view != world.record
    }

    /// Knows that the engine has a claim of its own, under which it does nothing, and lets the others wait for it.
    private func leavesItsClaim(_ machine: FleetMachine, _ world: FleetWorld) -> Bool {
        guard machine.life == .running, !machine.isCut, machine.state.phase == .idle,
            let claim = world.record?.facts.claim, claim.by == machine.state.me
        else { return false }
        return machine.state.sight.view == world.record || machine.told == moves.reading(world)
    }

    /// Heard that the engine has lost its claim, and leaves it so.
    private func isCareless(_ machine: FleetMachine, _ world: FleetWorld) -> Bool {
        guard machine.life == .running, !machine.isCut, machine.engine == .none,
            case .sending(let sending) = machine.state.phase, sending.hold != .lost,
            machine.told == moves.reading(world), let identity = machine.state.held.identity
        else { return false }
        // Its own, which is not the one under which it refreshes, says as little to the others as none.
        if let claim = world.record?.facts.claim, claim.by != machine.state.me || claim.id == sending.claim.id {
            return false
        }
        guard let there = world.record?.facts.identity else { return true }
        return there == identity || there.precedes(identity)
    }

    private mutating func checkRest(_ world: FleetWorld, _ state: UInt32) {
        guard let record = world.record else { return }
        let token = world.token(record.facts)
        let alive = world.tokens.indices.filter { world.had & world.valid & 1 << UInt32($0) != 0 }
        let family = world.tokens[token].family
        let isLost = alive.contains { other in
            world.tokens[other].family > family || world.tokens[other].family == family && !world.isValid(token)
        }
        if isLost {
            report(.available, state, "rest")
            return
        }
        guard record.facts.state == .refused else { return }
        refusals += 1
        let others = world.history.subtracting([.lostWrite, .emptied])
        if others == .familyKilled, others != world.history { namedLosses += 1 }
        if world.history.isDisjoint(with: .costsLogin) { report(.once, state, "rest: a login is needed") }
    }

    private func isGood(_ world: FleetWorld) -> Bool {
        guard let record = world.record, record.facts.claim == nil else { return false }
        switch record.facts.state {
        case .refused, .none: return true
        case .ready, .busy: return world.isValid(world.token(record.facts))
        }
    }

    /// Backwards from the states that are good: each must be reached.
    private mutating func checkProgress() {
        var starts = [Int](repeating: 0, count: states + 1)
        for edge in edges { starts[Int(edge.to) + 1] += 1 }
        for state in 0..<states { starts[state + 1] += starts[state] }
        var fill = starts
        var sources = [UInt32](repeating: 0, count: edges.count)
        for edge in edges {
            sources[fill[Int(edge.to)]] = edge.from
            fill[Int(edge.to)] += 1
        }
        var isReached = goods
        var queue = isReached.indices.filter { isReached[$0] }
        var position = 0
        while position < queue.count {
            let state = queue[position]
            position += 1
            for source in sources[starts[state]..<starts[state + 1]] where !isReached[Int(source)] {
                isReached[Int(source)] = true
                queue.append(Int(source))
            }
        }
        guard let stuck = isReached.firstIndex(of: false) else { return }
        report(.progress, UInt32(stuck), "no way back")
    }
}
