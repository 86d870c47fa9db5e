import Credentials
import Platform
import Testing
import Threads

/// Who must know of a token knows it before anybody can use it.
@Suite struct SessionNewsTests {
    private final class Source: TokenSource {
        let (spends, startsAlone) = (true, false)

        func get(_ held: HeldTokens) -> TokenOutcome {
            .obtained(TokenSet(accessToken: Token("b.b.b")!, refreshToken: Token("spent")!, expiresIn: 60))
        }
    }

    /// What was told, and which generation was current then.
    private final class Ear: Sendable {
        private let heard = Guarded<[(news: SessionNews, current: Generation)]>([])
        private let session = Guarded<WeakSession?>(nil)

        private struct WeakSession: Sendable { weak var session: Session? }

        func attach(_ session: Session) { self.session.with { $0 = WeakSession(session: session) } }

        func hear(_ news: SessionNews) {
            // One load: nothing that locks.
            let current = session.with { $0?.session }?.generation ?? 0
            heard.with { $0.append((news, current)) }
        }

        var publications: [(Publication, current: Generation)] {
            heard.with { $0 }.compactMap { news, current in
                if case .publishes(let publication) = news { (publication, current) } else { nil }
            }
        }

        var refreshes: [Bool] {
            heard.with { $0 }.compactMap { news, _ in
                switch news {
                case .publishes: nil
                case .refreshBegins: true
                case .refreshEnds: false
                }
            }
        }
    }

    private func make(_ ear: Ear, _ numbers: GenerationNumbers = GenerationNumbers()) throws -> Session {
        let session = try Session(file: nil, source: Source(), numbers: numbers, tell: { ear.hear($0) })
        ear.attach(session)
        return session
    }

    private func log(in session: Session, _ token: String) {
        let done = Latch<Bool>()
        session.adopt(TokenSet(accessToken: Token(token)!), .signIn) { _ in done.set(true) }
        _ = done.wait()
    }

    @Test func aTokenIsToldBeforeItIsCurrent() throws {
        let ear = Ear()
        let session = try make(ear)
        log(in: session, "a.a.a")
        let refreshed = Latch<Bool>()
        session.refreshNow(cause: .manual) { _ in refreshed.set(true) }
        _ = refreshed.wait()
        let told = ear.publications
        #expect(told.map(\.0.generation) == [1, 2])
        #expect(told.map(\.current) == [0, 1])
        #expect(told.map(\.0.token?.value) == ["a.a.a", "b.b.b"])
        #expect(told.map(\.0.hand) == [.change, .refresh(.manual)])
        #expect(told.last?.0.refreshToken?.value == "spent")
        #expect(session.generation == 2)
        #expect(ear.refreshes == [true, false])
    }

    @Test func aLogoutIsTold() throws {
        let ear = Ear()
        let session = try make(ear)
        log(in: session, "a.a.a")
        let done = Latch<Bool>()
        session.forget { _ in done.set(true) }
        _ = done.wait()
        #expect(ear.publications.map(\.0.token?.value) == ["a.a.a", nil])
        #expect(ear.publications.map(\.0.generation) == [1, 2])
    }

    @Test func numbersGoOnWithAnotherSession() throws {
        let (ear, numbers) = (Ear(), GenerationNumbers())
        let first = try make(ear, numbers)
        log(in: first, "a.a.a")
        let second = try make(ear, numbers)
        // The same token is the same generation, whichever session has it.
        log(in: second, "a.a.a")
        #expect(second.generation == 1)
        log(in: second, "c.c.c")
        log(in: first, "d.d.d")
        #expect([first.generation, second.generation] == [3, 2])
    }
}
