import TestFiles
import Testing
import Threads

@testable import Credentials

/// `session.retry-lost: never` is one configuration's rule, and no verdict of the issuer.
@Suite struct RetryLostTests {
    private final class Source: TokenSource {
        let (spends, startsAlone) = (true, false)
        private let outcomes: Guarded<[TokenOutcome]>

        init(_ outcomes: [TokenOutcome]) { self.outcomes = Guarded(outcomes) }

        func get(_ held: HeldTokens) -> TokenOutcome { outcomes.with { $0.removeFirst() } }
        var left: Int { outcomes.with { $0.count } }
    }

    private let file = SessionFile(path: TestDirectory.make() + "/s.json")

    private func open(_ source: Source, retriesLost: Bool) throws -> Session {
        try Session(file: file, source: source, policy: RefreshPolicy(retriesLost: retriesLost))
    }

    /// A request whose token was rejected.
    private func ask(_ session: Session) -> Token? {
        let latch = Latch<Token?>()
        session.credential(for: Inquiry(rejection: Rejection(generation: session.generation))) { grant in
            if case .use(let credential, _) = grant { latch.set(credential.token) } else { latch.set(nil) }
        }
        return latch.wait()
    }

    /// Who opens the file later, and who had it open before, sends the token once more; who has the rule adopts the result.
    @Test(arguments: [true, false]) func whoHasNotTheRuleTriesAgain(_ isOpenBefore: Bool) throws {
        var record = SessionRecord()
        record.put(TokenSet(accessToken: makeToken("old")), .signIn, now: SystemClock().wall())
        try file.save(record)
        let source = Source([.lost(reason: "cut"), .obtained(TokenSet(accessToken: makeToken("new")))])
        let before = isOpenBefore ? try open(source, retriesLost: true) : nil
        let careful = try open(source, retriesLost: false)
        #expect(ask(careful) == nil && ask(careful) == nil && source.left == 1)
        #expect(try file.load()?.record.isOnlyForbidden == true)
        #expect(try open(source, retriesLost: false).status.state == .loginNeeded)
        #expect(ask(try before ?? open(source, retriesLost: true)) == makeToken("new"))
        #expect(ask(careful) == makeToken("new") && source.left == 0)
    }

    @Test func aRefusalStaysOne() throws {
        var record = SessionRecord()
        record.put(TokenSet(accessToken: makeToken("old")), .signIn, now: SystemClock().wall())
        try file.save(record)
        let source = Source([.lost(reason: "cut"), .refused(reason: "status 401")])
        #expect(ask(try open(source, retriesLost: false)) == nil)
        let session = try open(source, retriesLost: true)
        #expect(ask(session) == nil && ask(session) == nil && source.left == 0)
        #expect(try file.load()?.record.isOnlyForbidden == false)
    }
}
