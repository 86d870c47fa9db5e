import Testing

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

    @Test(.enabled(if: FleetCases.isLong), .serialized, arguments: FleetCases.long)
    func holdsAtLength(_ fleet: FleetCase) {
        let exploration = FleetExploration(fleet)
        #expect(exploration.violation == nil, "\(exploration.states) states")
        print("\(fleet.name): \(exploration.states) states, \(exploration.transitions) transitions")
    }
}
