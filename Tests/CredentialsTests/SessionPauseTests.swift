import Platform
import Support
import Synchronization
import TestFiles
import Testing
import Threads

@testable import Credentials

/// A process that is told to wait tells the others, by the session file.
@Suite struct SessionPauseTests {
    private final class Clock: CredentialClock {
        private let seconds = Atomic<Int>(0)
        private let offset = Atomic<Int>(0)

        func advance(_ amount: Int) { seconds.add(amount, ordering: .relaxed) }
        func setWall(by amount: Int) { offset.add(amount, ordering: .relaxed) }
        func elapsed() -> Int64 { Int64(seconds.load(ordering: .relaxed)) * 1_000_000_000 }
        func wall() -> Int { 1_000_000 + seconds.load(ordering: .relaxed) + offset.load(ordering: .relaxed) }
    }

    /// Gives the outcomes in turn, and counts.
    private final class Source: TokenSource {
        let (spends, startsAlone) = (true, false)
        private let shared: Guarded<(outcomes: [TokenOutcome], calls: Int)>

        init(_ outcomes: TokenOutcome...) { shared = Guarded((outcomes, 0)) }

        func get(_ held: HeldTokens) -> TokenOutcome {
            shared.with { shared in
                shared.calls += 1
                return shared.outcomes.isEmpty ? .unavailable(reason: "no more") : shared.outcomes.removeFirst()
            }
        }

        var calls: Int { shared.with { $0.calls } }
    }

    private let clock = Clock()
    private let file: SessionFile

    init() throws {
        file = SessionFile(path: TestDirectory.make() + "/s.json")
        let first = try session(Source())
        _ = Latch.awaiting { first.adopt(TokenSet(accessToken: makeToken("a")), .signIn, completion: $0) }
    }

    private func session(_ source: Source) throws -> Session {
        try Session(file: file, source: source, policy: RefreshPolicy(margin: .seconds(30)), clock: clock)
    }

    private func refresh(_ session: Session) -> Result<RefreshResponse, CredentialFailure> {
        Latch.awaiting { session.refreshNow(cause: .manual, deliver: $0) }
    }

    private func failure(_ result: Result<RefreshResponse, CredentialFailure>) -> CredentialFailure? {
        if case .failure(let failure) = result { failure } else { nil }
    }

    @Test func anotherProcessWaitsToo() throws {
        let told = Source(.unavailable(reason: "status 429", retryAfter: 600, status: 429))
        #expect(failure(refresh(try session(told))) == .unavailable(retryAfter: 600, isUnreachable: false))
        clock.advance(200)
        let other = Source(.obtained(TokenSet(accessToken: makeToken("b"))))
        let session = try session(other)
        #expect(failure(refresh(session)) == .unavailable(retryAfter: 401, isUnreachable: false))
        #expect(other.calls == 0)
        #expect(session.status.retryIn == 402 && session.status.lastRefresh?.detail == "status 429")
        clock.advance(401)
        #expect(failure(refresh(session)) == nil)
        #expect(try file.load()?.record.pause == nil)
    }

    /// Several that begin one after the other count the failures of all.
    @Test func failuresOfOthersCount() throws {
        for failures in 1...4 {
            _ = refresh(try session(Source(.unavailable(reason: "status 503", status: 503))))
            let pause = try #require(try file.load()?.record.pause)
            #expect(pause.failures == failures)
            clock.advance(max(0, pause.until - clock.wall()))
        }
    }

    /// The one that waited has not failed itself, and goes on counting where the others are.
    @Test func aPauseOfAnotherProcessIsNotAFailureOfThisOne() throws {
        let waiting = try session(Source(.unavailable(reason: "status 503", status: 503)))
        for _ in 1...3 {
            _ = refresh(try session(Source(.unavailable(reason: "status 503", retryAfter: 60, status: 503))))
            clock.advance(61)
        }
        clock.advance(-30)
        let told = failure(refresh(waiting))
        #expect(told == .unavailable(retryAfter: 30, isUnreachable: false))
        clock.advance(30)
        _ = refresh(waiting)
        #expect(try file.load()?.record.pause?.failures == 4)
    }

    /// The file has whole seconds, and clocks have parts of them: a second later than the issuer asked for is right.
    @Test(arguments: [1, 60, 3600, 9999]) func nobodyAsksBeforeTheIssuerWantsToBeAsked(_ seconds: Int) throws {
        let asked = clock.wall() + min(seconds, 3600)
        _ = refresh(try session(Source(.unavailable(reason: "status 429", retryAfter: seconds, status: 429))))
        #expect(try file.load()?.record.pause?.until == asked + 1)
        let other = Source()
        #expect(failure(refresh(try session(other))) != nil && other.calls == 0)
    }

    /// The lock of the file is what they wait at.
    @Test func whoWaitedForTheLockHearsOfIt() throws {
        let source = Source(.obtained(TokenSet(accessToken: makeToken("b"))))
        let waiting = try session(source)
        _ = refresh(try session(Source(.unavailable(reason: "status 503", retryAfter: 60, status: 503))))
        // It knows nothing yet of what the other was told.
        #expect(failure(refresh(waiting)) == .unavailable(retryAfter: 61, isUnreachable: false))
        #expect(source.calls == 0)
    }

    /// Mistakes are mended in a file that commands read again.
    @Test(arguments: [
        TokenOutcome.misconfigured(reason: "invalid_client"), .refused(reason: "invalid_grant", status: 400),
    ])
    func othersNeedNotWaitForThat(_ outcome: TokenOutcome) throws {
        _ = refresh(try session(Source(outcome)))
        #expect(try file.load()?.record.pause == nil)
    }

    /// A wall clock that was set, or somebody's hand.
    @Test(arguments: [-4000, 4000]) func whatCannotBeTrueIsNotBelieved(_ jump: Int) throws {
        _ = refresh(try session(Source(.unavailable(reason: "status 503", retryAfter: 60, status: 503))))
        clock.setWall(by: jump)
        let source = Source(.obtained(TokenSet(accessToken: makeToken("b"))))
        #expect(failure(refresh(try session(source))) == nil)
        #expect(source.calls == 1)
    }

    @Test(arguments: [
        #"{"until": "soon"}"#, #"{"until": 1e300}"#, #"{}"#, "7", "null", #"{"until": 1000060, "failures": -9}"#,
        #"{"until": 1000060, "failures": 9223372036854775807, "unreachable": "x"}"#,
    ])
    func nothingInTheFileTraps(_ pause: String) throws {
        var record = SessionRecord()
        record.put(TokenSet(accessToken: makeToken("a")), .signIn, now: 1_000_000)
        record.document["pause"] = JSONValue(parsing: Array(pause.utf8))
        let read = try #require(SessionRecord(parsing: record.serialized()))
        if let pause = read.pause { #expect(pause.until == 1_000_060 && (0...1_000_000).contains(pause.failures)) }
    }

    /// It is about what is held, not about what another tool put in its place.
    @Test func itEndsWithWhatItIsAbout() throws {
        _ = refresh(try session(Source(.unavailable(reason: "status 503", retryAfter: 60, status: 503))))
        var record = try #require(try file.load()?.record)
        record.document["token"] = .string(makeToken("c").value)
        #expect(record.pause == nil)
    }
}
