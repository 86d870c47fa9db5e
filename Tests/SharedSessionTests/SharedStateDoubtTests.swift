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
        let end = SharedFacts(SharedStateTests.first, .ready, ended: [claim.id])
        #expect(machine.tell(.read(.record(late))) == [.swap(expecting: late, new: end)])
        #expect(machine.tell(.swapped(.written(version: 3))).isEmpty)
        #expect(machine.state.isIdle)
    }

    /// It waited for one machine after another in vain, and then finds its own late claim: the others wait for that.
    @Test func endsALateClaimWhenItGivesUpWaiting() {
        var machine = Machine.settled()
        _ = machine.tell(.watched(.record(SharedStateTests.busy())))
        _ = machine.tell(.refreshWanted)
        // The takeover is 40 s, and the other machine's beats are heard.
        for moment in [39, 78, 79] {
            let beat = SharedStateTests.busy(moment, version: UInt64(moment))
            _ = machine.tell(.watched(.record(beat)), at: Int64(moment))
        }
        let claim = SharedClaim(id: FleetNames.token(80), by: "A0")
        let late = SharedStateTests.view(SharedStateTests.first, .busy(claim), 200)
        // The watch has told of another value than this: it is read once more.
        #expect(machine.tell(.read(.record(late)), at: 80) == [.get])
        // In its place is the other machine's, which is not silent.
        let end = SharedFacts(SharedStateTests.first, SharedStateTests.busy(79).facts.state, ended: [claim.id])
        #expect(
            machine.tell(.read(.record(late)), at: 80)
                == [.refuse(.unanswered), .swap(expecting: late, new: end)]
        )
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
        let end = SharedFacts(SharedStateTests.first, .ready, ended: [FleetNames.token(50)])
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

    // MARK: What another machine may have sent

    private static let first = SharedStateTests.first
    private static let ready = SharedReading.record(SharedStateTests.view())
    private static let other = SharedReading.record(SharedStateTests.busy())

    private static func mine(_ id: Int, _ silent: [ProcessName] = ["B0"]) -> SharedFacts {
        SharedFacts(first, .busy(SharedClaim(id: FleetNames.token(id), by: "A0")), silent: silent)
    }

    /// One that has waited until the other machine, whose claim it read, was silent for too long.
    private static func waiting() -> Machine {
        var machine = Machine.settled()
        _ = machine.tell(.watched(other))
        _ = machine.tell(.refreshWanted)
        _ = machine.tell(.read(other))
        _ = machine.tell(.time, at: 41)
        return machine
    }

    /// This process gave up a claim that was written late, another machine replaced it and fell silent, and the engine went
    /// back to the late claim: the other machine may have sent the refresh even so.
    @Test func anOwnClaimThatIsBackHidesNoSilentMachine() {
        var machine = Self.waiting()
        let back = SharedStateTests.view(Self.first, .busy(SharedClaim(id: FleetNames.token(80), by: "A0")), 1)
        #expect(
            machine.tell(.read(.record(back))) == [.swap(expecting: back, new: Self.mine(50))]
        )
        #expect(machine.tell(.swapped(.written(version: 3))) == [.say(.takesOver(from: "B0")), .prepare])
        #expect(machine.tell(.prepared(true)) == [.send] && machine.state.mayHaveSent == "B0")
        // The other one's own claim is no news of it then: nobody waits for it again.
        #expect(machine.state.rivalClaim == nil)
    }

    /// Whatever becomes of the claim that replaces the silent one, and whatever the engine has then.
    @Test(arguments: [SharedState.Swapped.failed, .unclear, .conflict(ready)])
    func whoFellSilentIsRememberedWhenTheClaimFails(_ swapped: SharedState.Swapped) {
        var machine = Self.waiting()
        _ = machine.tell(.read(Self.other))
        _ = machine.tell(.swapped(swapped))
        if swapped == .failed { _ = machine.tell(.refreshWanted) }
        let actions = swapped == .conflict(Self.ready) ? [] : machine.tell(.read(Self.ready))
        #expect(actions.isEmpty || actions.contains(.swap(expecting: SharedStateTests.view(), new: Self.mine(51))))
        _ = machine.tell(.swapped(.written(version: 9)))
        #expect(machine.tell(.prepared(true)) == [.send] && machine.state.mayHaveSent == "B0")
    }

    /// It was confirmed too late, and nothing was sent under it: the record names the silent one, and no later claim hides it.
    @Test func whoFellSilentIsRememberedWhenTheClaimIsGivenUp() {
        var machine = Self.waiting()
        _ = machine.tell(.read(Self.other))
        let end = SharedFacts(Self.first, .ready, ended: [FleetNames.token(50)], silent: ["B0"])
        let written = SharedView(Self.mine(50), version: 3)
        #expect(
            machine.tell(.swapped(.written(version: 3)), at: 60) == [
                .say(.takesOver(from: "B0")), .say(.tooLate), .refuse(.unanswered), .swap(expecting: written, new: end),
            ]
        )
        _ = machine.tell(.swapped(.written(version: 4)))
        // The engine goes back behind both.
        _ = machine.tell(.refreshWanted)
        var claim = Self.mine(51)
        claim.ended = [FleetNames.token(50)]
        #expect(machine.tell(.read(Self.ready)) == [.swap(expecting: SharedStateTests.view(), new: claim)])
        #expect(machine.state.mayHaveSent == "B0")
    }

    /// A machine that never heard of the claim learns of it by the record, even from a late report of the watch.
    @Test(arguments: [false, true]) func theRecordNamesWhoFellSilent(_ isHeardByWatch: Bool) {
        var machine = Machine.settled()
        let named = SharedReading.record(SharedView(SharedFacts(Self.first, .ready, silent: ["B0", "A0"]), version: 5))
        _ = machine.tell(.refreshWanted)
        if isHeardByWatch {
            _ = machine.tell(.watched(named))
            _ = machine.tell(.read(Self.ready))
        }
        let there = isHeardByWatch ? Self.ready : named
        let actions = machine.tell(.read(there))
        let isWritten = actions.contains {
            if case .swap(_, let new) = $0 { new == Self.mine(50, ["B0", "A0"]) } else { false }
        }
        // What this process itself has sent it knows.
        #expect(isWritten && machine.state.mayHaveSent == "B0")
    }

    /// What it asked before it was suspended tells nothing of the time since, even if the engine has gone back to it.
    @Test(arguments: [false, true]) func anAnswerFromBeforeAPauseMakesNobodySilent(_ isConflict: Bool) {
        var machine = Machine.settled()
        _ = machine.tell(.refreshWanted)
        _ = machine.tell(.read(isConflict ? Self.ready : Self.other))
        if isConflict { _ = machine.tell(.watched(Self.other)) } else { _ = machine.tell(.time, at: 5) }
        // Suspended for longer than the takeover.
        let answer = isConflict ? SharedState.Event.swapped(.conflict(Self.other)) : .read(Self.other)
        #expect(machine.tell(answer, at: 100) == [.get])
        // What it asks now does.
        let actions = machine.tell(.read(Self.other), at: 102)
        guard case .swap(_, let new) = actions.last else {
            Issue.record("no claim")
            return
        }
        #expect(new == Self.mine(isConflict ? 51 : 50))
    }

    /// It takes over each time that its claim comes to nothing, and says so when it has.
    @Test func aTakeoverIsSaidOnce() {
        var machine = Self.waiting()
        for _ in 0..<3 {
            #expect(machine.tell(.read(Self.other)).count == 1)
            #expect(machine.tell(.swapped(.unclear)) == [.get])
        }
        _ = machine.tell(.read(Self.other))
        #expect(machine.tell(.swapped(.written(version: 3))) == [.say(.takesOver(from: "B0")), .prepare])
    }

    /// It lived, and said so in the moment in which another machine took it for silent.
    @Test func whoIsHeardOfAgainWasNotSilent() {
        var machine = Self.waiting()
        _ = machine.tell(.read(Self.other))
        #expect(machine.tell(.swapped(.conflict(.record(SharedStateTests.busy(1, version: 3))))).isEmpty)
        let end = SharedView(SharedFacts(Self.first, .ready, ended: [FleetNames.token(90)]), version: 4)
        _ = machine.tell(.time, at: 50)
        #expect(machine.tell(.read(.record(end))).count == 1 && machine.state.mayHaveSent == nil)
        // By the watch, while the claim was written over an engine that went back: nothing is sent.
        machine = Self.waiting()
        _ = machine.tell(.read(Self.other))
        _ = machine.tell(.watched(.record(SharedStateTests.busy(1, version: 3))))
        #expect(!machine.tell(.swapped(.written(version: 5))).contains(.prepare))
    }

    /// Only a successor, or another login, ends the doubt.
    @Test func aSuccessorEndsTheDoubt() {
        let named = SharedFacts(Self.first, .ready, silent: ["B0"])
        for new in [SharedStateTests.identity(2, parent: 1, generation: 1), SharedStateTests.identity(7, era: 2)] {
            var machine = Machine.settled()
            _ = machine.tell(.refreshWanted)
            _ = machine.tell(.read(.record(SharedView(named, version: 5))))
            #expect(machine.state.mayHaveSent == "B0")
            _ = machine.tell(.swapped(.conflict(.record(SharedStateTests.view(new, .ready, 6)))))
            #expect(machine.state.held == .tokens(new) && machine.state.mayHaveSent == nil)
        }
    }
}
