import Credentials
import Platform
import TestFiles
import Testing
import Threads

@testable import SharedSession

/// Machines that come back with something else than what the others have.
@Suite(.timeLimit(.minutes(1))) struct SharedWishTests {
    private let engine = MemoryEngine()
    private let api = TestAPI()

    /// A machine whose file knows of era 1, and another that has logged in three times since.
    private func apart() throws -> (behind: TestMachine, ahead: TestMachine) {
        let behind = try TestMachine(engine, api)
        #expect(throws: Never.self) { try behind.logIn(api.current).get() }
        behind.stop()
        let ahead = try TestMachine(engine, api)
        ahead.wait(for: api.current)
        for number in 20...22 { #expect(throws: Never.self) { try ahead.logIn(TestAPI.token(number)).get() } }
        let again = try TestMachine(engine, api, file: behind.file, begins: false)
        again.store.cut()
        return (again, ahead)
    }

    /// A person logs in where the engine is away, and another process shares it when it is back.
    @Test(arguments: [true, false]) func aLoginThatWaitedIsTheSessionOfAll(_ runs: Bool) throws {
        let (behind, ahead) = try apart()
        defer { ahead.stop() }
        #expect(throws: Never.self) { try behind.logIn(TestAPI.token(30)).get() }
        behind.stop()
        #expect(behind.saved?.sharedNote(in: TestMachine.place).weight == .wish)
        let again = try TestMachine(engine, api, file: behind.file, begins: false)
        if runs {
            again.session.share()
        } else {
            again.session.look {}
        }
        ahead.wait(for: TestAPI.token(30))
        again.wait { again.saidNews.contains(.shared) }
        again.stop()
        #expect(again.saved?.isNotShared == false)
        #expect(again.session.token == TestAPI.token(30) && again.savedIdentity?.era == 5)
    }

    @Test func aLogoutThatWaitedEndsTheSessionOfAll() throws {
        let (behind, ahead) = try apart()
        defer { ahead.stop() }
        #expect(throws: Never.self) { try behind.logOut().get() }
        behind.stop()
        let again = try TestMachine(engine, api, file: behind.file)
        ahead.wait(for: nil)
        again.wait { again.saidNews.contains(.shared) }
        again.stop()
        #expect(again.saved?.isNotShared == false)
        guard case .shared(.ended(let end)) = again.saved?.localHolding(in: TestMachine.place) else {
            Issue.record("no logout in the file")
            return
        }
        #expect(end.era == 5)
    }

    /// The other's login was later, by the moments that both have.
    @Test func theLaterLoginStands() throws {
        let clock = ShiftedClock(wall: -3600)
        let first = try TestMachine(engine, api, sessionClock: clock, begins: false)
        first.store.cut()
        #expect(throws: Never.self) { try first.logIn(TestAPI.token(30)).get() }
        first.stop()
        let other = try TestMachine(engine, api)
        defer { other.stop() }
        for number in 20...22 {
            #expect(throws: Never.self) { try other.logIn(TestAPI.token(number)).get() }
        }
        let again = try TestMachine(engine, api, file: first.file)
        defer { again.stop() }
        again.wait(for: TestAPI.token(22))
        #expect(other.session.token == TestAPI.token(22))
    }

    /// The others logged in after the logout here, by the moments that both have.
    @Test func aLogoutThatWaitedEndsNoLaterLogin() throws {
        let clock = ShiftedClock(wall: -3600)
        let first = try TestMachine(engine, api, sessionClock: clock)
        #expect(throws: Never.self) { try first.logIn(api.current).get() }
        first.stop()
        let cut = try TestMachine(engine, api, file: first.file, sessionClock: clock, begins: false)
        cut.store.cut()
        #expect(throws: Never.self) { try cut.logOut().get() }
        cut.stop()
        #expect(cut.saved?.sharedNote(in: TestMachine.place).weight == .wish)
        let other = try TestMachine(engine, api)
        defer { other.stop() }
        for number in 20...22 {
            #expect(throws: Never.self) { try other.logIn(TestAPI.token(number)).get() }
        }
        let again = try TestMachine(engine, api, file: first.file)
        defer { again.stop() }
        again.wait(for: TestAPI.token(22))
        #expect(other.session.token == TestAPI.token(22))
    }

    /// It comes from another engine, where many logins were counted.
    @Test func anotherCustomersLoginIsNotReplacedByAHigherEra() throws {
        let (idle, ahead) = try apart()
        idle.stop()
        ahead.stop()
        engine.put(nil)
        let bobs = TestAPI.token(1, of: "bob")
        let fresh = try TestMachine(engine, api)
        defer { fresh.stop() }
        #expect(throws: Never.self) { try fresh.logIn(bobs).get() }
        let back = try TestMachine(engine, api, file: ahead.file)
        defer { back.stop() }
        back.wait { back.session.status.shared?.problem?.contains("customer bob") ?? false }
        #expect(back.session.token == TestAPI.token(22) && fresh.session.token == bobs)
        // A person decides.
        #expect(throws: Never.self) { try back.logIn(TestAPI.token(40), replacing: .any).get() }
        fresh.wait(for: TestAPI.token(40))
    }

    /// The engine was emptied, somebody logged in, and a machine returns with what is known to be over.
    @Test(arguments: [true, false]) func whatIsOverReplacesNoLogin(_ isLogout: Bool) throws {
        let (idle, ahead) = try apart()
        idle.stop()
        if isLogout {
            #expect(throws: Never.self) { try ahead.logOut().get() }
        } else {
            // Nobody knows the last token.
            _ = ahead.askAgain().wait()
            ahead.wait { ahead.saved?.isRefreshDenied ?? false }
        }
        ahead.stop()
        engine.put(nil)
        let fresh = try TestMachine(engine, api)
        defer { fresh.stop() }
        #expect(throws: Never.self) { try fresh.logIn(api.current).get() }
        let back = try TestMachine(engine, api, file: ahead.file)
        defer { back.stop() }
        back.wait(for: api.current)
        #expect(fresh.session.token == api.current && back.savedIdentity == fresh.savedIdentity)
        #expect(try back.askAgain().wait().get() == TestAPI.token(1))
        fresh.wait(for: TestAPI.token(1))
    }

    /// What a login took place of is gone: a machine that dies before it is shared knows that it waits.
    @Test func aDeedIsSavedAsOneThatWaits() throws {
        let machine = try TestMachine(engine, api)
        let waits = Guarded<Bool?>(nil)
        let file = machine.file
        engine.atNextWrite {
            let record = try? file.session()
            waits.with { $0 = record?.sharedNote(in: TestMachine.place).weight == .wish }
        }
        #expect(throws: Never.self) { try machine.logIn(api.current).get() }
        #expect(waits.with { $0 } == true && machine.saved?.isNotShared == false)
        machine.store.cut()
        #expect(throws: Never.self) { try machine.logOut().get() }
        machine.stop()
        #expect(machine.saved?.sharedNote(in: TestMachine.place).weight == .wish)
    }
}
