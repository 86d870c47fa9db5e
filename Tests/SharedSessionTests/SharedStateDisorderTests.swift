import Credentials
import Testing

@testable import SharedSession

/// An engine that tells what no order of writes explains: it went back, or somebody without the key put old values there.
@Suite struct SharedStateDisorderTests {
    typealias Event = SharedState.Event
    typealias Action = SharedState.Action
    typealias Machine = SharedStateTests.Machine

    private static let first = SharedStateTests.first
    private static let second = SharedStateTests.identity(2, parent: 1, generation: 1)
    private static let later = SharedClaim(id: FleetNames.token(90), by: "B0")
    private static let earlier = SharedClaim(id: FleetNames.token(91), by: "C0")

    /// The engine went back to a moment inside of an earlier refresh: who refreshes now is not forgotten for that.
    @Test(arguments: [false, true]) func anEarlierClaimReplacesNone(_ isHeardByWatch: Bool) {
        var machine = Machine(.tokens(Self.second))
        _ = machine.tell(.connected)
        _ = machine.tell(.started)
        let busy = SharedFacts(Self.second, .busy(Self.later))
        _ = machine.tell(.read(.record(SharedView(busy, version: 4))))
        let before = SharedReading.record(SharedView(SharedFacts(Self.first, .busy(Self.earlier)), version: 2))
        if isHeardByWatch {
            #expect(machine.tell(.watched(before)) == [.get])
        } else {
            _ = machine.tell(.refreshWanted)
        }
        let view = SharedView(SharedFacts(Self.first, .busy(Self.earlier)), version: 2)
        #expect(machine.tell(.read(before)) == [.swap(expecting: view, new: busy)])
        // And whoever wants a refresh waits for the later claim.
        _ = machine.tell(.refreshWanted)
        let actions = machine.tell(.swapped(.written(version: 5)))
        #expect(!actions.contains { if case .swap = $0 { true } else { false } })
        #expect(machine.state.isPausing)
    }

    /// A person's login was written late, under the name that it was then given anew: the engine went back to that.
    @Test(arguments: [(4, 0, 2, 0), (2, 3, 2, 1)], [false, true])
    func oneNameStandsForOneThing(_ counts: (Int, Int, Int, Int), _ isTombstone: Bool) {
        let held = SharedStateTests.identity(7, era: counts.0, generation: counts.1)
        let there = SharedIdentity(
            id: held.id,
            parent: nil,
            login: held.login,
            era: counts.2,
            generation: counts.3
        )!
        var machine = Machine(isTombstone ? .ended(held) : .tokens(held))
        _ = machine.tell(.started)
        let view = SharedView(SharedFacts(there, isTombstone ? .none : .ready), version: 3)
        let new = SharedFacts(held, isTombstone ? .none : .ready)
        #expect(machine.tell(.read(.record(view))) == [.swap(expecting: view, new: new)])
        _ = machine.tell(.swapped(.written(version: 4)))
        #expect(machine.state.isIdle)
    }

    /// Reading works, and nothing can be written: what a person does is done here all the same, and said.
    @Test(arguments: [Event.loggedIn, .loggedOut]) func personsWaitForNoWrite(_ wish: Event) {
        var machine = Machine(.tokens(Self.second))
        let there = SharedReading.record(SharedView(SharedFacts(Self.first, .ready), version: 2))
        _ = machine.tell(.started)
        _ = machine.tell(.read(there))
        #expect(machine.tell(wish).isEmpty)
        var actions = machine.tell(.swapped(.failed))
        if wish == .loggedIn {
            #expect(actions.contains { if case .save = $0 { true } else { false } })
            actions = machine.tell(.saved(.inFile))
        }
        actions += machine.tell(.swapped(.failed))
        #expect(
            actions.contains {
                switch $0 {
                case .use: wish == .loggedIn
                case .forget: wish == .loggedOut
                default: false
                }
            }
        )
    }

    /// Who logged out here, where the others could not be told, has no session.
    @Test func whoLoggedOutNeedsALogin() {
        var machine = Machine(.ended(Self.second))
        _ = machine.tell(.started)
        _ = machine.tell(.refreshWanted)
        #expect(machine.tell(.read(nil)) == [.refuse(.loginNeeded)])
    }

    /// Anything, in any order: each event is over, and few things are done because of it.
    @Test(arguments: 0..<20) func anyOrderOfAnythingEnds(_ seed: UInt64) {
        var generator = SeededGenerator(state: seed &* 0x9E37_79B9_7F4A_7C15 | 1)
        for _ in 0..<400 {
            var machine = Machine(Self.holding(&generator))
            for _ in 0..<40 {
                let actions = machine.tell(Self.event(machine.state, &generator))
                machine.now += Int64.random(in: 0...3, using: &generator) * SharedStateTests.second
                machine.drawn %= 40
                if actions.count > 12 { Issue.record("\(actions.count) actions") }
            }
        }
    }

    private static func identity(_ generator: inout SeededGenerator) -> SharedIdentity {
        let number = Int.random(in: 1...3, using: &generator)
        return SharedIdentity(
            id: FleetNames.token(number),
            parent: nil,
            login: FleetNames.login(Int.random(in: 1...2, using: &generator)),
            era: Int.random(in: 1...3, using: &generator),
            generation: Int.random(in: 0...2, using: &generator)
        )!
    }

    private static func holding(_ generator: inout SeededGenerator) -> SharedHolding {
        switch Int.random(in: 0...4, using: &generator) {
        case 0: .nothing
        case 1: .ended(identity(&generator))
        default: .tokens(identity(&generator))
        }
    }

    private static func reading(_ generator: inout SeededGenerator) -> SharedReading {
        let names: [ProcessName] = ["A0", "B0", "C0"]
        let state: SharedTokenState
        switch Int.random(in: 0...6, using: &generator) {
        case 0: return .absent
        case 1:
            let obstacles: [SharedObstacle] = [.newer, .unknownKey, .damaged, .foreign, .otherCustomer]
            return .unreadable(obstacles.randomElement(using: &generator)!)
        case 2: state = .refused
        case 3: state = .none
        case 4: state = .ready
        default:
            let id = FleetNames.token(Int.random(in: 50...55, using: &generator))
            state = .busy(SharedClaim(id: id, by: names.randomElement(using: &generator)!))
        }
        let ended = (0..<Int.random(in: 0...2, using: &generator)).map { _ in
            FleetNames.token(Int.random(in: 50...55, using: &generator))
        }
        let facts = SharedFacts(identity(&generator), state, ended: ended)
        return .record(SharedView(facts, version: UInt64.random(in: 1...9, using: &generator)))
    }

    /// An answer to what is under way, or anything.
    private static func event(_ state: SharedState, _ generator: inout SeededGenerator) -> Event {
        switch (state.call, state.phase) {
        case _ where Int.random(in: 0...3, using: &generator) == 0: break
        case (.get, _): return .read(reading(&generator))
        case (.swap, _):
            return Bool.random(using: &generator)
                ? .swapped(.conflict(reading(&generator))) : .swapped(.written(version: 20))
        case (_, .preparing): return .prepared(true)
        case (_, .sending): return .answered(Bool.random(using: &generator) ? .tokens : .refused)
        case (_, .saving): return .saved(.inFile)
        default: break
        }
        return anything(&generator)
    }

    private static func anything(_ generator: inout SeededGenerator) -> Event {
        switch Int.random(in: 0...19, using: &generator) {
        case 0: .started
        case 1, 2: .refreshWanted
        case 3: .loggedIn
        case 4: .loggedOut
        case 5: .joins
        case 6: .fileChanged(holding(&generator))
        case 7, 8: .read(Bool.random(using: &generator) ? nil : reading(&generator))
        case 9, 10: .swapped(.written(version: UInt64.random(in: 10...19, using: &generator)))
        case 11: .swapped(.conflict(reading(&generator)))
        case 12: .swapped(Bool.random(using: &generator) ? .unclear : .failed)
        case 13, 14: .watched(reading(&generator))
        case 15: Bool.random(using: &generator) ? .connected : .disconnected
        case 16: .prepared(Bool.random(using: &generator))
        case 17: .answered([.tokens, .refused, .lost, .nothing].randomElement(using: &generator)!)
        case 18: .saved([.inFile, .inMemory, .nothing, .noRoom].randomElement(using: &generator)!)
        default: .time
        }
    }
}
