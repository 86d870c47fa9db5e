import Platform
import Testing

@testable import Credentials

/// Sources that need nobody: they can give a token at any time.
@Suite struct MintedTokenTests: SourceSuite {
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

    /// One refresh in the whole time, whatever it brings.
    @Test func keepAliveCountsARefreshThatBringsTheSameToken() {
        let (hour, start) = (3600 as Int64, 1_000_000)
        let left = { (record: SessionRecord, after: Int) in
            let now = Instant(elapsed: 0, wall: start + after)
            return Session.keepAlivePause(record, hour * 1_000_000_000, now: now) / 1_000_000_000
        }
        var record = SessionRecord()
        record.put(Self.set("a", "r1"), .signIn, now: start)
        #expect(left(record, 0) == hour && left(record, 3599) == 1 && left(record, 3600) == 0)
        record.record(RefreshEntry(at: start + 3600, cause: .keepAlive, outcome: .unavailable))
        #expect(left(record, 3600) == 0)
        record.record(RefreshEntry(at: start + 4000, cause: .keepAlive, outcome: .unchanged))
        record.record(RefreshEntry(at: start + 4100, cause: .rejected, outcome: .unreachable))
        #expect(left(record, 4000) == hour && left(record, 7600) == 0)
        record.put(Self.set("b", "r2"), .refresh, now: start + 5000)
        #expect(left(record, 5000) == hour)
    }

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

    @Test func lostAnswersAreNotAskedForTwice() throws {
        let outcomes: [TokenOutcome] = [.lost(reason: "cut"), .obtained(Self.set("a"))]
        let source = ListedSource(outcomes, spends: false, startsAlone: true)
        let session = try Self.session(source)
        guard case .failed(.unavailable) = Self.ask(session) else { return #expect(Bool(false)) }
        #expect(source.calls.count == 1 && session.snapshot.record.unanswered == nil)
    }
}
