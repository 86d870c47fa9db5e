import Credentials
import Testing

@testable import SharedSession

/// Persons who log in and out, and machines that join.
@Suite struct SharedStateLoginTests {
    private typealias Action = SharedState.Action
    private typealias Machine = SharedStateTests.Machine

    /// The identity that a login or logout here takes in that era.
    private static func login(era: Int) -> SharedIdentity {
        SharedIdentity(id: FleetNames.token(50), parent: nil, login: FleetNames.token(51), era: era, generation: 0)!
    }

    @Test func logsInOverWhateverThereIs() {
        var machine = Machine.settled()
        _ = machine.tell(.loggedIn)
        let new = Self.login(era: 3)
        let there = SharedStateTests.view(SharedStateTests.identity(7, era: 2), .refused, 9)
        #expect(machine.tell(.read(.record(there))) == [.save(new)])
        #expect(machine.tell(.saved(.inFile)) == [.swap(expecting: there, new: SharedFacts(new, .ready))])
        // Somebody else logs in at the same time.
        let other = SharedStateTests.view(SharedStateTests.identity(8, era: 3), .ready, 10)
        let last = SharedIdentity(id: new.id, parent: nil, login: new.login, era: 4, generation: 0)!
        #expect(machine.tell(.swapped(.conflict(.record(other)))) == [.save(last)])
        #expect(machine.tell(.saved(.inFile)) == [.swap(expecting: other, new: SharedFacts(last, .ready))])
        #expect(machine.tell(.swapped(.written(version: 11))) == [.say(.shared(last)), .use(last)])
    }

    /// Tokens of a person are saved though the engine does not answer, and shared when it does.
    @Test func logsInWithoutTheEngine() {
        var machine = Machine.settled()
        _ = machine.tell(.loggedIn)
        let new = Self.login(era: 2)
        #expect(machine.tell(.read(nil)) == [.save(new)])
        #expect(
            machine.tell(.saved(.inFile)) == [.swap(expecting: SharedStateTests.view(), new: SharedFacts(new, .ready))]
        )
        #expect(machine.tell(.swapped(.failed)) == [.say(.notShared), .use(new)])
        #expect(machine.tell(.time, at: 1) == [.get])
    }

    @Test func aLogoutIsToldAgain() {
        var machine = Machine.settled()
        let end = SharedIdentity(
            id: FleetNames.token(9),
            parent: nil,
            login: FleetNames.login(9),
            era: 2,
            generation: 0
        )!
        #expect(machine.tell(.watched(.record(SharedStateTests.view(end, .none, 2)))) == [.forget(end)])
        // The engine forgets the logout.
        #expect(machine.tell(.watched(.record(SharedStateTests.view()))) == [.get])
        let actions = machine.tell(.read(.record(SharedStateTests.view())))
        #expect(actions == [.swap(expecting: SharedStateTests.view(), new: SharedFacts(end, .none))])
        // It is put back when it is there; until then, nobody knows.
        #expect(machine.tell(.swapped(.failed)) == [.say(.notShared)])
        #expect(machine.tell(.time, at: 1) == [.get])
        #expect(machine.tell(.read(nil)).isEmpty)
        _ = machine.tell(.time, at: 3)
        _ = machine.tell(.read(.record(SharedStateTests.view())))
        #expect(machine.tell(.swapped(.written(version: 4))) == [.say(.shared(end)), .say(.putsBack(end))])
    }

    @Test func logsOut() {
        var machine = Machine.settled()
        _ = machine.tell(.loggedOut)
        let end = Self.login(era: 2)
        let put = Action.swap(expecting: SharedStateTests.view(), new: SharedFacts(end, .none))
        #expect(machine.tell(.read(.record(SharedStateTests.view()))) == [put])
        #expect(machine.tell(.swapped(.written(version: 2))) == [.say(.shared(end)), .forget(end)])
    }

    /// Another process of this machine logs in while the engine is away: that is said, and shared once it is back, which
    /// the watch need not tell.
    @Test func sharesALoginThatAnotherProcessCouldNotShare() {
        var machine = Machine()
        _ = machine.tell(.connected)
        _ = machine.tell(.started)
        _ = machine.tell(.read(.record(SharedStateTests.view())))
        let newer = SharedStateTests.identity(7, era: 2)
        _ = machine.tell(.fileChanged(.tokens(newer)), at: 10)
        #expect(machine.tell(.time, at: 100) == [.get])
        #expect(machine.tell(.read(nil)) == [.say(.notShared)])
        #expect(machine.tell(.time, at: 200) == [.get])
        let actions = machine.tell(.read(.record(SharedStateTests.view())))
        #expect(actions.contains(.swap(expecting: SharedStateTests.view(), new: SharedFacts(newer, .ready))))
    }

    /// Nobody waits for a refresh, and the engine has nothing: whoever logs in is told of that, and nothing else.
    @Test func loginThatComesToNothingRefusesNoRefresh() {
        var machine = Machine(.nothing)
        _ = machine.tell(.connected)
        _ = machine.tell(.loggedIn)
        guard case .save? = machine.tell(.read(.absent)).first else { return #expect(Bool(false)) }
        #expect(machine.tell(.saved(.nothing)) == [.get])
        #expect(machine.tell(.read(.absent)).isEmpty)
        #expect(machine.state.isIdle)
    }

    @Test func fullDiskIsNoRefusal() {
        var machine = Machine(.nothing)
        _ = machine.tell(.connected)
        _ = machine.tell(.joins)
        guard case .save? = machine.tell(.read(.absent)).first else { return #expect(Bool(false)) }
        #expect(machine.tell(.saved(.noRoom)) == [.refuse(.noRoom)])
        #expect(machine.state.isIdle)
    }

    /// A logout that nobody could be told of is not later than a login that others made meanwhile, where that is known.
    @Test func logoutOfAnOutageEndsNoLaterLogin() {
        var machine = Machine.settled()
        _ = machine.tell(.loggedOut)
        _ = machine.tell(.read(nil))
        _ = machine.tell(.swapped(.failed))
        _ = machine.tell(.time, at: 60)
        let other = SharedStateTests.view(SharedStateTests.identity(8, era: 2), .ready, 10)
        _ = machine.tell(.overtaken)
        let actions = machine.tell(.read(.record(other)))
        #expect(actions.last == .adopt(other) && !actions.contains { if case .swap = $0 { true } else { false } })
    }

    /// Another machine's customer joined in the moment between: what this one has stays its own.
    @Test func whoJoinsTooLateKeepsItsOwn() {
        for isOtherCustomer in [true, false] {
            var machine = Machine(.nothing)
            _ = machine.tell(.connected)
            _ = machine.tell(.joins)
            guard case .save(let mine)? = machine.tell(.read(.absent)).first else { return #expect(Bool(false)) }
            _ = machine.tell(.saved(.inFile))
            #expect(machine.state.isJoining)
            let there = SharedStateTests.view(SharedStateTests.identity(7), .ready, 5)
            let found = isOtherCustomer ? SharedReading.unreadable(.otherCustomer) : .record(there)
            let actions = machine.tell(.swapped(.conflict(found)))
            #expect(actions.contains(.disown(mine)))
            #expect(machine.state.held == (isOtherCustomer ? .nothing : .tokens(there.facts.identity)))
            #expect(machine.state.isIdle)
        }
    }
}
