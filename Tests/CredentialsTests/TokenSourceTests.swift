import Testing
import Threads

@testable import Credentials

/// Sessions whose source is not one token that refreshes itself.
@Suite struct TokenSourceTests: SourceSuite {
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
