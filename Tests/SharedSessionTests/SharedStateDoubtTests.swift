import Credentials
import Testing

@testable import SharedSession

/// A machine that does not know whether the engine has done what it wrote.
@Suite struct SharedStateDoubtTests {
    private typealias Machine = SharedStateTests.Machine

    /// Whether the engine took the claim was not known, and the machine gave it up: the others wait for its end.
    @Test func endsAClaimThatItGaveUp() {
        var machine = Machine.settled()
        _ = machine.tell(.refreshWanted)
        _ = machine.tell(.read(.record(SharedStateTests.view())))
        #expect(machine.tell(.swapped(.unclear)) == [.get])
        #expect(machine.tell(.read(nil)) == [.refuse(.unreachable)])
        let claim = SharedClaim(id: FleetNames.token(50), by: "A0")
        let late = SharedStateTests.view(SharedStateTests.first, .busy(claim), 2)
        #expect(machine.tell(.watched(.record(late))) == [.get])
        let end = SharedFacts(SharedStateTests.first, .ready, ended: claim.id)
        #expect(machine.tell(.read(.record(late))) == [.swap(expecting: late, new: end)])
        #expect(machine.tell(.swapped(.written(version: 3))).isEmpty)
        #expect(machine.state.isIdle)
    }

    /// The watch told it while the machine asked for it in vain, and does not tell it again.
    @Test func endsAClaimThatItHeardOfWhileItAsked() {
        var machine = Machine.settled()
        _ = machine.tell(.refreshWanted)
        _ = machine.tell(.read(.record(SharedStateTests.view())))
        let late = SharedStateTests.view(
            SharedStateTests.first,
            .busy(SharedClaim(id: FleetNames.token(50), by: "A0")),
            2
        )
        _ = machine.tell(.watched(.record(late)))
        _ = machine.tell(.swapped(.unclear))
        _ = machine.tell(.read(nil))
        #expect(machine.state.wakeAt == 2 * SharedStateTests.second)
        #expect(machine.tell(.time, at: 2) == [.get])
        #expect(machine.tell(.read(.record(late))).contains { if case .swap = $0 { true } else { false } })
    }

    /// It could not end its claim for so long that it gave that up: it does so when it reaches the engine again.
    @Test func endsItsClaimWhenTheEngineIsBack() {
        var machine = Machine.sending()
        _ = machine.tell(.answered(.nothing))
        _ = machine.tell(.swapped(.failed))
        _ = machine.tell(.disconnected)
        _ = machine.tell(.time, at: 41)
        _ = machine.tell(.read(nil), at: 41)
        #expect(machine.state.isIdle)
        #expect(machine.tell(.connected) == [.get])
        let busy = SharedStateTests.view(
            SharedStateTests.first,
            .busy(SharedClaim(id: FleetNames.token(50), by: "A0")),
            2
        )
        let end = SharedFacts(SharedStateTests.first, .ready, ended: FleetNames.token(50))
        #expect(machine.tell(.read(.record(busy))) == [.swap(expecting: busy, new: end)])
    }

    /// The engine is read, and nobody knows of anything that is written whether it was: that has an end for whoever waits.
    @Test func refusesWhereNoWriteIsAnswered() {
        var machine = Machine.settled()
        _ = machine.tell(.refreshWanted)
        for seconds in stride(from: Int64(0), to: 5, by: 1) {
            let actions = machine.tell(.read(.record(SharedStateTests.view())), at: seconds)
            #expect(actions.contains { if case .swap = $0 { true } else { false } })
            #expect(machine.tell(.swapped(.unclear)) == [.get])
        }
        #expect(
            machine.tell(.read(.record(SharedStateTests.view())), at: 5) == [
                .say(.noWriteAnswered), .refuse(.unreachable),
            ]
        )
        #expect(machine.state.isIdle)
        // The next one tries again.
        #expect(machine.tell(.refreshWanted) == [.get])
        #expect(machine.tell(.read(.record(SharedStateTests.view()))).count == 1)
        _ = machine.tell(.swapped(.written(version: 2)))
        #expect(machine.state.unclearSince == nil)
    }

    @Test func aResultWhoseWritesAreNotAnsweredWaits() {
        var machine = Machine.sending()
        _ = machine.tell(.answered(.tokens))
        _ = machine.tell(.saved(.inFile))
        let claimed = SharedReading.record(
            SharedStateTests.view(SharedStateTests.first, .busy(SharedClaim(id: FleetNames.token(50), by: "A0")), 2)
        )
        _ = machine.tell(.swapped(.unclear))
        _ = machine.tell(.read(claimed), at: 4)
        _ = machine.tell(.time, at: 5)
        _ = machine.tell(.refreshWanted)
        _ = machine.tell(.swapped(.unclear))
        #expect(machine.tell(.read(claimed)) == [.say(.noWriteAnswered), .refuse(.unreachable)])
        #expect(machine.state.wakeAt == 10 * SharedStateTests.second)
    }
}
