import TestFiles
import Testing
import Threads

@testable import Credentials

/// What ends at its source after a client's own sign-out.
@Suite struct EndingTests: SourceSuite {
    /// A source that is asked to end tokens, and does not answer before it may.
    private final class SlowSource: TokenSource {
        let spends = true
        let isAsked = Latch<HeldTokens>()
        let mayAnswer = Latch<Bool>()

        func canGet(with held: HeldTokens) -> Bool { held.refreshToken != nil }
        func get(_ held: HeldTokens) -> TokenOutcome { .unreachable(reason: "not asked for") }
        func response(bringing token: Token, _ refreshToken: Token?) -> RefreshResponse {
            RefreshResponse(token: token, body: [], contentType: "text/plain")
        }
        func end(_ held: HeldTokens) -> String? {
            isAsked.set(held)
            _ = mayAnswer.wait()
            return "the server is slow"
        }
    }

    @Test func aLoginWaitsForNoEndingOfTheFormer() throws {
        let source = SlowSource()
        let file = Self.file()
        let session = try Self.session(source, file)
        Self.adopt(session, Self.set("a", "r1"))
        let principal = try #require(try file.load()?.record.principal)
        let signedOut: Result<Void, SessionFileError> = Latch.awaiting { session.signOut(principal, completion: $0) }
        try signedOut.get()
        #expect(source.isAsked.wait() == HeldTokens(accessToken: Self.token("a"), refreshToken: Self.token("r1")))
        // Returns when it is saved.
        Self.adopt(session, Self.set("b", "r2"))
        #expect(session.token == Self.token("b"))
        // What is not over in time is said as what it is. The session's other thread has time for its last look at the file.
        guard case .ending? = session.end(timeout: .seconds(1)) else { return #expect(Bool(false)) }
        source.mayAnswer.set(true)
    }
}
