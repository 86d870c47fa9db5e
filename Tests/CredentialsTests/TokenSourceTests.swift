import Platform
import Support
import TestFiles
import Testing
import Threads

@testable import Credentials

/// Sessions whose source is not one token that refreshes itself.
@Suite struct TokenSourceTests {
    /// Answers from a list, and remembers what it was asked with.
    private final class ListedSource: TokenSource {
        let spends: Bool
        let startsAlone: Bool
        private let shared: Guarded<(outcomes: [TokenOutcome], calls: [HeldTokens])>

        init(_ outcomes: [TokenOutcome], spends: Bool = true, startsAlone: Bool = false) {
            self.spends = spends
            self.startsAlone = startsAlone
            shared = Guarded((outcomes, []))
        }

        func canGet(with held: HeldTokens) -> Bool { startsAlone || held.refreshToken != nil }

        func response(bringing token: Token, _ refreshToken: Token?) -> RefreshResponse {
            let text = "\(token.value) and \(refreshToken?.value ?? "none")"
            return RefreshResponse(token: token, body: Array(text.utf8), contentType: "text/plain")
        }

        func get(_ held: HeldTokens) -> TokenOutcome {
            shared.with { shared in
                shared.calls.append(held)
                return shared.outcomes.isEmpty ? .unreachable(reason: "no more") : shared.outcomes.removeFirst()
            }
        }

        var calls: [HeldTokens] { shared.with { $0.calls } }
    }

    private struct StillClock: CredentialClock {
        func elapsed() -> Int64 { 0 }
        func wall() -> Int { 1_000_000 }
    }

    private static func file() -> SessionFile {
        SessionFile(path: TestDirectory.make() + "/s.json")
    }

    private static func token(_ text: String) -> Token { Token(text)! }

    private static func set(_ access: String, _ refresh: String? = nil, expiresIn: Int? = nil) -> TokenSet {
        TokenSet(accessToken: token(access), refreshToken: refresh.map(token), expiresIn: expiresIn)
    }

    private static func gain(_ session: Session, _ gain: Session.Gain) -> Result<Void, SessionFileError> {
        Latch.awaiting { done in
            session.adopt(.signIn, replacing: .ofThisCustomer(agreed: nil), spending: { gain }, completion: done)
        }
    }

    private static func session(
        _ source: any TokenSource,
        _ file: SessionFile? = nil,
        binding: SessionBinding? = nil
    ) throws -> Session {
        try Session(
            file: file,
            source: source,
            policy: RefreshPolicy(margin: .seconds(30)),
            binding: binding,
            clock: StillClock()
        )
    }

    private static func adopt(_ session: Session, _ tokens: TokenSet) {
        let latch = Latch<Bool>()
        session.adopt(tokens, .signIn) { _ in latch.set(true) }
        _ = latch.wait()
    }

    /// Of a route of its own for each generation: none waits for what becomes of another that led.
    private static func ask(_ session: Session, rejecting: Generation? = nil) -> Grant {
        let latch = Latch<Grant>()
        let rejection = rejecting.map { Rejection(generation: $0) }
        session.credential(for: Inquiry(route: rejecting ?? 0, rejection: rejection)) { latch.set($0) }
        return latch.wait()
    }

    // MARK: A refresh token of its own

    /// The session that a reload has opened does that work.
    @Test func retiredSessionAsksForNothingByItself() throws {
        let tokens = [makeToken("one"), makeToken("two")].map { TokenOutcome.obtained(TokenSet(accessToken: $0)) }
        for isRetired in [false, true] {
            let source = ListedSource(tokens, spends: false, startsAlone: true)
            let policy = RefreshPolicy(margin: .zero, keepAlive: .seconds(3600))
            let session = try Session(file: nil, source: source, policy: policy, clock: StillClock())
            if isRetired { session.retire() }
            session.sourceChanged()
            session.keepAlive()
            #expect(session.end(timeout: Duration.seconds(10)) == nil)
            #expect(source.calls.isEmpty == isRetired)
        }
    }

    @Test func refreshTokenIsSpentAndKeptWhereNoneComes() throws {
        let source = ListedSource([.obtained(Self.set("b")), .obtained(Self.set("c", "r2"))])
        let file = Self.file()
        let session = try Self.session(source, file)
        Self.adopt(session, Self.set("a", "r1"))
        guard case .use(let second, _) = Self.ask(session, rejecting: 1) else { return #expect(Bool(false)) }
        #expect(second.token == Self.token("b"))
        #expect(
            try file.load()?.record.held == HeldTokens(accessToken: Self.token("b"), refreshToken: Self.token("r1"))
        )
        guard case .use(let third, _) = Self.ask(session, rejecting: 2) else { return #expect(Bool(false)) }
        #expect(third.token == Self.token("c"))
        #expect(source.calls.map(\.refreshToken) == [Self.token("r1"), Self.token("r1")])
        #expect(try file.load()?.record.refreshToken == Self.token("r2"))
    }

    /// The same access token with another refresh token: the new one is kept, and no generation begins.
    @Test func sameAccessTokenWithAnotherRefreshToken() throws {
        let source = ListedSource([.obtained(Self.set("a", "r2", expiresIn: 900))])
        let file = Self.file()
        let session = try Self.session(source, file)
        Self.adopt(session, Self.set("a", "r1", expiresIn: 60))
        guard case .failed(.unchanged) = Self.ask(session, rejecting: 1) else { return #expect(Bool(false)) }
        #expect(session.generation == 1 && session.status.expiresIn == 900)
        #expect(try file.load()?.record.refreshToken == Self.token("r2"))
        #expect(session.status.lastRefresh?.outcome == .unchanged)
    }

    /// A sibling rotated: told by what it holds, though the access token is the same. What it spent is not spent again.
    @Test func siblingsRotationIsAdoptedByWhatIsSpent() throws {
        let source = ListedSource([.obtained(Self.set("z"))])
        let file = Self.file()
        let session = try Self.session(source, file)
        Self.adopt(session, Self.set("a", "r1"))
        var record = try #require(try file.load()).record
        record.put(Self.set("a", "r2"), .refresh, now: 1_000_000)
        try file.save(record)
        guard case .use(let credential, _) = Self.ask(session, rejecting: 1) else { return #expect(Bool(false)) }
        #expect(credential.token == Self.token("z"))
        #expect(source.calls.map(\.refreshToken) == [Self.token("r2")])
    }

    /// Who asked for a refresh by name gets a sibling's tokens in the form of the API's own response.
    @Test func siblingsTokensAreToldAsTheSourceTellsThem() throws {
        let source = ListedSource([])
        let file = Self.file()
        let session = try Self.session(source, file)
        Self.adopt(session, Self.set("a", "r1"))
        guard let holder = try file.tryLock() else { return #expect(Bool(false)) }
        let latch = Latch<Result<RefreshResponse, CredentialFailure>>()
        session.refreshNow(cause: .client) { latch.set($0) }
        var record = try #require(try file.load()).record
        record.put(Self.set("b", "r2"), .refresh, now: 1_000_000)
        try file.save(record)
        holder.unlock()
        let response = try latch.wait().get()
        #expect(response.token == Self.token("b") && String(decoding: response.body, as: UTF8.self) == "b and r2")
        #expect(source.calls.isEmpty)
    }

    @Test func refusalHoldsForWhatWasSpent() throws {
        let source = ListedSource([.refused(reason: "invalid_grant", status: 400), .obtained(Self.set("c", "r3"))])
        let file = Self.file()
        let session = try Self.session(source, file)
        Self.adopt(session, Self.set("a", "r1"))
        guard case .failed(.loginNeeded) = Self.ask(session, rejecting: 1) else { return #expect(Bool(false)) }
        var record = try #require(try file.load()).record
        #expect(record.isRefreshDenied && record.held.spent == Self.token("r1"))
        // Another refresh token is another matter, whoever put it there.
        record.put(Self.set("b", "r2"), .refresh, now: 1_000_000)
        try file.save(record)
        session.recheckNow()
        #expect(!session.snapshot.record.isRefreshDenied)
        guard case .use(let credential, _) = Self.ask(session, rejecting: session.generation) else {
            return #expect(Bool(false))
        }
        #expect(credential.token == Self.token("c"))
    }

    @Test func refreshTokenAloneIsASession() throws {
        let file = Self.file()
        var record = SessionRecord()
        record.putRefreshToken(Self.token("r1"), now: 1_000_000)
        try file.save(record)
        let source = ListedSource([.obtained(Self.set("a", "r2"))])
        let session = try Self.session(source, file)
        #expect(session.status.state == .usable)
        guard case .use(let credential, _) = Self.ask(session) else { return #expect(Bool(false)) }
        #expect(credential.token == Self.token("a") && source.calls.first?.accessToken == nil)
        #expect(
            try file.load()?.record.held == HeldTokens(accessToken: Self.token("a"), refreshToken: Self.token("r2"))
        )
    }

    /// It was spent, and what came with it cannot be used: the refresh token is saved, the access token stays.
    @Test func uselessTokensAreSavedAndNotUsed() throws {
        let source = ListedSource([
            .misconfigured(reason: "token_type is DPoP", tokens: UnusableTokens(Self.set("x", "r2")))
        ])
        let file = Self.file()
        let session = try Self.session(source, file)
        Self.adopt(session, Self.set("a", "r1"))
        guard case .failed(.misconfigured(let reason, let pause)) = Self.ask(session, rejecting: 1) else {
            return #expect(Bool(false))
        }
        #expect(reason.contains("DPoP. The refresh token that came is kept") && pause == 60)
        #expect(
            try file.load()?.record.held == HeldTokens(accessToken: Self.token("a"), refreshToken: Self.token("r2"))
        )
        #expect(session.token == Self.token("a"))
    }

    /// What a login gave for it is spent: it is a session, and what came with it is not saved.
    @Test(arguments: [false, true]) func refreshTokenOfALoginIsKeptWithoutAnAccessToken(_ isFirst: Bool) throws {
        let file = Self.file()
        let source = ListedSource([.obtained(Self.set("b", "r3"))])
        let session = try Self.session(source, file)
        if !isFirst { Self.adopt(session, Self.set("a", "r1")) }
        try Self.gain(session, .refreshToken(Self.token("r2"), expiresIn: 60, useless: nil, reason: "no token")).get()
        let record = try #require(try file.load()).record
        #expect(record.held == HeldTokens(refreshToken: Self.token("r2")) && record.unanswered == nil)
        #expect(record.refreshExpiresAt == 1_000_060 && record.lastRefresh?.detail == "no token")
        #expect(file.previous()?.token == (isFirst ? nil : Self.token("a")))
        guard case .use(let credential, _) = Self.ask(session) else { return #expect(Bool(false)) }
        #expect(credential.token == Self.token("b"))
        #expect(source.calls == [HeldTokens(refreshToken: Self.token("r2"))])
    }

    /// The access token beside it cannot be used, but says whose the refresh token is.
    @Test func refreshTokenOfAnotherCustomerReplacesNothing() throws {
        let file = Self.file()
        let session = try Self.session(ListedSource([]), file)
        // Their subjects are alice and bob.
        let (alice, bob) = (Self.token("e30.eyJzdWIiOiJhbGljZSJ9.c2ln"), Self.token("e30.eyJzdWIiOiJib2IifQ.c2ln"))
        Self.adopt(session, TokenSet(accessToken: alice, refreshToken: Self.token("r1")))
        let gain = Session.Gain.refreshToken(Self.token("r2"), expiresIn: nil, useless: bob, reason: "it is DPoP")
        guard case .failure(let error) = Self.gain(session, gain) else { return #expect(Bool(false)) }
        #expect(error.isRefusal)
        #expect(try file.load()?.record.held == HeldTokens(accessToken: alice, refreshToken: Self.token("r1")))
    }

    @Test func accessTokenAloneCannotBeRefreshed() throws {
        let source = ListedSource([])
        let session = try Self.session(source)
        Self.adopt(session, Self.set("a"))
        guard case .failed(.notRefreshable) = Self.ask(session, rejecting: 1) else { return #expect(Bool(false)) }
        #expect(source.calls.isEmpty)
    }

    // MARK: Sources that need nobody

    @Test func mintedWithoutALogin() throws {
        let source = ListedSource([.obtained(Self.set("a", expiresIn: 60))], spends: false, startsAlone: true)
        let file = Self.file()
        let session = try Self.session(source, file)
        #expect(session.status.state == .starting && !session.status.isReady)
        guard case .use(let credential, _) = Self.ask(session) else { return #expect(Bool(false)) }
        #expect(credential.token == Self.token("a") && session.status.isReady)
        #expect(try file.load()?.record.token == Self.token("a"))
        // Another process takes it from there.
        let other = try Self.session(ListedSource([], spends: false, startsAlone: true), file)
        #expect(other.token == Self.token("a"))
    }

    /// Another process is told that none could be had, and leaves the issuer alone for as long as it asked for.
    @Test func failureWithoutATokenIsKept() throws {
        let source = ListedSource(
            [.unavailable(reason: "status 503", retryAfter: 600)],
            spends: false,
            startsAlone: true
        )
        let file = Self.file()
        guard case .failed(.unavailable) = Self.ask(try Self.session(source, file)) else { return #expect(Bool(false)) }
        let unasked = ListedSource([], spends: false, startsAlone: true)
        let other = try Self.session(unasked, file)
        #expect(other.status.state == .starting && other.status.isFailing)
        #expect(other.status.advice?.contains("status 503") == true && other.status.retryIn ?? 0 > 590)
        guard case .failed(.unavailable) = Self.ask(other) else { return #expect(Bool(false)) }
        #expect(unasked.calls.isEmpty)
        // A person need not wait.
        let asked = try Self.session(ListedSource([.obtained(Self.set("a"))], spends: false, startsAlone: true), file)
        asked.endPause()
        guard case .use = Self.ask(asked) else { return #expect(Bool(false)) }
    }

    @Test func mintedWhereNothingCanBeSaved() throws {
        let outcomes = ["a", "b"].map { TokenOutcome.obtained(Self.set($0)) }
        let source = ListedSource(outcomes, spends: false, startsAlone: true)
        let session = try Self.session(source, SessionFile(path: "/proc/none/s.json"))
        guard case .use(let first, _) = Self.ask(session) else { return #expect(Bool(false)) }
        guard case .use(let second, _) = Self.ask(session, rejecting: first.generation) else {
            return #expect(Bool(false))
        }
        #expect(second.token == Self.token("b") && session.status.unsaved == nil && session.status.isReady)
    }

    /// The lock can be had, and nothing can be written: what lies in the file is nobody's news.
    @Test func mintedWhereNothingCanBeSavedAnyMore() throws {
        let outcomes = ["a", "b", "c"].map { TokenOutcome.obtained(Self.set($0)) }
        let source = ListedSource(outcomes, spends: false, startsAlone: true)
        let file = Self.file()
        let session = try Self.session(source, file)
        guard case .use(let first, _) = Self.ask(session) else { return #expect(Bool(false)) }
        try #require(mkdir(file.temporaryPath, 0o700) == 0)
        for (generation, token) in [(first.generation, "b"), (first.generation + 1, "c")] {
            guard case .use(let next, _) = Self.ask(session, rejecting: generation) else { return #expect(Bool(false)) }
            #expect(next.token == Self.token(token))
        }
        #expect(source.calls.count == 3)
        #expect(try file.load()?.record.token == Self.token("a"))
    }

    @Test func neverAgainWhatWasLost() throws {
        let outcomes: [TokenOutcome] = [.lost(reason: "cut"), .obtained(Self.set("b", "r2"))]
        for isKilled in [false, true] {
            let source = ListedSource(outcomes)
            let file = Self.file()
            var record = SessionRecord()
            record.put(Self.set("a", "r1"), .signIn, now: 1_000_000)
            if isKilled { record.unanswered = .init(at: 1, reason: "Squire was stopped before it came") }
            try file.save(record)
            let policy = RefreshPolicy(retriesLost: false)
            let session = try Session(file: file, source: source, policy: policy, clock: StillClock())
            guard case .failed(.loginNeeded(let reason)) = Self.ask(session, rejecting: 1) else {
                return #expect(Bool(false))
            }
            #expect(reason?.contains("session.retry-lost: never forbids to send the token once more") == true)
            _ = Self.ask(session, rejecting: 1)
            #expect(source.calls.count == (isKilled ? 0 : 1))
            let saved = try #require(try file.load()).record
            #expect(saved.isRefreshDenied && saved.lastRefresh?.outcome == .lost)
            // It says what happened: the API has refused nothing.
            let status = session.status
            let advice = try #require(status.advice)
            #expect(status.failures.map(\.outcome) == ["lost"] && !advice.contains("refused"))
        }
    }

    /// A logout has the file locked, and forgets what has been ended only.
    @Test(arguments: [true, false]) func logoutsEndWhatIsHeld(_ isEnded: Bool) throws {
        let file = Self.file()
        let session = try Self.session(ListedSource([]), file)
        Self.adopt(session, Self.set("a", "r1"))
        let (asked, done) = (Guarded<[HeldTokens]>([]), Latch<Bool>())
        session.forget(
            ending: { held in
                asked.with { $0.append(held) }
                let isFree = (try? file.tryLock()) ?? nil != nil
                #expect(!isFree)
                return isEnded
            },
            completion: { _ in done.set(true) }
        )
        _ = done.wait()
        #expect(asked.with { $0 } == [HeldTokens(accessToken: Self.token("a"), refreshToken: Self.token("r1"))])
        #expect((try file.load()?.record.isEmpty) == isEnded)
    }

    @Test func lostAnswersAreNotAskedForTwice() throws {
        let outcomes: [TokenOutcome] = [.lost(reason: "cut"), .obtained(Self.set("a"))]
        let source = ListedSource(outcomes, spends: false, startsAlone: true)
        let session = try Self.session(source)
        guard case .failed(.unavailable) = Self.ask(session) else { return #expect(Bool(false)) }
        #expect(source.calls.count == 1 && session.snapshot.record.unanswered == nil)
    }

    // MARK: Whose it is

    @Test func recordOfAnotherSourceIsNeitherUsedNorTouched() throws {
        let file = Self.file()
        let oauth = SessionBinding(origin: "https://a", source: .oauth, issuer: "https://login", clientID: "one")
        let first = try Self.session(ListedSource([]), file, binding: oauth)
        Self.adopt(first, Self.set("a", "r1"))
        let before = try #require(try file.load()).record
        for (source, issuer, client) in [
            (SessionBinding.Source.recipe, "https://login", "one"), (.oauth, "https://other", "one"),
            (.oauth, "https://login", "two"),
        ] {
            let binding = SessionBinding(origin: "https://a", source: source, issuer: issuer, clientID: client)
            let session = try Self.session(ListedSource([.obtained(Self.set("x"))]), file, binding: binding)
            #expect(session.token == nil && session.status.state == .none)
            #expect(session.status.advice?.contains("made by oauth client one at https://login") == true)
            guard case .failed(.loginNeeded) = Self.ask(session) else { return #expect(Bool(false)) }
            #expect(try file.load()?.record == before)
        }
        // Back again, it is found.
        #expect(try Self.session(ListedSource([]), file, binding: oauth).token == Self.token("a"))
        // A source that needs nobody goes on without it, and leaves it there.
        let minting = ListedSource([.obtained(Self.set("m"))], spends: false, startsAlone: true)
        let binding = SessionBinding(origin: "https://a", source: .exec)
        let session = try Self.session(minting, file, binding: binding)
        guard case .use(let credential, _) = Self.ask(session) else { return #expect(Bool(false)) }
        #expect(credential.token == Self.token("m"))
        #expect(try file.load()?.record == before)
    }

    // MARK: Lives

    @Test func unknownLifeIsNeverRefreshedAhead() throws {
        var state = CredentialState(policy: RefreshPolicy(margin: .seconds(300)), canRefresh: true)
        var record = SessionRecord()
        record.put(Self.set("opaque", "r"), .signIn, now: 1_000_000)
        state.publish(record, canRefresh: true, now: Instant(elapsed: 0, wall: 1_000_000))
        #expect(state.usableUntil == .max)
        // Opaque, with a life of five minutes and a margin as long: a tenth of it.
        record.put(Self.set("other", "r2", expiresIn: 300), .refresh, now: 1_000_000)
        state.publish(record, canRefresh: true, now: Instant(elapsed: 0, wall: 1_000_000))
        #expect(state.usableUntil == 270 * 1_000_000_000)
    }

    @Test func mistakesBackOffForMinutesAndEndWhenMended() {
        var state = CredentialState(policy: RefreshPolicy(), canRefresh: true, spends: false)
        for pause in [60, 120, 240, 300, 300] {
            let flight = state.beginRefresh()
            let verdict = CredentialState.Verdict.failed(.misconfigured("key"), retryAfter: nil, jitter: 0.9)
            let failure = state.endRefresh(replacing: flight ?? .max, verdict, now: 0)
            #expect(failure == .misconfigured("key", retryAfter: pause))
        }
        #expect(state.decide(Inquiry(), now: 0) == .fail(.misconfigured("key", retryAfter: 300)))
        // Whoever asks by name may have mended it.
        #expect(state.refreshIsBarred(now: 0) == nil)
        state.endMistake()
        #expect(state.decide(Inquiry(), now: 0) == .start(after: 0))
    }
}
