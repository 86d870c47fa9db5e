import Credentials
import Redaction
import ReverseProxy
import Support
import Testing
import Threads

@testable import Inspector

@Suite struct GenerationBookTests {
    /// What happened, at one moment after the other, a second apart.
    private final class Story {
        let book: GenerationBook

        init() {
            let clock = Guarded<Int64>(1_764_150_000_000)
            book = GenerationBook(now: {
                clock.with { now in
                    now += 1000
                    return now
                }
            })
        }

        func token(_ generation: Generation, _ hand: Publication.Hand, _ arrival: SessionRecord.Arrival? = nil) {
            let token = Token("token-\(generation)")
            book.hear(.publishes(Publication(generation: generation, token: token, arrival: arrival, hand: hand)))
        }

        var json: JSONValue { book.json([:]) }

        func strings(_ list: String, _ member: String) -> [String?] {
            guard case .array(let entries)? = json[list] else { return [] }
            return entries.map { $0[member]?.string }
        }
    }

    @Test func eachTokenSaysHowItCameAndWhatEndedIt() {
        let story = Story()
        story.token(1, .opening)
        story.token(2, .refresh(.rejected))
        story.token(3, .file(.refresh))
        story.token(4, .file(.login))
        story.token(5, .change, .signIn)
        story.token(6, .change, .given)
        story.book.hear(.publishes(Publication(generation: 7, token: nil, hand: .change)))
        #expect(
            story.strings("generations", "from") == ["stored", "refresh", "adopted", "login", "sign_in", "login"]
        )
        #expect(
            story.strings("generations", "ended_by") == ["rejected", "adopted", "login", "login", "login", "logout"]
        )
        #expect(story.strings("generations", "cause") == [nil, "rejected", nil, nil, nil, nil])
    }

    @Test func thePresentOneHasNoEnd() {
        let story = Story()
        story.token(1, .opening)
        story.token(2, .refresh(.expiry))
        #expect(story.strings("generations", "ended_by") == ["expiry", nil])
        #expect(story.strings("generations", "ended_at") == ["2025-11-26T09:40:02.000Z", nil])
        #expect(story.strings("generations", "at") == ["2025-11-26T09:40:01.000Z", "2025-11-26T09:40:02.000Z"])
    }

    @Test func aRefreshIsToldWhenItHasEnded() throws {
        let story = Story()
        story.token(1, .opening)
        story.token(2, .refresh(.rejected))
        let report = RefreshReport(.rejected, .refreshed, .init(high: 0xA7, low: 812), waiters: 32, milliseconds: 182)
        story.book.record(.refreshed(report, generation: 2, expiresIn: 60))
        let entry = try #require(story.book.json(of: 2, .init(served: 5, refused: 1, running: 3)))
        #expect(entry["led_by"] == .string("00a7-812"))
        #expect(entry["waiters"] == .integer(31))
        #expect(entry["took_ms"] == .integer(182))
        #expect(["served", "refused", "running"].map { entry[$0]?.integer } == [5, 1, 3])
    }

    @Test(arguments: [
        (RefreshEntry.Outcome.refused, false, "refused"), (.misconfigured, false, "refused"),
        (.unavailable, false, "unavailable"), (.unreachable, false, "unavailable"), (.unavailable, true, "timeout"),
        (.unreachable, true, "timeout"), (.lost, true, "timeout"), (.lost, false, "protocol"),
    ])
    func aFailedRefreshIsOfAClass(_ outcome: RefreshEntry.Outcome, _ isTimeout: Bool, _ kind: String) throws {
        let story = Story()
        var report = RefreshReport(.expiry, outcome, nil, waiters: 0, milliseconds: 1, status: 503)
        report.isTimeout = isTimeout
        let failure = CredentialFailure.unavailable(retryAfter: 8, isUnreachable: false)
        // What it says decides nothing: an answer may say anything.
        story.book.record(.refreshFailed(report, reason: "status 503: it timed out", failure: failure))
        let entry = try #require(story.json.value(at: "/failures/0"))
        #expect(entry["class"] == .string(kind))
        #expect(entry["status"] == .integer(503))
        #expect(entry["retry_at"] == .string("2025-11-26T09:40:09.000Z"))
    }

    @Test func theSameTokenForLongerIsNoOtherGeneration() {
        let story = Story()
        story.token(1, .opening)
        let renewed = Publication(generation: 1, token: Token("token-1"), expiresAt: 77, hand: .refresh(.expiry))
        story.book.hear(.publishes(renewed))
        #expect(story.strings("generations", "from") == ["stored"])
        #expect(story.json.value(at: "/generations/0/expires_at") == .integer(77))
    }

    @Test func whatRefusesToRefreshNeedsOneLogin() {
        let story = Story()
        story.token(1, .opening)
        let report = RefreshReport(.rejected, .refused, nil, waiters: 1, milliseconds: 1)
        story.book.record(.refreshFailed(report, reason: "gone", failure: .loginNeeded("gone")))
        story.book.record(.died(advice: "log in"))
        story.book.record(.loggedIn(generation: 2))
        #expect(story.strings("events", "what") == ["login_needed", "login"])
    }

    @Test func nothingGrowsWithoutBound() {
        let story = Story()
        for number in 1...500 {
            story.token(Generation(number), .refresh(.expiry))
            story.book.record(.saved)
            let report = RefreshReport(.expiry, .unavailable, nil, waiters: 0, milliseconds: 1)
            let failure = CredentialFailure.unavailable(retryAfter: 1, isUnreachable: true)
            story.book.record(.refreshFailed(report, reason: "x", failure: failure))
        }
        let history = story.book.history()
        #expect([history.entries.count, history.failures.count, history.events.count] == [64, 64, 64])
        #expect(history.entries.map(\.generation) == (437...500).map(Generation.init))
        let lately = story.book.tokensOfLately()
        #expect(lately.tokens.map(\.generation) == (493...500).map(Generation.init))
    }

    @Test func tokensOfLatelyAreThoseThatWereUsedAndSpent() {
        let story = Story()
        story.token(1, .opening)
        let first = story.book.tokensOfLately().version
        let pair = Publication(
            generation: 2,
            token: Token("access"),
            refreshToken: Token("spent"),
            hand: .refresh(.expiry)
        )
        story.book.hear(.publishes(pair))
        let lately = story.book.tokensOfLately()
        #expect(lately.version > first)
        #expect(lately.tokens.map { String(decoding: $0.value, as: UTF8.self) } == ["token-1", "access"])
        #expect(lately.secrets == [Array("spent".utf8)])
        story.book.hear(.publishes(pair))
        #expect(story.book.tokensOfLately().version == lately.version)
    }

    @Test func noTokenAndNoFingerprintIsShown() {
        let story = Story()
        story.token(1, .opening)
        let text = story.json.serialized()
        #expect(!text.contains("token-1"))
        #expect(!text.contains(Token("token-1")!.fingerprint))
    }

    @Test func whoListensHearsWhatChanged() {
        let story = Story()
        let heard = Guarded<[[Generation]]>([])
        story.book.onChange { changed in heard.with { $0.append(changed) } }
        story.token(1, .opening)
        story.token(2, .refresh(.expiry))
        story.book.hear(.refreshBegins)
        #expect(heard.with { $0 } == [[1], [1, 2], []])
    }
}
