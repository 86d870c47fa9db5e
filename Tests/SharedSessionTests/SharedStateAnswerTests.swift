import Credentials
import Testing

@testable import SharedSession

/// Whoever waits is answered, also where the engine or the other machines do not answer.
@Suite struct SharedStateAnswerTests {
    private typealias Machine = SharedStateTests.Machine

    /// The engine goes while what is held waits for it: a refresh that is wanted in the middle of a try is refused.
    @Test func refusesWhileTheEngineIsAskedInVain() {
        var machine = Machine.sending()
        _ = machine.tell(.answered(.tokens))
        _ = machine.tell(.saved(.inFile))
        _ = machine.tell(.time, at: 5)
        _ = machine.tell(.swapped(.unclear))
        #expect(machine.tell(.refreshWanted).isEmpty)
        #expect(machine.tell(.read(nil)) == [.refuse(.unreachable)])
    }

    /// An engine without room can be read, and takes nothing.
    @Test func refusesWhereNothingCanBePutBack() {
        var machine = Machine(.tokens(SharedStateTests.identity(2, parent: 1, generation: 1)))
        _ = machine.tell(.connected)
        _ = machine.tell(.refreshWanted)
        let actions = machine.tell(.read(.record(SharedStateTests.view())))
        #expect(actions.contains { if case .swap = $0 { true } else { false } })
        #expect(machine.tell(.swapped(.failed)).contains(.refuse(.unreachable)))
    }

    /// A claim is being given back, and the engine does not answer.
    @Test func refusesWhileAClaimIsGivenBackInVain() {
        var machine = Machine.sending()
        #expect(machine.tell(.answered(.nothing)).first == .refuse(.unanswered))
        #expect(machine.tell(.refreshWanted).isEmpty)
        #expect(machine.tell(.swapped(.failed)) == [.refuse(.unreachable)])
        // While it pauses, too.
        #expect(machine.tell(.refreshWanted) == [.get])
        #expect(machine.tell(.read(nil)) == [.refuse(.unreachable)])
    }

    /// The API refused, and nobody can be asked whether another machine has refreshed: that is waited for five seconds.
    @Test func refusalIsNotWaitedForWithoutTheEngine() {
        var machine = Machine.sending()
        _ = machine.tell(.answered(.refused))
        #expect(machine.tell(.swapped(.failed), at: 4).isEmpty)
        #expect(machine.tell(.time, at: 8) == [.get])
        #expect(machine.tell(.read(nil)) == [.refuse(.unreachable)])
        _ = machine.tell(.time, at: 41)
        #expect(machine.tell(.read(nil), at: 41) == [.refuse(.loginNeeded)])
    }

    /// A machine that was stopped between its claim and the first byte: the others may have sent the same refresh.
    @Test func sendsNothingOnceItMayBeTakenForDead() {
        var machine = Machine.sending()
        #expect(machine.state.maySend(now: 4 * SharedStateTests.second))
        #expect(!machine.state.maySend(now: 5 * SharedStateTests.second))
        // Each beat that is written says that it is alive.
        _ = machine.tell(.time, at: 2)
        _ = machine.tell(.swapped(.written(version: 3)), at: 2)
        #expect(machine.state.maySend(now: 6 * SharedStateTests.second))
        #expect(!machine.state.maySend(now: 7 * SharedStateTests.second))
        // What was sent, or is not to be, needs no permission any more.
        _ = machine.tell(.answered(.nothing), at: 3)
        #expect(!machine.state.maySend(now: 3 * SharedStateTests.second))
    }

    /// Machine after machine claims the refresh, and none has an answer.
    @Test func waitsForOthersWithinABound() {
        var machine = Machine.settled()
        _ = machine.tell(.refreshWanted)
        var version: UInt64 = 10
        for seconds in stride(from: Int64(0), to: 80, by: 5) {
            version += 1
            let claim = SharedClaim(id: FleetNames.token(100 + Int(version)), by: "B0")
            if seconds > 0 { #expect(machine.tell(.time, at: seconds) == [.get]) }
            #expect(
                machine.tell(.read(.record(SharedStateTests.view(SharedStateTests.first, .busy(claim), version))))
                    .isEmpty
            )
        }
        #expect(machine.tell(.time, at: 80) == [.get])
        let claim = SharedClaim(id: FleetNames.token(99), by: "C0")
        #expect(
            machine.tell(.read(.record(SharedStateTests.view(SharedStateTests.first, .busy(claim), 99)))) == [
                .refuse(.unanswered)
            ]
        )
    }
}
