import Credentials
import Platform
import TestFiles
import Testing
import Threads

@testable import SharedSession

@Suite(.timeLimit(.minutes(1))) struct SharedRunnerTests {
    private let engine = MemoryEngine()
    private let api = TestAPI()

    /// So many machines with one session.
    private func fleet(_ count: Int) throws -> [TestMachine] {
        let machines = try (0..<count).map { _ in try TestMachine(engine, api) }
        #expect(throws: Never.self) { try machines[0].logIn(api.current).get() }
        for machine in machines { machine.wait(for: api.current) }
        return machines
    }

    @Test func oneRefreshIsEnoughForAll() throws {
        let machines = try fleet(4)
        defer { for machine in machines { machine.stop() } }
        for round in 1...3 {
            let asked = machines.map { $0.askAgain() }
            for answer in asked { #expect(try answer.wait().get() == TestAPI.token(round)) }
            #expect(api.refreshes == round)
        }
        #expect(api.refusals == 0)
        // The tokens and their name are in one save.
        #expect(Set(machines.map(\.savedIdentity)).count == 1)
        #expect(machines[3].savedIdentity?.generation == 3)
        #expect(machines.allSatisfy { $0.saved?.token == api.current })
    }

    @Test func withoutTheEngineNobodyRefreshes() throws {
        let machines = try fleet(2)
        defer { for machine in machines { machine.stop() } }
        for machine in machines {
            machine.store.cut()
            machine.wait { machine.session.status.shared?.isReachable == false }
            #expect(machine.session.token == api.current)
            guard case .failure(.unavailable(let seconds, _, _)) = machine.askAgain().wait() else {
                Issue.record("a token")
                continue
            }
            #expect(seconds == 5)
        }
        #expect(api.refreshes == 0 && api.refusals == 0)
        machines[1].store.mend()
        machines[1].wait { machines[1].saidNews.contains(.reachable) }
        // The back-off ends with the outage.
        #expect(try machines[1].askAgain().wait().get() == TestAPI.token(1))
    }

    @Test func resultOfAMachineThatWasCutOffIsSharedLater() throws {
        let machines = try fleet(2)
        defer { for machine in machines { machine.stop() } }
        api.during { machines[0].store.cut() }
        #expect(try machines[0].askAgain().wait().get() == TestAPI.token(1))
        machines[0].wait { machines[0].session.status.shared?.unshared?.what == .token }
        #expect(!machines[0].session.status.isReady)
        #expect(machines[1].session.token == TestAPI.token(0))
        machines[0].store.mend()
        machines[1].wait(for: TestAPI.token(1))
        machines[0].wait { machines[0].session.status.shared?.unshared == nil }
        #expect(machines[0].session.status.isReady && api.refreshes == 1)
    }

    /// An engine that is emptied in the second in which a machine refreshes: the token is sent once.
    @Test func aClaimThatTheEngineLosesComesBack() throws {
        let machines = try fleet(2)
        defer { for machine in machines { machine.stop() } }
        let spy = engine.store()
        defer { spy.stop() }
        let seal = try SharedSamples.seal(1)
        let claimed = Guarded<StoredValue?>(nil)
        let (isClaimed, isBack) = (Latch<Void>(), Latch<Void>())
        spy.watch { news in
            guard case .changed(let value?) = news else { return }
            if let former = claimed.with({ $0 }) {
                if value != former { isBack.set(()) }
            } else if case .session(let record, _) = SharedValue(value, seal), case .busy = record.state {
                claimed.with { $0 = value }
                isClaimed.set(())
            }
        }
        let asked = Guarded<Latch<Result<Token, CredentialFailure>>?>(nil)
        api.during { [engine] in
            isClaimed.wait()
            engine.put(nil)
            isBack.wait()
            asked.with { $0 = machines[1].askAgain() }
        }
        #expect(try machines[0].askAgain().wait().get() == TestAPI.token(1))
        #expect(try asked.with { $0 }?.wait().get() == TestAPI.token(1))
        #expect(api.attempts == 1)
    }

    /// Who heard of a claim must learn that it has ended, or waits for nothing.
    @Test func theEndOfAClaimIsInTheRecord() throws {
        let machine = try TestMachine(engine, api, retriesLost: false)
        defer { machine.stop() }
        #expect(throws: Never.self) { try machine.logIn(api.current).get() }
        api.loseAnswers()
        _ = machine.askAgain().wait()
        machine.stop()
        let value = SharedValue(engine.value, try SharedSamples.seal(1))
        guard case .session(let record, let session) = value else {
            Issue.record("\(value)")
            return
        }
        #expect(record.state == .ready && !session.ended.isEmpty && session.record.unanswered != nil)
    }

    @Test func whatWasSavedBeforeADeathIsSharedAfterIt() throws {
        let machines = try fleet(2)
        defer { machines[1].stop() }
        api.during { machines[0].store.cut() }
        #expect(try machines[0].askAgain().wait().get() == TestAPI.token(1))
        machines[0].stop()
        let again = try TestMachine(engine, api, file: machines[0].file)
        defer { again.stop() }
        machines[1].wait(for: TestAPI.token(1))
        #expect(api.refreshes == 1)
    }

    /// A machine that starts while the engine is away knows that it has what the others have not.
    @Test func whatIsNotSharedIsSaidAfterARestart() throws {
        let machines = try fleet(2)
        defer { machines[1].stop() }
        api.during { machines[0].store.cut() }
        #expect(try machines[0].askAgain().wait().get() == TestAPI.token(1))
        machines[0].wait { machines[0].saved?.isNotShared == true }
        machines[0].stop()
        let again = try TestMachine(engine, api, file: machines[0].file, begins: false)
        defer { again.stop() }
        again.store.cut()
        // The file says so before the engine was asked.
        #expect(again.session.status.shared?.unshared == .init(.token))
        again.session.share()
        again.wait { again.saidNews.contains(.notShared(reason: nil)) }
        again.wait { again.session.status.shared?.isReachable == false }
        #expect(!again.session.status.isReady && again.session.status.shared?.unshared?.what == .token)
        again.store.mend()
        machines[1].wait(for: TestAPI.token(1))
        again.wait { again.session.status.isReady && again.saved?.isNotShared == false }
        #expect(again.saidNews.contains(.shared))
    }

    /// An engine that does not answer leaves a token that lives as good as it is, and one that does not as bad.
    @Test func readinessDoesNotWaverWithoutTheEngine() throws {
        let clock = ShiftedClock()
        let machine = try TestMachine(engine, api, clock: clock, sessionClock: clock)
        defer { machine.stop() }
        #expect(throws: Never.self) { try machine.logIn(api.current).get() }
        machine.store.cut()
        machine.wait { machine.session.status.shared?.isReachable == false }
        #expect(machine.session.status.isReady)
        for _ in 0..<3 {
            _ = machine.askAgain().wait()
            #expect(!machine.session.status.isReady)
            // The pause before the next try has passed.
            clock.shift(by: 60)
            #expect(machine.session.status.retryIn == nil && !machine.session.status.isReady)
        }
    }

    /// What the issuer says to one machine it says to all: it is asked once, and again when the time has passed.
    @Test func oneMachineIsToldToWaitForAll() throws {
        let clock = ShiftedClock()
        let machines = try (0..<4).map { _ in try TestMachine(engine, api, clock: clock, sessionClock: clock) }
        defer { for machine in machines { machine.stop() } }
        #expect(throws: Never.self) { try machines[0].logIn(api.current).get() }
        for machine in machines { machine.wait(for: api.current) }
        api.shed(90)
        func told(_ answer: Result<Token, CredentialFailure>) -> Bool {
            guard case .failure(.unavailable(let seconds, _, _)) = answer else { return false }
            return (85...91).contains(seconds)
        }
        let asked = machines.map { $0.askAgain() }
        for answer in asked { #expect(told(answer.wait())) }
        #expect(api.attempts == 1)
        api.shed(nil)
        clock.shift(by: 95)
        #expect(try machines[2].askAgain().wait().get() == TestAPI.token(1))
        #expect(api.attempts == 2)
    }

    /// A machine whose clock is an hour ahead, or behind, counts a token's life from when it heard of it.
    @Test(arguments: [3600, -3600]) func aWrongClockOfAnotherMachineChangesNoLife(_ seconds: Int) throws {
        let clock = ShiftedClock(wall: seconds)
        let machines = [
            try TestMachine(engine, api), try TestMachine(engine, api, clock: clock, sessionClock: clock),
        ]
        defer { for machine in machines { machine.stop() } }
        #expect(throws: Never.self) { try machines[0].logIn(api.current).get() }
        machines[1].wait(for: api.current)
        api.live(1800)
        for round in 1...2 {
            #expect(try machines[round - 1].askAgain().wait().get() == TestAPI.token(round))
            for machine in machines {
                machine.wait(for: TestAPI.token(round))
                let left = try #require(machine.session.status.expiresIn)
                #expect((1740...1800).contains(left))
            }
        }
    }

    @Test func logoutsAndLoginsReachAll() throws {
        let machines = try fleet(2)
        defer { for machine in machines { machine.stop() } }
        #expect(throws: Never.self) { try machines[1].logOut().get() }
        machines[0].wait(for: nil)
        guard case .shared(.ended(let end)) = machines[0].saved?.localHolding(in: TestMachine.place) else {
            Issue.record("no logout in the file")
            return
        }
        #expect(end.era == 2)
        // An engine that forgets the logout is told again.
        engine.put(nil)
        machines[0].wait { machines[0].saidNews.contains(.putsBack) || machines[1].saidNews.contains(.putsBack) }
        #expect(throws: Never.self) { try machines[0].logIn(TestAPI.token(7)).get() }
        machines[1].wait(for: TestAPI.token(7))
        #expect(machines[1].savedIdentity?.era == 3)
    }

    @Test func engineThatLosesAWriteIsToldAgain() throws {
        let machines = try fleet(2)
        defer { for machine in machines { machine.stop() } }
        let older = engine.value
        #expect(try machines[0].askAgain().wait().get() == TestAPI.token(1))
        machines[1].wait(for: TestAPI.token(1))
        engine.put(older)
        machines[0].wait { machines.contains { $0.saidNews.contains(.putsBack) } || engine.value != older }
        #expect(machines.allSatisfy { $0.session.token == TestAPI.token(1) })
    }

    // MARK: Joining

    @Test func whatAMachineHasBecomesTheSessionOfAll() throws {
        let first = try TestMachine(engine, api, own: api.current)
        defer { first.stop() }
        let second = try TestMachine(engine, api)
        defer { second.stop() }
        second.wait(for: api.current)
        #expect(first.savedIdentity == second.savedIdentity && first.savedIdentity?.era == 1)
    }

    @Test func engineWinsAndTheOwnSessionIsKept() throws {
        let first = try fleet(1)[0]
        defer { first.stop() }
        let second = try TestMachine(engine, api, own: TestAPI.token(99))
        defer { second.stop() }
        second.wait(for: api.current)
        let kept = try SessionFile(path: second.file.path + ".before-shared").session()
        #expect(kept?.token == TestAPI.token(99))
        #expect(first.session.token == api.current)
    }

    /// An editor takes no lock.
    @Test func tokenPutInByHandDuringARefreshLosesNone() throws {
        let machines = try fleet(2)
        defer { for machine in machines { machine.stop() } }
        let file = machines[0].file
        api.during {
            var record = SessionRecord()
            let tokens = TokenSet(accessToken: TestAPI.token(50))
            record.put(tokens, .given, upstream: TestMachine.origin, now: 1_800_000_000)
            let draft = SessionFile(path: file.path + ".draft")
            #expect(throws: Never.self) { _ = try draft.save(record) }
            #expect(unsafe rename(draft.path, file.path) == 0)
        }
        // Whoever waits may be given either.
        _ = machines[0].askAgain().wait()
        machines[1].wait(for: TestAPI.token(1))
        machines[0].wait(for: TestAPI.token(1))
        #expect(machines[0].saved?.token == TestAPI.token(1))
        #expect(try SessionFile(path: file.path + ".before-shared").session()?.token == TestAPI.token(50))
    }

    @Test func anotherCustomersSessionDoesNotJoin() throws {
        let first = try fleet(1)[0]
        defer { first.stop() }
        let bobs = TestAPI.token(1, of: "bob")
        let second = try TestMachine(engine, api, own: bobs)
        defer { second.stop() }
        second.wait { second.session.status.shared?.problem?.contains("customer alice") ?? false }
        #expect(second.session.token == bobs && second.saved?.token == bobs)
        // It is not refreshed either: the others would not know.
        guard case .failure(.unavailable) = second.askAgain().wait() else {
            Issue.record("a token")
            return
        }
        #expect(api.refusals == 0 && first.session.token == api.current)
    }

    @Test func loginOfAnotherCustomerIsAskedFor() throws {
        let machines = try fleet(1)
        defer { machines[0].stop() }
        let other = try TestMachine(engine, api, begins: false)
        defer { other.stop() }
        let bobs = TestAPI.token(1, of: "bob")
        let result = other.logIn(bobs, replacing: .ofThisCustomer(agreed: nil))
        guard case .failure(let error) = result else {
            Issue.record("the session of all was replaced")
            return
        }
        #expect(error.reason == .otherCustomer)
        // It has the session of all now.
        #expect(machines[0].session.token == api.current)
        other.wait(for: api.current)
        #expect(throws: Never.self) { try other.logIn(bobs, replacing: .any).get() }
        machines[0].wait(for: bobs)
    }

    /// A login that is refused makes no machine join that has another customer's session.
    @Test func loginThatIsRefusedJoinsNobody() throws {
        let member = try fleet(1)[0]
        defer { member.stop() }
        let bobs = TestAPI.token(1, of: "bob")
        let other = try TestMachine(engine, api, own: bobs)
        defer { other.stop() }
        other.wait { other.session.status.shared?.problem?.contains("customer") ?? false }
        let command = try TestMachine(engine, api, file: other.file, begins: false)
        let result = command.logIn(TestAPI.token(2, of: "bob"), replacing: .ofThisCustomer(agreed: nil))
        guard case .failure(let error) = result else {
            Issue.record("the session of all was replaced")
            return
        }
        #expect(error.reason == .otherCustomer)
        // Whatever that led to has been done when the command has ended.
        command.stop()
        #expect(command.session.token == bobs && other.saved?.token == bobs && other.session.token == bobs)
    }

    /// Who may write to the engine, and has no key, changes one word there: nobody is told to log in.
    @Test func wordOfSomebodyWithoutAKeyEndsNoSession() throws {
        let machine = try fleet(1)[0]
        defer { machine.stop() }
        let before = try #require(engine.value)
        let text = String(decoding: before.bytes, as: UTF8.self)
        let changed = text.replacing("\"state\":\"ready\"", with: "\"state\":\"refused\"")
        engine.put(StoredValue(bytes: Array(changed.utf8), revision: before.revision))
        machine.wait { machine.session.status.shared?.problem?.contains("does not open") ?? false }
        guard case .failure(.unavailable) = machine.askAgain().wait() else {
            Issue.record("a login is asked for")
            return
        }
        #expect(machine.saved?.isRefreshDenied == false && machine.session.status.state == .usable)
        engine.put(before)
        // That the record can be used again is no event.
        let latch = Latch<Void>()
        machine.session.look { latch.set(()) }
        latch.wait()
        #expect(machine.session.status.shared?.problem == nil && api.attempts == 0)
    }

    /// An engine that was restored says again that the API refuses, or no more.
    @Test func wordThatIsTakenBackEndsNoSession() throws {
        let machines = try fleet(2)
        defer { for machine in machines { machine.stop() } }
        let seal = try SharedSamples.seal(1)
        let before = try #require(engine.value)
        guard case .session(let record, let session) = SharedValue(before, seal) else {
            Issue.record("no session")
            return
        }
        let refused = try seal.seal(session, record.identity, .refused)
        engine.put(StoredValue(bytes: refused.bytes, revision: before.revision))
        for machine in machines { machine.wait { machine.saved?.isRefreshDenied ?? false } }
        engine.put(before)
        for machine in machines { machine.wait { machine.saved?.isRefreshDenied == false } }
        #expect(try machines[1].askAgain().wait().get() == TestAPI.token(1))
        machines[0].wait(for: TestAPI.token(1))
        #expect(api.refusals == 0)
    }

    /// The others may have a session, which a login would end.
    @Test func machineWithoutATokenAsksForNoLoginWhileNobodyCanBeAsked() throws {
        let machine = try TestMachine(engine, api, begins: false)
        defer { machine.stop() }
        machine.store.cut()
        machine.session.share()
        machine.wait { machine.session.status.shared?.isReachable == false }
        guard case .failure(.unavailable(let seconds, _, _)) = machine.askAgain().wait() else {
            Issue.record("a login is asked for")
            return
        }
        #expect(seconds == 5 && machine.session.status.advice?.contains("cannot be asked") ?? false)
        machine.store.mend()
        machine.wait { machine.session.status.shared?.isReachable == true }
        // Nobody has one.
        machine.wait {
            if case .failure(.loginNeeded) = machine.askAgain().wait() { true } else { false }
        }
    }

    @Test func logoutWhileNobodyCanBeToldIsToldLater() throws {
        let machines = try fleet(2)
        defer { machines[1].stop() }
        machines[0].store.cut()
        #expect(throws: Never.self) { try machines[0].logOut().get() }
        #expect(machines[0].session.token == nil && machines[1].session.token == api.current)
        machines[0].wait {
            machines[0].saidNews.contains { if case .logoutNotShared = $0 { true } else { false } }
        }
        machines[0].stop()
        let again = try TestMachine(engine, api, file: machines[0].file)
        defer { again.stop() }
        machines[1].wait(for: nil)
    }

    // MARK: What must not be sent again

    /// The answer was lost, and `session.retry-lost` is `never`: no machine sends that token once more.
    @Test func tokenWhoseAnswerWasLostIsSentByNobody() throws {
        let machines = try (0..<2).map { _ in try TestMachine(engine, api, retriesLost: false) }
        defer { for machine in machines { machine.stop() } }
        #expect(throws: Never.self) { try machines[0].logIn(api.current).get() }
        for machine in machines { machine.wait(for: TestAPI.token(0)) }
        api.loseAnswers()
        guard case .failure = machines[0].askAgain().wait() else {
            Issue.record("a token")
            return
        }
        guard case .failure(.loginNeeded) = machines[1].askAgain().wait() else {
            Issue.record("the other machine sends it")
            return
        }
        #expect(api.attempts == 1)
        #expect(machines[1].session.status.explanation?.contains("cut off") ?? false)
    }

    /// Nor one that a machine claimed which fell silent: it may have sent it.
    @Test func tokenOfADeadMachineIsSentByNobody() throws {
        let machine = try TestMachine(engine, api, takeover: .zero, retriesLost: false)
        defer { machine.stop() }
        #expect(throws: Never.self) { try machine.logIn(api.current).get() }
        let before = try #require(engine.value)
        let record = try #require(SharedValue(before, try SharedSamples.seal(1)).record)
        let claim = SharedClaim(id: .random(), by: "dead/1/a")
        let busy = try #require(record.with(.busy(claim)))
        engine.put(StoredValue(bytes: busy.bytes, revision: StoreRevision("other")))
        guard case .failure(.loginNeeded(let explanation)) = machine.askAgain().wait() else {
            Issue.record("it is sent")
            return
        }
        #expect(api.attempts == 0 && explanation?.contains("dead/1/a claimed it and fell silent") ?? false)
    }

    /// Leave to refresh that comes too late leaves nothing behind that says the refresh was sent.
    @Test func leaveThatCameTooLateLeavesNoJournal() throws {
        let clock = JournalClock()
        let machine = try TestMachine(engine, api, clock: clock)
        defer { machine.stop() }
        #expect(throws: Never.self) { try machine.logIn(api.current).get() }
        let journal = String(machine.file.path.dropLast("session.json".count)) + ".session.json.new"
        clock.journal.with { $0 = journal }
        guard case .failure(.unavailable) = machine.askAgain().wait() else {
            Issue.record("a token")
            return
        }
        #expect(api.attempts == 0 && access(journal, F_OK) != 0)
        clock.journal.with { $0 = nil }
        machine.session.engineIsBack()
        #expect(try machine.askAgain().wait().get() == TestAPI.token(1))
        #expect(machine.saved?.history.allSatisfy { $0.outcome == .refreshed } ?? false)
    }

    // MARK: Other places

    /// What machines share elsewhere is neither brought here, nor refreshed from here.
    @Test func sessionOfAnotherPlaceIsNotBroughtHere() throws {
        let former = try fleet(1)[0]
        former.stop()
        let other = MemoryEngine()
        let place = "squire/v1/session/other"
        let moved = try TestMachine(other, api, file: former.file, place: place)
        defer { moved.stop() }
        // That the engine answers for the first time is no event.
        let latch = Latch<Void>()
        moved.session.look { latch.set(()) }
        latch.wait()
        #expect(moved.session.status.shared?.isReachable == true)
        guard case .failure(.notRefreshable) = moved.askAgain().wait() else {
            Issue.record("a token")
            return
        }
        #expect(other.writes == 0 && api.attempts == 0)
        #expect(moved.session.status.advice?.contains("memory \(SharedSamples.place)") ?? false)
        // A login there is that place's.
        #expect(throws: Never.self) { try moved.logIn(TestAPI.token(5), replacing: .any).get() }
        #expect(other.writes == 1 && moved.session.status.sharedElsewhere == nil)
    }

    /// Without `session.shared`, the others' token is not refreshed alone.
    @Test func sessionOfOthersIsNotRefreshedAlone() throws {
        let former = try fleet(1)[0]
        former.stop()
        let alone = try Session(
            file: former.file,
            source: api.source,
            binding: SessionBinding(origin: TestMachine.origin)
        )
        let latch = Latch<Result<RefreshResponse, CredentialFailure>>()
        alone.refreshNow(cause: .manual) { latch.set($0) }
        guard case .failure(.notRefreshable) = latch.wait() else {
            Issue.record("a token")
            return
        }
        #expect(alone.token == api.current && api.attempts == 0)
        #expect(alone.status.advice?.contains("would end it for all of them") ?? false)
        #expect(alone.end(timeout: .seconds(10)) == nil)
    }

    // MARK: Keys

    @Test func otherKeysAreReadWhileItRuns() throws {
        let path = TestDirectory.make() + "/shared.key"
        let write = { (firsts: [UInt8]) in
            let text = firsts.map { SharedSamples.line($0) + "\n" }.joined()
            #expect(PrivateFile.create(path + ".new", Array(text.utf8)) && rename(path + ".new", path) == 0)
        }
        write([9])
        let first = try fleet(1)[0]
        defer { first.stop() }
        let second = try TestMachine(engine, api, key: 9, keyFile: path)
        defer { second.stop() }
        second.wait { second.session.status.shared?.problem?.contains("is sealed with key") ?? false }
        let sealed = engine.value
        #expect(second.session.token == nil)
        #expect(PrivateFile.create(path, Array("dear diary\n".utf8)))
        second.wait {
            second.saidNews.contains { if case .keys(problem: _?) = $0 { true } else { false } }
        }
        write([9, 1])
        second.wait(for: api.current)
        #expect(engine.value == sealed)
        // What it writes is sealed with its first key.
        #expect(try second.askAgain().wait().get() == TestAPI.token(1))
        second.wait { engine.value != sealed }
        #expect(SharedValue(engine.value, try SharedSamples.seal(9)).record?.identity.generation == 1)
    }

    // MARK: Processes of one machine

    @Test func twoProcessesOfOneMachine() throws {
        let machines = try fleet(2)
        defer { for machine in machines { machine.stop() } }
        let command = try TestMachine(engine, api, file: machines[0].file, begins: false)
        defer { command.stop() }
        #expect(command.session.token == api.current)
        #expect(try command.askAgain().wait().get() == TestAPI.token(1))
        for machine in machines { machine.wait(for: TestAPI.token(1)) }
        #expect(throws: Never.self) { try command.logIn(TestAPI.token(5)).get() }
        for machine in machines { machine.wait(for: TestAPI.token(5)) }
        #expect(api.refreshes == 1 && api.refusals == 0)
    }

    @Test func commandThatNeedsNothingAsksNobody() throws {
        let machines = try fleet(1)
        machines[0].stop()
        let writes = engine.writes
        let command = try TestMachine(engine, api, file: machines[0].file, begins: false)
        command.store.cut()
        #expect(command.session.token == api.current)
        command.stop()
        #expect(command.session.status.shared?.isReachable == nil && engine.writes == writes)
    }

    @Test func commandLooksWhereNothingRuns() throws {
        let machines = try fleet(2)
        defer { machines[1].stop() }
        machines[0].stop()
        #expect(try machines[1].askAgain().wait().get() == TestAPI.token(1))
        let command = try TestMachine(engine, api, file: machines[0].file, begins: false)
        defer { command.stop() }
        #expect(command.session.token == TestAPI.token(0))
        let latch = Latch<Void>()
        command.session.look { latch.set(()) }
        latch.wait()
        #expect(command.session.token == TestAPI.token(1) && command.saved?.token == TestAPI.token(1))
        command.store.cut()
        let again = Latch<Void>()
        command.session.look { again.set(()) }
        again.wait()
        #expect(command.session.token == TestAPI.token(1) && api.refreshes == 1)
    }

    @Test func refusalIsKnownToAllAndEndsWithASuccessor() throws {
        let machines = try fleet(2)
        defer { for machine in machines { machine.stop() } }
        // Somebody else spends the token.
        let thief = try TestMachine(MemoryEngine(), api, own: api.current)
        #expect(try thief.askAgain().wait().get() == TestAPI.token(1))
        thief.stop()
        guard case .failure(let failure) = machines[0].askAgain().wait() else {
            Issue.record("a token")
            return
        }
        #expect(failure.needsLogin && api.refusals == 1)
        machines[1].wait { machines[1].saved?.isRefreshDenied ?? false }
        #expect(machines[1].session.status.state != .none)
        #expect(throws: Never.self) { try machines[0].logIn(api.current).get() }
        machines[1].wait(for: api.current)
        #expect(try machines[1].askAgain().wait().get() == TestAPI.token(2))
        #expect(api.refusals == 1)
    }
}
