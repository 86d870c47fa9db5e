import Platform
import TestFiles
import Testing
import Threads

@testable import Credentials

/// Several sessions of one process on one file are one session to people. No file is watched here: whatever a session knows of
/// the other, that has told it.
@Suite struct SessionGroupTests {
    private final class Source: TokenSource {
        let (spends, startsAlone) = (true, false)

        func get(_ held: HeldTokens) -> TokenOutcome { .obtained(TokenSet(accessToken: makeToken("refreshed"))) }
    }

    private let directory = TestDirectory.make()
    private let group = SessionGroup()
    private let events = Guarded<[String]>([])

    /// A session on the file, by that way to its directory. `hears` is called before a token becomes the session's.
    private func make(
        _ way: String = "",
        of origin: String = "https://api.example.com",
        hears: @escaping @Sendable (Token?) -> Void = { _ in }
    ) throws -> Session {
        try Session(
            file: SessionFile(path: directory + way + "/s.json"),
            source: Source(),
            binding: SessionBinding(origin: origin),
            group: group,
            emit: { [events] event in events.with { $0.append("\(event)".prefix { $0.isLetter }.description) } },
            tell: { if case .publishes(let publication) = $0 { hears(publication.token) } }
        )
    }

    /// Nothing can be saved while a directory is in the place of the lock.
    private func preventSaving() {
        unlink(directory + "/s.json.lock")
        mkdir(directory + "/s.json.lock", 0o700)
    }

    private func logIn(_ session: Session, _ token: Token) {
        let done = Latch<Bool>()
        session.adopt(TokenSet(accessToken: token), .signIn, keepsUnsaved: true) { _ in done.set(true) }
        _ = done.wait()
    }

    @Test func aLoginAndALogoutReachTheOthersBeforeAnybodyIsTold() throws {
        let (one, other) = (try make(), try make())
        let third = try make("/.")
        let token = makeToken("a")
        let seen = Latch<[Token?]>()
        one.adopt(TokenSet(accessToken: token), .signIn) { _ in seen.set([one.token, other.token, third.token]) }
        #expect(seen.wait() == [token, token, token])
        let after = Latch<[Token?]>()
        other.forget { _ in after.set([one.token, other.token, third.token]) }
        #expect(after.wait() == [nil, nil, nil])
    }

    @Test func aRefreshReachesTheOthersBeforeAnybodyIsTold() throws {
        let (one, other) = (try make(), try make())
        logIn(one, makeToken("a"))
        let seen = Latch<Token?>()
        one.refreshNow(cause: .manual) { _ in seen.set(other.token) }
        #expect(seen.wait() == makeToken("refreshed"))
    }

    @Test func whatCannotBeSavedReachesTheOthersToo() throws {
        let (one, other) = (try make(), try make())
        logIn(one, makeToken("a"))
        preventSaving()
        logIn(one, makeToken("b"))
        #expect([one.token, other.token] == [makeToken("b"), makeToken("b")])
        #expect(other.status.unsaved != nil)
        // The other way, over what is not saved.
        logIn(other, makeToken("c"))
        #expect([one.token, other.token] == [makeToken("c"), makeToken("c")])
        let forgotten = Latch<Bool>()
        one.forget { _ in forgotten.set(true) }
        _ = forgotten.wait()
        #expect([one.token, other.token] == [nil, nil])
        logIn(one, makeToken("d"))
        rmdir(directory + "/s.json.lock")
        logIn(other, makeToken("e"))
        #expect([one.token, other.token] == [makeToken("e"), makeToken("e")])
        #expect([one.status.unsaved, other.status.unsaved] == [nil, nil])
    }

    /// Another API's session is not used, another file's neither, and one that a reload replaced rests.
    @Test func othersStayAsTheyAre() throws {
        let one = try make()
        mkdir(directory + "/elsewhere", 0o700)
        let (foreign, distant) = (try make(of: "https://other.example.com"), try make("/elsewhere"))
        let former = try make()
        former.retire()
        logIn(one, makeToken("a"))
        #expect([foreign.token, distant.token, former.token] == [nil, nil, nil])
    }

    /// A client's sign-in that began before a reload ends after it: in the session of before.
    @Test func aSessionOfBeforeAReloadTellsItsSuccessor() throws {
        let former = try make()
        logIn(former, makeToken("a"))
        let next = try make()
        former.retire()
        let seen = Latch<Token?>()
        former.adopt(TokenSet(accessToken: makeToken("b")), .signIn, keepsUnsaved: true) { _ in seen.set(next.token) }
        #expect(seen.wait() == makeToken("b"))
    }

    @Test func eachTellsOnce() throws {
        let (one, other) = (try make(), try make())
        logIn(one, makeToken("a"))
        #expect(other.token == makeToken("a"))
        #expect(events.with { $0.sorted() } == ["adopted", "loggedIn"])
    }

    /// The file cannot say which is later. The first one here becomes the session's after the second one, and is told of that
    /// meanwhile.
    @Test func ofTwoLoginsAtOnceThatCannotBeSavedTheLaterCounts() throws {
        let (first, second) = (makeToken("first"), makeToken("second"))
        let (firstBegins, secondIsThere) = (Latch<Bool>(), Latch<Bool>())
        let one = try make()
        // Follows before `other` does.
        let witness = try make { if $0 == second { secondIsThere.set(true) } }
        let other = try make {
            guard $0 == first else { return }
            firstBegins.set(true)
            _ = secondIsThere.wait()
        }
        logIn(one, makeToken("a"))
        preventSaving()
        let (firstEnds, secondEnds) = (Latch<Bool>(), Latch<Bool>())
        other.adopt(TokenSet(accessToken: first), .signIn, keepsUnsaved: true) { _ in firstEnds.set(true) }
        _ = firstBegins.wait()
        one.adopt(TokenSet(accessToken: second), .signIn, keepsUnsaved: true) { _ in secondEnds.set(true) }
        _ = (firstEnds.wait(), secondEnds.wait())
        #expect([one.token, witness.token, other.token] == [second, second, second])
    }

    /// A change between the moments at which a session reads the file and is told of changes.
    @Test func aSessionThatIsOpenedMissesNoChange() throws {
        let one = try make()
        logIn(one, makeToken("a"))
        let next = try make { [self] in if $0 == makeToken("a") { logIn(one, makeToken("b")) } }
        #expect(next.token == makeToken("b"))
    }

    @Test func aSessionThatIsOpenedUsesWhatCouldNotBeSaved() throws {
        let one = try make()
        logIn(one, makeToken("a"))
        preventSaving()
        logIn(one, makeToken("b"))
        #expect(try make().token == makeToken("b"))
    }
}
