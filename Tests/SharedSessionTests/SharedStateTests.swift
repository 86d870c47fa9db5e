import Credentials
import Platform
import Testing

@testable import SharedSession

/// What the exploration leaves out: times, persons, values that cannot be read.
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

    @Test func logsInOverWhateverThereIs() {
        var machine = Machine.settled()
        _ = machine.tell(.loggedIn)
        let new = SharedIdentity(
            id: FleetNames.token(50),
            parent: nil,
            login: FleetNames.token(51),
            era: 3,
            generation: 0
        )!
        let there = Self.view(Self.identity(7, era: 2), .refused, 9)
        #expect(machine.tell(.read(.record(there))) == [.save(new)])
        #expect(machine.tell(.saved(.inFile)) == [.swap(expecting: there, new: SharedFacts(new, .ready))])
        // Somebody else logs in at the same time.
        let other = Self.view(Self.identity(8, era: 3), .ready, 10)
        let last = SharedIdentity(id: new.id, parent: nil, login: new.login, era: 4, generation: 0)!
        #expect(machine.tell(.swapped(.conflict(.record(other)))) == [.save(last)])
        #expect(machine.tell(.saved(.inFile)) == [.swap(expecting: other, new: SharedFacts(last, .ready))])
        #expect(machine.tell(.swapped(.written(version: 11))) == [.say(.shared(last)), .use(last)])
    }

    /// Tokens of a person are saved though the engine does not answer, and shared when it does.
    @Test func logsInWithoutTheEngine() {
        var machine = Machine.settled()
        _ = machine.tell(.loggedIn)
        let new = SharedIdentity(
            id: FleetNames.token(50),
            parent: nil,
            login: FleetNames.token(51),
            era: 2,
            generation: 0
        )!
        #expect(machine.tell(.read(nil)) == [.save(new)])
        #expect(machine.tell(.saved(.inFile)) == [.swap(expecting: Self.view(), new: SharedFacts(new, .ready))])
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
        #expect(machine.tell(.watched(.record(Self.view(end, .none, 2)))) == [.forget(end)])
        // The engine forgets the logout.
        #expect(machine.tell(.watched(.record(Self.view()))) == [.get])
        let actions = machine.tell(.read(.record(Self.view())))
        #expect(actions == [.swap(expecting: Self.view(), new: SharedFacts(end, .none))])
        // It is put back when it is there; until then, nobody knows.
        #expect(machine.tell(.swapped(.failed)) == [.say(.notShared)])
        #expect(machine.tell(.time, at: 1) == [.get])
        #expect(machine.tell(.read(nil)).isEmpty)
        _ = machine.tell(.time, at: 3)
        _ = machine.tell(.read(.record(Self.view())))
        #expect(machine.tell(.swapped(.written(version: 4))) == [.say(.shared(end)), .say(.putsBack(end))])
    }

    @Test func logsOut() {
        var machine = Machine.settled()
        _ = machine.tell(.loggedOut)
        let end = SharedIdentity(
            id: FleetNames.token(50),
            parent: nil,
            login: FleetNames.token(51),
            era: 2,
            generation: 0
        )!
        let put = Action.swap(expecting: Self.view(), new: SharedFacts(end, .none))
        #expect(machine.tell(.read(.record(Self.view()))) == [put])
        #expect(machine.tell(.swapped(.written(version: 2))) == [.say(.shared(end)), .forget(end)])
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

    // MARK: Whoever waits is answered

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
        var machine = Machine(.tokens(Self.identity(2, parent: 1, generation: 1)))
        _ = machine.tell(.connected)
        _ = machine.tell(.refreshWanted)
        let actions = machine.tell(.read(.record(Self.view())))
        #expect(actions.contains { if case .swap = $0 { true } else { false } })
        #expect(machine.tell(.swapped(.failed)).contains(.refuse(.unreachable)))
    }

    /// Another process of this machine logs in while the engine is away: that is said, and shared once it is back, which
    /// the watch need not tell.
    @Test func sharesALoginThatAnotherProcessCouldNotShare() {
        var machine = Machine()
        _ = machine.tell(.connected)
        _ = machine.tell(.started)
        _ = machine.tell(.read(.record(Self.view())))
        let newer = Self.identity(7, era: 2)
        _ = machine.tell(.fileChanged(.tokens(newer)), at: 10)
        #expect(machine.tell(.time, at: 100) == [.get])
        #expect(machine.tell(.read(nil)) == [.say(.notShared)])
        #expect(machine.tell(.time, at: 200) == [.get])
        let actions = machine.tell(.read(.record(Self.view())))
        #expect(actions.contains(.swap(expecting: Self.view(), new: SharedFacts(newer, .ready))))
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

    /// Machine after machine claims the refresh, and none has an answer.
    @Test func waitsForOthersWithinABound() {
        var machine = Machine.settled()
        _ = machine.tell(.refreshWanted)
        var version: UInt64 = 10
        for seconds in stride(from: Int64(0), to: 80, by: 5) {
            version += 1
            let claim = SharedClaim(id: FleetNames.token(100 + Int(version)), by: "B0")
            if seconds > 0 { #expect(machine.tell(.time, at: seconds) == [.get]) }
            #expect(machine.tell(.read(.record(Self.view(Self.first, .busy(claim), version)))).isEmpty)
        }
        #expect(machine.tell(.time, at: 80) == [.get])
        let claim = SharedClaim(id: FleetNames.token(99), by: "C0")
        #expect(machine.tell(.read(.record(Self.view(Self.first, .busy(claim), 99)))) == [.refuse(.unanswered)])
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
        let other = Self.view(Self.identity(8, era: 2), .ready, 10)
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
            let there = Self.view(Self.identity(7), .ready, 5)
            let found = isOtherCustomer ? SharedReading.unreadable(.otherCustomer) : .record(there)
            let actions = machine.tell(.swapped(.conflict(found)))
            #expect(actions.contains(.disown(mine)))
            #expect(machine.state.held == (isOtherCustomer ? .nothing : .tokens(there.facts.identity)))
            #expect(machine.state.isIdle)
        }
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
