import Credentials
import Testing

@testable import SharedSession

/// What a person did while the engine was away, and what cannot be used any more, where the engine has another login.
@Suite struct SharedStateWishTests {
    typealias Machine = SharedStateTests.Machine
    typealias Note = SharedHolding.Note

    private static let login = SharedStateTests.identity(7, era: 2)

    /// A process that starts with that in its file.
    private static func started(_ held: SharedHolding, _ note: Note) -> Machine {
        var machine = Machine(.nothing)
        _ = machine.tell(.connected)
        _ = machine.tell(.fileChanged(held, note))
        _ = machine.tell(.started)
        return machine
    }

    private static func there(_ state: SharedTokenState = .ready, era: Int = 6) -> SharedView {
        SharedStateTests.view(SharedStateTests.identity(8, era: era), state, 9)
    }

    private static func renewed(_ era: Int) -> SharedIdentity {
        SharedIdentity(id: login.id, parent: nil, login: login.login, era: era, generation: 0)!
    }

    @Test(arguments: [SharedTokenState.ready, .refused, .none])
    func aLoginThatWaitsGetsItsEraWhereItIsShared(_ state: SharedTokenState) {
        var machine = Self.started(.tokens(Self.login), Note(.wish))
        let (there, new) = (Self.there(state), Self.renewed(7))
        #expect(machine.tell(.read(.record(there))) == [.save(new)])
        #expect(machine.tell(.saved(.inFile)) == [.swap(expecting: there, new: SharedFacts(new, .ready))])
        #expect(machine.tell(.swapped(.written(version: 10))) == [.say(.shared(new))])
        #expect(machine.state.held == .tokens(new) && machine.state.isIdle)
        // Once: what another person does after that stands.
        let later = SharedStateTests.view(SharedStateTests.identity(12, era: 8), .ready, 11)
        #expect(machine.tell(.watched(.record(later))) == [.adopt(later)])
    }

    /// The machine died after the engine had it, and before its file said so.
    @Test(arguments: [true, false]) func whatTheOthersKnowWaitsNoMore(_ isLogin: Bool) {
        var machine = Self.started(isLogin ? .tokens(Self.login) : .ended(Self.login), Note(.wish))
        let known = SharedStateTests.view(Self.login, isLogin ? .ready : .none, 9)
        #expect(machine.tell(.read(.record(known))) == [])
        let later = Self.there()
        #expect(machine.tell(.watched(.record(later))) == [.adopt(later)])
    }

    @Test func aLogoutThatWaitsGetsItsEraWhereItIsShared() {
        var machine = Self.started(.ended(Self.login), Note(.wish))
        let (there, new) = (Self.there(), Self.renewed(7))
        #expect(machine.tell(.read(.record(there))) == [.swap(expecting: there, new: SharedFacts(new, .none))])
        #expect(machine.tell(.swapped(.written(version: 10))) == [.say(.shared(new)), .forget(new)])
    }

    /// In the process that could not share it, too.
    @Test func aLoginOfThisProcessIsNotDroppedWhenTheEngineIsBack() {
        var machine = Machine.settled()
        _ = machine.tell(.loggedIn)
        _ = machine.tell(.read(nil))
        _ = machine.tell(.saved(.inFile))
        _ = machine.tell(.swapped(.failed))
        _ = machine.tell(.time, at: 1)
        let there = Self.there()
        guard case .save(let new)? = machine.tell(.read(.record(there))).first else { return #expect(Bool(false)) }
        #expect(new.era == 7 && new.id == machine.state.held.identity?.id)
        #expect(machine.tell(.saved(.inFile)) == [.swap(expecting: there, new: SharedFacts(new, .ready))])
    }

    /// What the file cannot take now is not given up.
    @Test func aLoginThatCannotBeRenumberedIsTriedAgain() {
        var machine = Self.started(.tokens(Self.login), Note(.wish))
        _ = machine.tell(.read(.record(Self.there())))
        _ = machine.tell(.saved(.noRoom))
        #expect(machine.state.wakeAt != nil)
        _ = machine.tell(.time, at: 1_000)
        #expect(machine.tell(.read(.record(Self.there()))) == [.save(Self.renewed(7))])
    }

    /// What a refresh brought is no person's deed.
    @Test func aResultThatWaitsYields() {
        var machine = Self.started(.tokens(SharedStateTests.identity(7, parent: 1, generation: 1)), Note())
        #expect(machine.tell(.read(.record(Self.there()))) == [.adopt(Self.there())])
    }

    /// Its answer was lost: another machine has refreshed what this one believes it has not shared.
    @Test func aLoginThatWasSharedAfterAllIsNoWish() {
        var machine = Self.started(.tokens(Self.login), Note(.wish))
        let child = Self.login.child(FleetNames.token(9))!
        let view = SharedStateTests.view(child, .ready, 9)
        #expect(machine.tell(.read(.record(view))) == [.adopt(view)])
    }

    @Test func theLaterOfTwoLoginsStands() {
        var machine = Self.started(.tokens(Self.login), Note(.wish))
        #expect(machine.tell(.overtaken).isEmpty)
        #expect(machine.tell(.read(.record(Self.there()))) == [.adopt(Self.there())])
    }

    @Test func erasEnd() {
        var machine = Self.started(.tokens(Self.login), Note(.wish))
        let other = FleetNames.token(8)
        let era = SharedIdentity.maxCount
        let identity = SharedIdentity(id: other, parent: nil, login: other, era: era, generation: 0)!
        let last = SharedStateTests.view(identity, .ready, 9)
        #expect(machine.tell(.read(.record(last))) == [.adopt(last)])
    }

    // MARK: What cannot be used any more

    @Test func whatIsRefusedReplacesNoOtherLogin() {
        let held = SharedHolding.tokens(SharedStateTests.identity(7, era: 5))
        for (state, note, gives) in [
            (SharedTokenState.ready, Note(.dead), true),
            (.busy(SharedStateTests.busy().facts.claim!), Note(.dead), true),
            (.refused, Note(.dead), false),
            (.ready, Note(), false),
            (.ready, Note(.wish), false),
        ] {
            var machine = Self.started(held, note)
            let there = Self.there(state, era: 1)
            let actions = machine.tell(.read(.record(there)))
            #expect((actions.first == .adopt(there)) == gives, "\(state) \(note)")
            #expect(actions.contains { if case .swap = $0 { true } else { false } } == !gives)
        }
    }

    /// The engine said so, to this process.
    @Test func aRefusalThatWasHeardOfCounts() {
        var machine = Self.started(.tokens(SharedStateTests.identity(7, era: 5)), Note())
        let (own, there) = (SharedStateTests.identity(7, era: 5), Self.there(era: 1))
        _ = machine.tell(.read(.record(SharedStateTests.view(own, .refused, 3))))
        #expect(machine.state.note.weight == .dead)
        _ = machine.tell(.watched(.record(there)))
        #expect(machine.tell(.read(.record(there))) == [.adopt(there)])
    }

    /// A logout is told again where the engine went back to the login that it ended; another login is later, also where the
    /// API has refused it since: a machine may have its successor.
    @Test func anOldLogoutEndsOnlyTheLoginThatItEnded() {
        let (there, end) = (Self.there(era: 1), SharedHolding.ended(SharedStateTests.identity(7, era: 5)))
        for former in [nil, FleetNames.login(3), there.facts.identity.login] {
            for state in [SharedTokenState.ready, .refused] {
                var machine = Self.started(end, Note(former: former))
                let (there, gives) = (Self.there(state, era: 1), former != there.facts.identity.login)
                #expect((machine.tell(.read(.record(there))).first == .adopt(there)) == gives)
            }
        }
    }

    /// A machine that has another customer's session logs out: that ends nobody else's.
    @Test func aLogoutOfAnotherCustomerIsNoWish() {
        var machine = Machine(.tokens(SharedStateTests.first))
        _ = machine.tell(.connected)
        _ = machine.tell(.loggedOut)
        let actions = machine.tell(.read(.unreadable(.otherCustomer)))
        #expect(actions.first == .forget(machine.state.held.identity!))
        #expect(!actions.contains(.say(.notShared)) && machine.state.isIdle && machine.state.note.weight == .usual)
    }
}
