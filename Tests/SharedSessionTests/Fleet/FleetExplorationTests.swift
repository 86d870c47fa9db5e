import Credentials
import Testing

@testable import SharedSession

/// Every interleaving of a small fleet of the real machine, with every fault within the budget.
@Suite struct FleetExplorationTests {
    @Test(arguments: FleetCases.quick) func holds(_ fleet: FleetCase) {
        let exploration = FleetExploration(fleet)
        #expect(exploration.violation == nil, "\(exploration.states) states")
        #expect(exploration.states > 10)
        if fleet.faults.isEmpty { #expect(exploration.refusals == 0) }
    }

    /// The rule that is left out is needed: the exploration finds what breaks without it.
    @Test(arguments: FleetCases.omissions) func breaks(_ fleet: FleetCase, _ property: FleetProperty) {
        let exploration = FleetExploration(fleet)
        #expect(exploration.violation?.property == property, "\(exploration.violation.map(\.description) ?? "nothing")")
    }

    /// The same cases hold with the rule: what breaks above breaks by its omission alone.
    @Test(arguments: FleetCases.omissions.map { $0.0 }) func holdsWithTheRule(_ fleet: FleetCase) {
        var whole = fleet
        whole.omission = .none
        #expect(FleetExploration(whole).violation == nil)
    }

    /// What an engine that loses a claim can still cost, as SharedSession.md says: nothing where the API detects no reuse.
    @Test(arguments: [true, false]) func whatTheEngineLosesCostsTheLoginAtReuseOnly(_ killsFamilies: Bool) {
        var fleet = FleetCase(name: "40", rotations: 1, faults: [.emptied: 1])
        fleet.killsFamilies = killsFamilies
        let exploration = FleetExploration(fleet)
        #expect(exploration.violation == nil)
        #expect((exploration.namedLosses > 0) == killsFamilies && (exploration.refusals > 0) == killsFamilies)
    }

    /// States are compared by their hashes: what a login is counted as is part of them.
    @Test func statesThatDifferInEraAreTwo() {
        let login = FleetNames.login(2)
        let worlds = [1, 2].map { era in
            var moves = FleetMoves(FleetCases.quick[0])
            var world = moves.start()
            let identity = SharedIdentity.login(login, FleetNames.token(2), after: era)!
            world.record = SharedView(SharedFacts(identity, .ready), version: 1)
            return world
        }
        #expect(worlds[0].hashValue != worlds[1].hashValue)
    }

    /// What values and claims are called does not make a state another one.
    @Test func statesThatDifferInNamesAreOne() {
        let identity = SharedIdentity.login(FleetNames.login(2), FleetNames.token(2), after: 1)!
        let seen = [0, 3].map { number in
            var moves = FleetMoves(FleetCases.quick[0])
            var world = moves.start()
            let by = FleetNames.process(0, 0)
            let claim = SharedClaim(id: FleetNames.claim(machine: 0, process: 0, number: number), by: by)
            world.record = SharedView(SharedFacts(identity, .busy(claim)), version: UInt64(number + 1))
            var machine = moves.machines[world.machines[0]]
            machine.state.sight = .record(world.record!)
            world.machines[0] = moves.machines.number(machine)
            moves.add("", nil, world)
            let next = moves.moves[0].next
            return (record: next.record, machine: moves.machines[next.machines[0]])
        }
        #expect(seen[0].record == seen[1].record && seen[0].machine == seen[1].machine)
    }

    @Test(.enabled(if: FleetCases.isLong), .serialized, arguments: FleetCases.long)
    func holdsAtLength(_ fleet: FleetCase) {
        let exploration = FleetExploration(fleet)
        #expect(exploration.violation == nil, "\(exploration.states) states")
        print("\(fleet.name): \(exploration.states) states, \(exploration.transitions) transitions")
    }
}
