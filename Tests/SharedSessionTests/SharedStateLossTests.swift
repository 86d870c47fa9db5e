import Credentials
import Testing

@testable import SharedSession

/// An engine that loses a claim, in the second in which a machine refreshes.
@Suite struct SharedStateLossTests {
    typealias Event = SharedState.Event
    typealias Action = SharedState.Action
    typealias Machine = SharedStateTests.Machine

    private static let first = SharedStateTests.first
    private static let other = SharedStateTests.busy().facts.claim!
    private static let mine = SharedClaim(id: FleetNames.token(50), by: "A0")
    private static let second = SharedStateTests.second

    private static func ready(ended: [SharedID] = [], version: UInt64 = 1) -> SharedView {
        SharedView(SharedFacts(first, .ready, ended: ended), version: version)
    }

    /// What the engine has after it lost the claim that was heard of.
    @Test(arguments: [false, true]) func waitsForAClaimThatIsGone(_ isHeardByWatch: Bool) {
        var machine = Machine.settled()
        let busy = SharedReading.record(SharedStateTests.busy())
        if isHeardByWatch {
            _ = machine.tell(.watched(busy))
            _ = machine.tell(.refreshWanted)
        } else {
            _ = machine.tell(.refreshWanted)
            #expect(machine.tell(.read(busy)).isEmpty)
            _ = machine.tell(.time, at: 5)
        }
        #expect(machine.tell(.read(.record(Self.ready()))).isEmpty)
        #expect(machine.state.isPausing)
        _ = machine.tell(.time, at: 41)
        let actions = machine.tell(.read(.record(Self.ready())))
        let claim = SharedFacts(Self.first, .busy(Self.mine), silent: ["B0"])
        #expect(actions == [.swap(expecting: Self.ready(), new: claim)])
        #expect(machine.tell(.swapped(.written(version: 3))) == [.say(.takesOver(from: "B0")), .prepare])
    }

    /// While nothing can be heard nobody is silent.
    @Test func silenceOfALostClaimCountsWhileConnectedOnly() {
        var machine = Machine.settled()
        _ = machine.tell(.watched(.record(SharedStateTests.busy())))
        _ = machine.tell(.disconnected, at: 1)
        _ = machine.tell(.connected, at: 60)
        _ = machine.tell(.refreshWanted)
        #expect(machine.tell(.read(.record(Self.ready()))).isEmpty)
        _ = machine.tell(.time, at: 99)
        #expect(machine.tell(.read(.record(Self.ready()))).isEmpty)
        _ = machine.tell(.time, at: 100)
        #expect(machine.tell(.read(.record(Self.ready()))).count == 1)
        #expect(machine.tell(.swapped(.written(version: 3))).first == .say(.takesOver(from: "B0")))
    }

    @Test func claimsWhereTheEndWasSaid() {
        var machine = Machine.settled()
        _ = machine.tell(.watched(.record(SharedStateTests.busy())))
        _ = machine.tell(.refreshWanted)
        let view = Self.ready(ended: [Self.other.id], version: 3)
        let claim = SharedFacts(Self.first, .busy(Self.mine), ended: [Self.other.id])
        #expect(machine.tell(.read(.record(view))) == [.swap(expecting: view, new: claim)])
    }

    /// Other machines have claimed since, whose ends are later ones.
    @Test func claimsWhereALaterEndWasSaid() {
        var machine = Machine.settled()
        _ = machine.tell(.watched(.record(SharedStateTests.busy())))
        _ = machine.tell(.refreshWanted)
        let ended = [FleetNames.token(80), Self.other.id, FleetNames.token(81), FleetNames.token(82)]
        let view = Self.ready(ended: ended, version: 3)
        let claim = SharedFacts(Self.first, .busy(Self.mine), ended: ended)
        #expect(machine.tell(.read(.record(view))) == [.swap(expecting: view, new: claim)])
        _ = machine.tell(.swapped(.written(version: 4)))
        #expect(machine.tell(.prepared(true)) == [.send] && machine.state.mayHaveSent == nil)
        // Its own end is added, and the oldest goes.
        let many = Array(ended + (0..<12).map { FleetNames.token(200 + $0) })
        let busy = SharedView(SharedFacts(Self.first, .busy(Self.mine), ended: many), version: 5)
        _ = machine.tell(.watched(.record(busy)))
        _ = machine.tell(.read(.record(busy)))
        guard case .swap(_, let end) = machine.tell(.answered(.refused)).last else {
            Issue.record("its end is not written")
            return
        }
        #expect(end == SharedFacts(Self.first, .refused, ended: many.suffix(15) + [Self.mine.id]))
    }

    /// The engine loses an end that was told, and goes back to the claim: nobody waits for that again, and the end is put
    /// back with what is written next.
    @Test func aClaimThatHasEndedStaysEnded() {
        var machine = Machine.settled()
        _ = machine.tell(.watched(.record(Self.ready(ended: [Self.other.id], version: 3))))
        for _ in 0..<2 { _ = machine.tell(.watched(.record(SharedStateTests.busy()))) }
        #expect(machine.state.rivalClaim == nil)
        _ = machine.tell(.refreshWanted)
        let claim = SharedFacts(Self.first, .busy(Self.mine), ended: [Self.other.id])
        #expect(
            machine.tell(.read(.record(SharedStateTests.busy()))) == [
                .swap(expecting: SharedStateTests.busy(), new: claim)
            ]
        )
    }

    /// The end of an earlier claim is not that of the one which was heard of.
    @Test func anEarlierEndSaysNothing() {
        var machine = Machine.settled()
        _ = machine.tell(.watched(.record(SharedStateTests.busy())))
        _ = machine.tell(.refreshWanted)
        #expect(machine.tell(.read(.record(Self.ready(ended: [FleetNames.token(80)], version: 3)))).isEmpty)
    }

    @Test func putsBackWhatWasLostWithTheClaim() {
        var machine = Machine.settled()
        _ = machine.tell(.watched(.record(SharedStateTests.busy())))
        #expect(machine.tell(.watched(.absent)) == [.get])
        let busy = SharedFacts(Self.first, .busy(Self.other))
        #expect(machine.tell(.read(.absent)) == [.swap(expecting: nil, new: busy)])
        // And without it, once its machine was silent for too long.
        var late = Machine.settled()
        _ = late.tell(.watched(.record(SharedStateTests.busy())))
        _ = late.tell(.watched(.absent), at: 40)
        let ready = SharedFacts(Self.first, .ready, silent: ["B0"])
        #expect(late.tell(.read(.absent)) == [.swap(expecting: nil, new: ready)])
    }

    private func isTold(_ reading: SharedReading, _ machine: inout Machine) -> [Action] {
        #expect(machine.tell(.watched(reading)) == [.get])
        return machine.tell(.read(reading))
    }

    @Test func whoRefreshesTellsItsClaimAgain() {
        let again = SharedClaim(id: Self.mine.id, by: "A0", beat: 1)!
        var machine = Machine.sending()
        #expect(isTold(.absent, &machine) == [.swap(expecting: nil, new: SharedFacts(Self.first, .busy(again)))])
        machine = Machine.sending()
        let view = Self.ready(version: 7)
        let actions = isTold(.record(view), &machine)
        #expect(actions == [.swap(expecting: view, new: SharedFacts(Self.first, .busy(again)))])
        // It goes on beating, and does not send a second time: another machine may have.
        _ = machine.tell(.swapped(.written(version: 8)))
        let beat = SharedClaim(id: Self.mine.id, by: "A0", beat: 2)!
        let there = SharedView(SharedFacts(Self.first, .busy(again)), version: 8)
        #expect(machine.tell(.time, at: 2) == [.swap(expecting: there, new: SharedFacts(Self.first, .busy(beat)))])
        _ = machine.tell(.swapped(.written(version: 9)))
        #expect(machine.tell(.answered(.lost)).contains(.refuse(.unanswered)))
    }

    /// The stream was cut, too: what it told last is no news after it.
    @Test func whoRefreshesLooksAfterAnOutage() {
        var machine = Machine.sending()
        _ = machine.tell(.disconnected)
        #expect(machine.tell(.connected) == [.get])
    }

    /// A claim that it had given up was written late, and the engine lost the one under which it refreshes: both are its own.
    @Test func whoRefreshesReplacesItsOwnLateClaim() {
        var machine = Machine.sending()
        let late = SharedStateTests.view(Self.first, .busy(SharedClaim(id: FleetNames.token(80), by: "A0")), 7)
        let again = SharedFacts(Self.first, .busy(SharedClaim(id: Self.mine.id, by: "A0", beat: 1)!))
        #expect(isTold(.record(late), &machine) == [.swap(expecting: late, new: again)])
    }

    @Test func aClaimThatAnotherOneReplacedIsNotToldAgain() {
        var machine = Machine.sending()
        #expect(isTold(.record(SharedStateTests.busy(version: 7)), &machine) == [.say(.takenOver)])
        #expect(machine.tell(.time, at: 2).isEmpty)
    }

    /// An older value that the watch tells late is read again, and no more.
    @Test func whatTheWatchTellsLateChangesNothing() {
        var machine = Machine.sending()
        let claimed = SharedView(SharedFacts(Self.first, .busy(Self.mine)), version: 2)
        #expect(machine.tell(.watched(.record(SharedStateTests.view()))) == [.get])
        // Read again, as the watch had told of it last.
        #expect(machine.tell(.read(.record(claimed))).isEmpty)
        #expect(machine.tell(.watched(.record(claimed))).isEmpty)
    }

    @Test func sendsNothingAfterItHeardOfAnother() {
        for event in [
            Event.watched(.record(SharedStateTests.busy(version: 7))),
            .watched(.record(SharedStateTests.view(SharedStateTests.identity(9, parent: 1, generation: 1), .ready, 8))),
        ] {
            var machine = Machine.settled()
            _ = machine.tell(.refreshWanted)
            _ = machine.tell(.read(.record(SharedStateTests.view())))
            _ = machine.tell(.swapped(.written(version: 2)))
            _ = machine.tell(event)
            #expect(!machine.tell(.prepared(true)).contains(.send))
        }
    }

    @Test func saysThatItsClaimHasEnded() {
        var machine = Machine.sending()
        let claimed = SharedView(SharedFacts(Self.first, .busy(Self.mine)), version: 2)
        let end = SharedFacts(Self.first, .ready, ended: [Self.mine.id])
        #expect(machine.tell(.answered(.nothing)) == [.refuse(.unanswered), .swap(expecting: claimed, new: end)])
        // Also where the engine had lost it.
        let view = Self.ready(version: 7)
        #expect(machine.tell(.swapped(.conflict(.record(view)))) == [.swap(expecting: view, new: end)])
        #expect(machine.tell(.swapped(.conflict(.absent))) == [.swap(expecting: nil, new: end)])
        _ = machine.tell(.swapped(.written(version: 9)))
        #expect(machine.state.isIdle)
    }

    /// A login that the watch told of during a refresh, and an outage that began before this machine could heed it and
    /// lasted longer than the takeover: the watch does not tell that again when the engine is back.
    @Test func whatWasToldBeforeALongOutageIsRead() {
        var machine = SharedStateTests.Machine.settled()
        _ = machine.tell(.refreshWanted)
        _ = machine.tell(.read(.record(SharedStateTests.view())))
        _ = machine.tell(.swapped(.written(version: 2)))
        let login = SharedStateTests.view(SharedStateTests.identity(7, era: 2), .ready, 3)
        #expect(machine.tell(.watched(.record(login))).isEmpty)
        _ = machine.tell(.disconnected)
        _ = machine.tell(.prepared(true))
        _ = machine.tell(.swapped(.failed), at: 60)
        #expect(machine.tell(.connected, at: 61) == [.get])
        let actions = machine.tell(.read(.record(login)))
        #expect(actions.contains(.adopt(login)))
    }

    /// The watch told of another machine's result, or of a logout, while this machine claimed, and the engine has lost it
    /// when that is answered: what is older is neither put back nor sent.
    @Test(arguments: [true, false], [SharedTokenState.ready, .none])
    func whatWasToldAndLostIsTaken(_ isEmptied: Bool, _ state: SharedTokenState) {
        var machine = Machine.settled()
        _ = machine.tell(.refreshWanted)
        _ = machine.tell(.read(.record(SharedStateTests.view())))
        let new =
            state == .none
            ? SharedStateTests.identity(7, era: 2) : SharedStateTests.identity(7, parent: 1, generation: 1)
        let told = SharedStateTests.view(new, state, 5)
        #expect(machine.tell(.watched(.record(told))).isEmpty)
        let there = isEmptied ? SharedReading.absent : .record(SharedStateTests.view(Self.first, .ready, 6))
        let actions = machine.tell(.swapped(.conflict(there)))
        #expect(actions.first == (state == .none ? .forget(new) : .adopt(told)) && actions.last == .get)
        let expecting = isEmptied ? nil : SharedStateTests.view(Self.first, .ready, 6)
        #expect(machine.tell(.read(there)) == [.swap(expecting: expecting, new: SharedFacts(new, state))])
    }
}
