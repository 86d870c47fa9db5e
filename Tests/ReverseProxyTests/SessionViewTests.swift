import Support
import Synchronization
import TestFiles
import Testing
import Threads

@testable import Credentials
@testable import ReverseProxy

/// What a worker knows of the session without asking it.
@Suite struct SessionViewTests {
    private final class Clock: CredentialClock {
        private let seconds = Atomic<Int>(0)

        func set(_ second: Int) { seconds.store(second, ordering: .relaxed) }
        func elapsed() -> Int64 { Int64(seconds.load(ordering: .relaxed)) * 1_000_000_000 }
        func wall() -> Int { 1_000_000 + seconds.load(ordering: .relaxed) }
    }

    /// Brings its token when it is let go.
    private struct HeldSource: TokenSource {
        let spends = true
        let startsAlone = false
        let token: Token
        let mayAnswer = Latch<Bool>()

        func get(_ held: HeldTokens) -> TokenOutcome {
            _ = mayAnswer.wait()
            return .obtained(TokenSet(accessToken: token))
        }
    }

    private let clock = Clock()

    private func session(source: (any TokenSource)? = nil, file: SessionFile? = nil) throws -> Session {
        try Session(file: file, source: source, clock: clock)
    }

    private func view(_ session: Session) -> SessionView {
        SessionView(session, application: CredentialApplication(), clock: clock, secrets: .none)
    }

    private func adopt(_ token: Token, _ session: Session, expiresIn: Int? = nil) throws {
        let tokens = TokenSet(accessToken: token, expiresIn: expiresIn)
        try Latch.awaiting { session.adopt(tokens, .signIn, completion: $0) }.get()
    }

    private func token(_ text: String) throws -> Token { try #require(Token(text)) }

    private func line(_ text: String) -> [UInt8] { Array("Authorization: Bearer \(text)\r\n".utf8) }

    private func knows(_ secret: String, _ view: SessionView) -> Bool {
        Array(secret.utf8).withUnsafeBufferPointer { view.secrets.occur(in: $0) }
    }

    @Test func withoutATokenThereIsNoLine() throws {
        let session = try session()
        let view = view(session)
        #expect(view.credential(now: 1) == nil && view.notBefore(generation: 1) == nil)
        try adopt(try token("first-token"), session)
        #expect(view.credential(now: 2)?.line == line("first-token"))
        try Latch.awaiting { session.forget(completion: $0) }.get()
        #expect(view.credential(now: 3) == nil)
    }

    @Test func lineIsRenderedOnceForEachToken() throws {
        let session = try session()
        let view = view(session)
        try adopt(try token("first-token"), session)
        let first = try #require(view.credential(now: 1))
        #expect(view.credential(now: 2) === first && view.line(of: first.credential, now: 3) == line("first-token"))
        try adopt(try token("second-token"), session)
        let second = try #require(view.credential(now: 4))
        #expect(second.line == line("second-token") && second.credential.generation == first.credential.generation + 1)
        // A request that was granted the former one still sends that.
        #expect(view.line(of: first.credential, now: 5) == line("first-token"))
    }

    /// A client may still send the former one.
    @Test func everyTokenStaysSecret() throws {
        let session = try session()
        let view = view(session)
        for text in ["first-token", "second-token"] {
            try adopt(try token(text), session)
            #expect(!knows(text, view))
            _ = view.credential(now: 1)
            #expect(knows(text, view))
        }
        #expect(knows("first-token", view) && !knows("third-token", view))
    }

    @Test func credentialEndsWithItsTime() throws {
        let session = try session()
        let view = view(session)
        try adopt(try token("first-token"), session, expiresIn: 100)
        #expect(view.credential(now: 1) != nil)
        clock.set(99)
        #expect(view.credential(now: 2) != nil)
        clock.set(100)
        #expect(view.credential(now: 3) == nil)
    }

    /// Requests ask the session then: whether they may use it depends on their route.
    @Test func rejectedTokenThatIsBeingReplacedIsNotHandedOut() throws {
        let source = HeldSource(token: try token("second-token"))
        let session = try session(source: source)
        let view = view(session)
        try adopt(try token("first-token"), session)
        let first = try #require(view.credential(now: 1)?.credential)
        let granted = Latch<Bool>()
        let inquiry = Inquiry(route: 1, rejection: Rejection(generation: first.generation))
        #expect(session.credential(for: inquiry) { _ in granted.set(true) } == .ownRefresh)
        #expect(view.credential(now: 2) == nil)
        source.mayAnswer.set(true)
        _ = granted.wait()
        #expect(view.credential(now: 3)?.line == line("second-token"))
    }

    @Test func startOfATokenIsThatOfItsGeneration() throws {
        let session = try session()
        let claims = { (start: Int) in Base64URL.encode(Array(#"{"nbf":\#(start),"exp":\#(start + 60)}"#.utf8)) }
        try adopt(try token("e30.\(claims(1000)).c2ln"), session)
        let first = view(session)
        // Nobody has asked for the credential yet.
        #expect(first.notBefore(generation: session.generation) == 1000)
        _ = first.credential(now: 1)
        let before = session.generation
        try adopt(try token("e30.\(claims(2000)).c2ln"), session)
        // What the view holds is the former token until it looks.
        #expect(first.notBefore(generation: before) == 1000)
        #expect(first.notBefore(generation: before + 1) == 2000)
        _ = first.credential(now: 2)
        #expect(first.notBefore(generation: before) == nil && first.notBefore(generation: before + 2) == nil)
    }

    /// Another process replaces the token in the file. Nothing watches the file here.
    @Test func fileIsLookedAtTwiceASecond() throws {
        let file = SessionFile(path: TestDirectory.make() + "/s.json")
        let (session, other) = (try session(file: file), try session(file: file))
        let view = view(session)
        let start: UInt64 = 10_000_000_000
        /// What the view has when the look that it may have asked for is over.
        func credential(after nanoseconds: UInt64) -> [UInt8]? {
            _ = view.credential(now: start + nanoseconds)
            let isOver = Latch<Bool>()
            _ = session.thread.execute { isOver.set(true) }
            _ = isOver.wait()
            return view.credential(now: start + nanoseconds)?.line
        }
        #expect(credential(after: 0) == nil)
        try adopt(try token("first-token"), other)
        #expect(credential(after: 500_000_000) == nil)
        #expect(credential(after: 500_000_001) == line("first-token"))
        try adopt(try token("second-token"), other)
        #expect(credential(after: 1_000_000_001) == line("first-token"))
        #expect(credential(after: 1_000_000_002) == line("second-token"))
    }
}
