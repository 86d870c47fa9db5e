import Testing
import Threads

@testable import Credentials

/// Sessions with a refresh token beside the access token.
@Suite struct RefreshTokenTests: SourceSuite {
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
}
