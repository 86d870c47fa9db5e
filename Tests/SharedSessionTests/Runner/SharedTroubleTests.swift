import Credentials
import Platform
import TestFiles
import Testing
import Threads

@testable import SharedSession

/// What machines say of troubles that they can do nothing about, and what becomes of them.
@Suite(.timeLimit(.minutes(1))) struct SharedTroubleTests {
    private let engine = MemoryEngine()
    private let api = TestAPI()

    private func fleet(_ count: Int) throws -> [TestMachine] {
        let machines = try (0..<count).map { _ in try TestMachine(engine, api, takeover: .zero) }
        #expect(throws: Never.self) { try machines[0].logIn(api.current).get() }
        for machine in machines { machine.wait(for: api.current) }
        return machines
    }

    private func needsLogin(_ machine: TestMachine) -> Bool {
        guard case .failure(let failure) = machine.askAgain().wait() else { return false }
        return failure.needsLogin
    }

    @Test func aSignInThatCannotBeSavedIsToldOnce() throws {
        let told = Guarded(0)
        let machine = try TestMachine(engine, api) { event in
            if case .notSaved = event { told.with { $0 += 1 } }
        }
        defer { machine.stop() }
        // A directory where the new file would be made: for the superuser, too.
        let new = machine.file.path.dropLast("session.json".count) + ".session.json.new"
        for path in [new, new + "/x"] { #expect(unsafe mkdir(String(path), 0o700) == 0) }
        let result = Latch.awaiting { done in
            machine.session.adopt(TokenSet(accessToken: api.current), .signIn, keepsUnsaved: true, completion: done)
        }
        #expect(throws: SessionFileError.self) { try result.get() }
        #expect(machine.session.token == api.current)
        #expect(told.with { $0 } == 1)
        for path in [new + "/x", new] { #expect(unsafe rmdir(String(path)) == 0) }
    }

    // MARK: A logout that nobody could be told

    private func waits(_ machine: TestMachine) -> Bool { machine.session.status.shared?.unshared?.what == .logout }

    /// Whoever logged out knows that a login is needed, whatever the others still have.
    @Test func logoutThatIsNotSharedIsALogout() throws {
        let machines = try fleet(2)
        defer { machines[1].stop() }
        machines[0].store.cut()
        machines[0].wait { machines[0].session.status.shared?.isReachable == false }
        let command = try TestMachine(engine, api, file: machines[0].file, begins: false)
        command.store.cut()
        #expect(throws: Never.self) { try command.logOut().get() }
        command.stop()
        machines[0].wait(for: nil)
        #expect(needsLogin(machines[0]))
        machines[0].wait { waits(machines[0]) }
        let status = machines[0].session.status
        #expect(status.state == .none && !status.isReady)
        #expect(status.advice?.contains("NOT SHARED") == true && status.advice?.contains("squire login") == true)
        #expect(status.shared?.lines.contains { $0.contains("the others have it until memory answers") } == true)
        machines[0].stop()
        // Whoever only looks, and whoever starts while the engine is away.
        #expect(machines[0].saved?.isNotShared == true)
        let again = try TestMachine(engine, api, file: machines[0].file, begins: false)
        defer { again.stop() }
        #expect(waits(again))
        again.store.cut()
        again.session.share()
        again.wait { again.session.status.shared?.isReachable == false }
        #expect(needsLogin(again) && waits(again) && machines[1].session.token == api.current)
        again.store.mend()
        machines[1].wait(for: nil)
        again.wait { again.session.status.shared?.unshared == nil && again.saved?.isNotShared == false }
        #expect(needsLogin(again))
    }

    /// The engine has a later login: this machine does not ask for one of its own.
    @Test func logoutDoesNotHideALaterLogin() throws {
        let machine = try fleet(1)[0]
        defer { machine.stop() }
        #expect(throws: Never.self) { try machine.logOut().get() }
        let held = machine.saved?.localHolding(in: TestMachine.place)
        guard case .shared(let holding)? = held, let ended = holding.identity else {
            Issue.record("no logout")
            return
        }
        func state(_ era: Int) throws -> SharedState {
            let identity = try #require(SharedIdentity.login(.random(), .random(), after: era - 1))
            var state = SharedState(me: "a/1/b", held: holding, timing: SharedTiming(takeover: .seconds(40)))
            state.sight = .record(SharedView(SharedFacts(identity, .ready), version: 1))
            return state
        }
        #expect(try state(ended.era + 1).mayHaveSession(after: holding))
        #expect(try !state(ended.era - 1).mayHaveSession(after: holding))
    }

    // MARK: A successor that another machine may hold

    /// A machine claimed the refresh, got the successor and fell silent before it shared it: whoever is refused names it.
    @Test func refusalNamesWhoMayHaveTheSuccessor() throws {
        let machines = try fleet(2)
        defer { for machine in machines { machine.stop() } }
        let seal = try SharedSamples.seal(1)
        let before = try #require(engine.value)
        let record = try #require(SharedValue(before, seal).record)
        let thief = try TestMachine(MemoryEngine(), api, own: api.current)
        #expect(try thief.askAgain().wait().get() == TestAPI.token(1))
        thief.stop()
        let claim = SharedClaim(id: .random(), by: "build-7/4711/3f9c")
        let busy = try #require(record.with(.busy(claim)))
        engine.put(StoredValue(bytes: busy.bytes, revision: StoreRevision("other")))
        func names(_ text: String?) -> Bool {
            text?.contains("build-7/4711/3f9c") == true && text?.contains("may still hold the successor") == true
                && text?.contains("run Squire there") == true
        }
        guard case .failure(.loginNeeded(let words)) = machines[0].askAgain().wait() else {
            Issue.record("no login is asked for")
            return
        }
        #expect(names(words))
        machines[1].wait { machines[1].saved?.isRefreshDenied ?? false }
        for machine in machines { #expect(names(machine.session.status.explanation)) }
        // Of the file alone, and of one that hears of it later.
        let looks = try Session(file: machines[1].file, source: api.source, onlyLooks: true)
        #expect(names(looks.status.explanation))
        #expect(looks.end(timeout: .seconds(10)) == nil)
        let late = try TestMachine(engine, api)
        defer { late.stop() }
        late.wait { names(late.session.status.explanation) }
        guard case .session(_, let content) = SharedValue(engine.value, seal) else {
            Issue.record("no session")
            return
        }
        #expect(content.silent == ["build-7/4711/3f9c"] && api.refusals == 1)
    }

    /// Who took the refresh of a silent machine over gave it up before it was sent: with `session.retry-lost: never`, nobody
    /// sends that token.
    @Test func whoFellSilentIsNotForgottenByTheNext() throws {
        let machine = try TestMachine(engine, api, takeover: .zero, retriesLost: false)
        defer { machine.stop() }
        #expect(throws: Never.self) { try machine.logIn(api.current).get() }
        let seal = try SharedSamples.seal(1)
        guard case .session(let record, var session) = SharedValue(engine.value, seal) else {
            Issue.record("no session")
            return
        }
        session.silent = ["dead/1/a"]
        let ready = try seal.seal(session, record.identity, .ready)
        engine.put(StoredValue(bytes: ready.bytes, revision: StoreRevision("other")))
        guard case .failure(.loginNeeded(let explanation)) = machine.askAgain().wait() else {
            Issue.record("it is sent")
            return
        }
        #expect(api.attempts == 0 && explanation?.contains("dead/1/a claimed it and fell silent") ?? false)
    }

    // MARK: An engine that refuses what is written

    private static let full = SharedStoreFailure(.unavailable, "full (alarm NOSPACE)", advice: "Make room.")

    @Test func engineThatRefusesWritesIsInOneState() throws {
        let machine = try fleet(1)[0]
        defer { machine.stop() }
        engine.refuseWrites(Self.full)
        for _ in 0..<3 {
            machine.session.engineIsBack()
            guard case .failure(.unavailable) = machine.askAgain().wait() else {
                Issue.record("a token")
                return
            }
            let shared = machine.session.status.shared
            #expect(
                shared?.link == .readOnly && shared?.problem == "full (alarm NOSPACE)" && shared?.remedy == "Make room."
            )
        }
        #expect(api.attempts == 0 && machine.saidNews == [.readOnly(Self.full)])
        #expect(machine.session.status.advice?.contains("can be asked, and not told (full (alarm NOSPACE))") == true)
        engine.refuseWrites(nil)
        machine.session.engineIsBack()
        #expect(try machine.askAgain().wait().get() == TestAPI.token(1))
        #expect(machine.session.status.shared?.link == .open)
        #expect(machine.saidNews == [.readOnly(Self.full), .writable])
    }

    /// Nobody may have anything to write: that room was made is found without a refresh.
    @Test func engineThatRefusedWritesIsAskedAgain() throws {
        let seal = try SharedSamples.seal(1)
        var observations = SharedObservations(engine: "etcd", name: "menu")
        #expect(observations.answered() == nil && observations.refusedWrite(Self.full, 0) == .readOnly(Self.full))
        let machine = try fleet(1)[0]
        machine.stop()
        let (value, identity) = (try #require(engine.value), try #require(machine.savedIdentity))
        var core = SharedCore(
            SharedState(me: "host/1/a", held: .tokens(identity), timing: SharedTiming(takeover: .seconds(40))),
            SharedValues(seal: seal, origin: TestMachine.origin, keyFile: "k", place: TestMachine.place),
            observations
        )
        core.local = try #require(machine.saved)
        let due = try #require(core.wakeAt)
        // Nothing was read that could be compared with.
        #expect(core.timePassed(now: due).isEmpty)
        _ = core.watched(.changed(value), now: due)
        guard case .probe(value)? = core.timePassed(now: 2 * due).first else {
            Issue.record("it is not asked")
            return
        }
        #expect(core.probed(.failed(Self.full), now: 2 * due).isEmpty)
        #expect(core.status(now: 2 * due).link == .readOnly && core.wakeAt == 3 * due)
        let told = core.probed(.conflict(value), now: 3 * due)
        #expect(told.contains { if case .tell(.writable) = $0 { true } else { false } })
        #expect(core.status(now: 3 * due).link == .open && core.wakeAt == nil)
    }

    /// An engine that cannot be read cannot be written: that is one trouble.
    @Test func engineThatIsAwayRefusesNothing() {
        var observations = SharedObservations(engine: "etcd", name: "menu")
        let away = SharedStoreFailure(.unreachable, "away")
        _ = observations.answered()
        #expect(observations.refusedWrite(away, 0) == .unreachable(away) && observations.probeAt == nil)
        #expect(observations.refusedWrite(Self.full, 0) == .unreachable(Self.full))
        #expect(
            observations.answered() == .reachable && observations.refusedWrite(Self.full, 0) == .readOnly(Self.full)
        )
        #expect(observations.failed(away) == .unreachable(away) && observations.probeAt == nil)
        #expect(observations.status(nil, revision: nil, problem: nil, now: 0).link == .lost)
    }

    // MARK: A session of this machine's own

    /// It was about to become that of all, and another customer's came first: it is this machine's own again.
    @Test func sessionThatDoesNotJoinIsNotUnshared() throws {
        let alices = MemoryEngine()
        let first = try TestMachine(alices, api)
        #expect(throws: Never.self) { try first.logIn(api.current).get() }
        first.stop()
        engine.refuseWrites(Self.full)
        let bobs = TestAPI.token(1, of: "bob")
        let machine = try TestMachine(engine, api, own: bobs)
        machine.wait { machine.session.status.shared?.unshared?.what == .token }
        #expect(!machine.session.status.isReady && machine.session.status.shared?.link == .readOnly)
        engine.put(alices.value)
        machine.wait { machine.saidNews.contains { if case .unusable = $0 { true } else { false } } }
        #expect(machine.session.status.shared?.problem?.contains("customer alice") == true)
        // What becomes of the file is no event that is told: it is done when the machine has stopped.
        machine.stop()
        #expect(machine.saved?.localHolding(in: TestMachine.place) == .own)
        #expect(machine.session.status.shared?.unshared == nil && machine.session.token == bobs)
    }

    /// Its token is used to its end, and why nobody refreshes it is said.
    @Test func ownSessionWithoutTheEngineSaysSo() throws {
        let machine = try TestMachine(engine, api, own: api.current, begins: false)
        defer { machine.stop() }
        machine.store.cut()
        machine.session.share()
        machine.wait { machine.session.status.shared?.isReachable == false }
        let status = machine.session.status
        #expect(status.isReady && status.shared?.unshared == nil)
        #expect(status.advice?.contains("cannot be asked (the link is cut)") == true)
        machine.store.mend()
        machine.wait { machine.savedIdentity?.era == 1 }
    }

    // MARK: Rows of the crash table

    /// Row c: a machine dies after its claim was written, and before it sent.
    @Test func claimOfADeadMachineIsTakenOver() throws {
        let machines = try fleet(2)
        defer { machines[1].stop() }
        let seal = try SharedSamples.seal(1)
        machines[0].stop()
        let before = try #require(engine.value)
        let record = try #require(SharedValue(before, seal).record)
        let busy = try #require(record.with(.busy(SharedClaim(id: .random(), by: "dead/1/a"))))
        engine.put(StoredValue(bytes: busy.bytes, revision: StoreRevision("other")))
        #expect(try machines[1].askAgain().wait().get() == TestAPI.token(1))
        #expect(machines[1].saidNews.contains(.takesOver(from: "dead/1/a")))
        #expect(api.attempts == 1 && machines[1].session.status.shared?.counts.takeovers == 1)
        // What it had is on its disk still, and it takes the other's up.
        let again = try TestMachine(engine, api, file: machines[0].file)
        defer { again.stop() }
        again.wait(for: TestAPI.token(1))
    }

    /// Row g: the answer to the write of the result is lost, and it was written or was not.
    @Test(arguments: [MemoryStore.Fate.written, .dropped]) func resultWhoseWriteIsUnclearIsShared(
        _ fate: MemoryStore.Fate
    ) throws {
        let machines = try fleet(2)
        defer { for machine in machines { machine.stop() } }
        api.during { machines[0].store.loseAnswer(fate) }
        #expect(try machines[0].askAgain().wait().get() == TestAPI.token(1))
        machines[1].wait(for: TestAPI.token(1))
        machines[0].wait { machines[0].session.status.shared?.unshared == nil }
        #expect(api.attempts == 1 && machines[0].savedIdentity == machines[1].savedIdentity)
    }

    /// The same, and then the machine dies: what it saved is shared by the next process there, or was.
    @Test(arguments: [MemoryStore.Fate.written, .dropped]) func resultWhoseWriteIsUnclearOutlivesItsMachine(
        _ fate: MemoryStore.Fate
    ) throws {
        let machines = try fleet(2)
        defer { machines[1].stop() }
        api.during {
            machines[0].store.loseAnswer(fate)
            machines[0].store.cutAfterLoss()
        }
        #expect(try machines[0].askAgain().wait().get() == TestAPI.token(1))
        machines[0].stop()
        let again = try TestMachine(engine, api, file: machines[0].file)
        defer { again.stop() }
        machines[1].wait(for: TestAPI.token(1))
        again.wait { again.session.status.shared?.unshared == nil && again.session.token == TestAPI.token(1) }
        #expect(api.attempts == 1 && again.savedIdentity == machines[1].savedIdentity)
    }

    /// Somebody removes the lock file once the claim is written: another process of this machine can lock a new one.
    @Test func nothingIsSentUnderALockThatIsGone() throws {
        let machine = try TestMachine(engine, api)
        defer { machine.stop() }
        #expect(throws: Never.self) { try machine.logIn(api.current).get() }
        let lock = machine.file.path + ".lock"
        engine.atNextWrite { unlink(lock) }
        let isInPlace = Guarded(false)
        api.during { isInPlace.with { $0 = access(lock, F_OK) == 0 } }
        #expect(try machine.askAgain().wait().get() == TestAPI.token(1))
        #expect(isInPlace.with { $0 } && api.attempts == 1)
    }
}
