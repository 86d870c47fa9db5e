import Credentials
import Platform
import Testing

@testable import SharedSession

/// What the exploration leaves out: times, and values that cannot be read.
@Suite struct SharedStateTests {
    typealias Event = SharedState.Event
    typealias Action = SharedState.Action

    static let second = Duration.seconds(1).wholeNanoseconds
    static let first = identity(1)

    static func identity(_ id: Int, parent: Int? = nil, era: Int = 1, generation: Int = 0) -> SharedIdentity {
        SharedIdentity(
            id: FleetNames.token(id),
            parent: parent.map(FleetNames.token),
            login: FleetNames.login(era),
            era: era,
            generation: generation
        )!
    }

    static func view(
        _ identity: SharedIdentity = first,
        _ state: SharedTokenState = .ready,
        _ version: UInt64 = 1
    ) -> SharedView { SharedView(SharedFacts(identity, state), version: version) }

    static func busy(_ beat: Int = 0, version: UInt64 = 2) -> SharedView {
        view(first, .busy(SharedClaim(id: FleetNames.token(90), by: "B0", beat: beat)!), version)
    }

    /// One machine, its clock, and the names it draws: 50, 51, …
    struct Machine {
        var state: SharedState
        var now: Int64 = 0
        var drawn = 0

        init(_ held: SharedHolding = .tokens(first)) {
            state = SharedState(me: "A0", held: held, timing: SharedTiming(takeover: .seconds(40)))
        }

        mutating func tell(_ event: Event, at seconds: Int64? = nil) -> [Action] {
            if let seconds { now = seconds * SharedStateTests.second }
            final class Names { var last = 0 }
            let names = Names()
            names.last = drawn
            let randomness = SharedRandomness(
                id: {
                    names.last += 1
                    return FleetNames.token(49 + names.last)
                },
                fraction: { 0.5 }
            )
            defer { drawn = names.last }
            return state.handle(event, at: now, randomness: randomness)
        }

        /// As after a start that found `first`.
        static func settled() -> Machine {
            var machine = Machine()
            _ = machine.tell(.connected)
            _ = machine.tell(.started)
            _ = machine.tell(.read(.record(view())))
            return machine
        }

        /// The API has the refresh.
        static func sending() -> Machine {
            var machine = settled()
            _ = machine.tell(.refreshWanted)
            _ = machine.tell(.read(.record(view())))
            _ = machine.tell(.swapped(.written(version: 2)))
            _ = machine.tell(.prepared(true))
            return machine
        }
    }

    @Test func refreshesAndShares() {
        var machine = Machine.settled()
        #expect(machine.tell(.refreshWanted) == [.get])
        let claim = SharedClaim(id: FleetNames.token(50), by: "A0")
        let claimed = SharedFacts(Self.first, .busy(claim))
        #expect(machine.tell(.read(.record(Self.view()))) == [.swap(expecting: Self.view(), new: claimed)])
        #expect(machine.tell(.swapped(.written(version: 2))) == [.prepare])
        #expect(machine.tell(.prepared(true)) == [.send])
        let child = Self.identity(51, parent: 1, generation: 1)
        #expect(machine.tell(.answered(.tokens)) == [.save(child)])
        let expecting = SharedView(claimed, version: 2)
        #expect(machine.tell(.saved(.inFile)) == [.swap(expecting: expecting, new: SharedFacts(child, .ready))])
        #expect(machine.tell(.swapped(.written(version: 3))) == [.say(.shared(child)), .use(child)])
        #expect(machine.state.held == .tokens(child) && machine.state.wakeAt == nil)
    }

    @Test(arguments: [0, 1, 2, 3] as [Int64]) func sendsOnlyWithinTwoSeconds(_ seconds: Int64) {
        var machine = Machine.settled()
        _ = machine.tell(.refreshWanted)
        _ = machine.tell(.read(.record(Self.view())))
        _ = machine.tell(.swapped(.written(version: 2)))
        let actions = machine.tell(.prepared(true), at: seconds)
        #expect(actions.contains(.send) == (seconds <= 2))
        #expect(actions.contains(.say(.tooLate)) == (seconds > 2))
    }

    @Test func silenceCountsWhileConnectedOnly() {
        func waits(_ interlude: [(Event, Int64)]) -> Bool {
            var machine = Machine.settled()
            _ = machine.tell(.refreshWanted)
            _ = machine.tell(.read(.record(Self.busy())))
            for (event, seconds) in interlude { _ = machine.tell(event, at: seconds) }
            _ = machine.tell(.time, at: 41)
            let actions = machine.tell(.read(.record(Self.busy(machine.state.sightBeat))), at: 41)
            return actions.isEmpty
        }
        #expect(!waits([]))
        #expect(waits([(.disconnected, 10)]))
        #expect(waits([(.disconnected, 10), (.connected, 11)]))
        #expect(waits([(.watched(.record(Self.busy(1, version: 3))), 2)]))
    }

    @Test func asksAgainWhileItWaits() {
        var machine = Machine.settled()
        _ = machine.tell(.refreshWanted)
        #expect(machine.tell(.read(.record(Self.busy()))).isEmpty)
        #expect(machine.state.wakeAt == 5 * Self.second)
        #expect(machine.tell(.time, at: 4).isEmpty)
        #expect(machine.tell(.time, at: 5) == [.get])
        #expect(machine.tell(.read(nil)) == [.refuse(.unreachable)])
        #expect(machine.state.wakeAt == nil)
    }

    @Test func takesAClaimOfItsOwnAtOnce() {
        var machine = Machine.settled()
        _ = machine.tell(.refreshWanted)
        let late = Self.view(Self.first, .busy(SharedClaim(id: FleetNames.token(80), by: "A0")), 2)
        let claim = SharedFacts(Self.first, .busy(SharedClaim(id: FleetNames.token(50), by: "A0")))
        // Nobody else's is taken over.
        #expect(machine.tell(.read(.record(late))) == [.swap(expecting: late, new: claim)])
        #expect(machine.tell(.swapped(.written(version: 3))) == [.prepare])
    }

    @Test func beats() {
        var machine = Machine.sending()
        #expect(machine.state.wakeAt == 2 * Self.second)
        let claim = SharedClaim(id: FleetNames.token(50), by: "A0", beat: 1)!
        let expecting = SharedView(
            SharedFacts(Self.first, .busy(SharedClaim(id: claim.id, by: "A0"))),
            version: 2
        )
        #expect(machine.tell(.time, at: 2) == [.swap(expecting: expecting, new: SharedFacts(Self.first, .busy(claim)))])
        // The answer to the beat is waited for before the result is put.
        _ = machine.tell(.answered(.tokens))
        #expect(machine.tell(.saved(.inFile)).isEmpty)
        let child = SharedFacts(Self.identity(51, parent: 1, generation: 1), .ready)
        let beaten = SharedView(SharedFacts(Self.first, .busy(claim)), version: 3)
        #expect(machine.tell(.swapped(.written(version: 3))) == [.swap(expecting: beaten, new: child)])
    }

    /// Once more, but not after another machine may have taken over: the last beat was sent off too long ago.
    @Test(arguments: [(Int64(4), true), (5, false), (60, false)]) func triesOnceMore(_ seconds: Int64, _ sends: Bool) {
        var machine = Machine.sending()
        let actions = machine.tell(.answered(.lost), at: seconds)
        #expect((actions == [.send]) == sends)
        #expect(actions.contains(.refuse(.unanswered)) == !sends)
        if sends { #expect(machine.tell(.answered(.lost)).first == .refuse(.unanswered)) }
    }

    /// A process that was stopped hears of its beat late: what counts is when the beat was sent off.
    @Test func aBeatThatIsHeardLateDoesNotCount() {
        var machine = Machine.sending()
        _ = machine.tell(.time, at: 2)
        _ = machine.tell(.swapped(.written(version: 3)), at: 60)
        #expect(machine.tell(.answered(.lost)).first == .refuse(.unanswered))
    }

    @Test func isUsedAloneAfterFiveSeconds() {
        var machine = Machine.sending()
        _ = machine.tell(.answered(.tokens))
        _ = machine.tell(.saved(.inFile))
        let child = Self.identity(51, parent: 1, generation: 1)
        #expect(machine.tell(.time, at: 4).isEmpty)
        #expect(machine.tell(.time, at: 5) == [.say(.notShared), .use(child)])
        #expect(machine.tell(.swapped(.unclear)) == [.get])
        #expect(machine.tell(.read(nil)).isEmpty)
        // Never a refresh of what the others do not know.
        #expect(machine.tell(.refreshWanted) == [.refuse(.unreachable)])
        #expect(machine.tell(.connected) == [.get])
        #expect(machine.tell(.read(.record(Self.view(child, .ready, 3)))) == [.say(.shared(child))])
    }

    @Test func writesNothingOverWhatItCannotRead() {
        var machine = Machine.settled()
        _ = machine.tell(.refreshWanted)
        let actions = machine.tell(.read(.unreadable(.unknownKey)))
        #expect(actions == [.say(.unreadable(.unknownKey)), .refuse(.unreadable(.unknownKey))])
        #expect(machine.state.held == .tokens(Self.first))
        _ = machine.tell(.loggedIn)
        _ = machine.tell(.read(.unreadable(.damaged)))
        let saved = machine.tell(.saved(.inFile))
        #expect(saved.contains(.say(.notShared)))
        #expect(!saved.contains { if case .swap = $0 { true } else { false } })
    }

    @Test func countsEnd() {
        let last = Self.identity(1, generation: SharedIdentity.maxCount)
        var machine = Machine(.tokens(last))
        _ = machine.tell(.connected)
        _ = machine.tell(.refreshWanted)
        #expect(machine.tell(.read(.record(Self.view(last)))) == [.refuse(.exhausted)])
    }

    /// Whatever comes when nothing asked for it is named, and changes nothing.
    @Test(arguments: [
        Event.read(nil), .read(.absent), .swapped(.unclear), .swapped(.written(version: 7)), .prepared(true),
        .answered(.tokens), .answered(.lost), .saved(.inFile),
    ])
    func ignoresWhatNothingAskedFor(_ event: Event) {
        var machine = Machine.settled()
        let before = machine.state
        #expect(machine.tell(event) == [.say(.ignored(event))])
        #expect(machine.state == before)
    }
}

extension SharedState {
    fileprivate var sightBeat: Int { sight.view?.facts.claim?.beat ?? 0 }
}
