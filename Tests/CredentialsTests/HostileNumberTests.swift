import Support
import Testing
import Threads

@testable import Credentials

/// Every number and date that others write: tokens, session files, clocks. None traps, and whatever is believed can be
/// reckoned with.
@Suite struct HostileNumberTests {
    static let numbers = [
        "0", "-0", "1", "-1", "2147483647", "2147483648", "-2147483648", "-2147483649", "9007199254740992",
        "-9007199254740993", "9223372036854775807", "9223372036854775808", "-9223372036854775808",
        "-9223372036854775809", "18446744073709551616", "1700000000000", "1700000000000000000", "1e30", "-1e30",
        "1e308",
        "1e400", "-1e400", "1e-400", "0.5", "253402300799", "253402300800", "\"NaN\"", "\"inf\"", "\"\"", "\"12\"",
        "null",
        "true", "[]", "{}", String(repeating: "9", count: 400), "0." + String(repeating: "0", count: 400) + "1",
    ]
    private static let walls = [Int.min, -1, 0, 1_000_000, 1 << 31, 1_700_000_000, 1 << 53, .max]
    private static let elapsed: [Int64] = [.min, 0, 1 << 53, .max]
    private static let edges = [Int.min, 0, 1_700_000_000, .max]

    private struct FixedClock: CredentialClock {
        let reading: (elapsed: Int64, wall: Int)

        func elapsed() -> Int64 { reading.elapsed }
        func wall() -> Int { reading.wall }
    }

    private static func token(_ claims: String) throws -> Token {
        try #require(Token("e30.\(Base64URL.encode(Array(claims.utf8))).c2ln"))
    }

    @Test(arguments: numbers) func claimsStayInTheRangeOfDates(_ number: String) throws {
        for other in Self.numbers.prefix(24) {
            let token = try Self.token(#"{"exp":\#(number),"nbf":\#(other),"iat":\#(number),"sub":\#(number)}"#)
            let claims = try #require(token.claims)
            for moment in [claims.expiresAt, claims.notBefore, claims.issuedAt] {
                #expect(moment.map(UTCTime.range.contains) ?? true)
            }
            #expect((0...Claims.longestLife).contains(claims.lifetime ?? 0))
        }
    }

    /// What an issuer says that cannot be meant: the token lives, nobody knows how long. A clock of 1970 matters to nobody
    /// who tells how long it is from its own beginning.
    @Test(
        arguments: [
            (#"{"exp":1700003600,"nbf":1700000000}"#, 3600), (#"{"exp":3600,"nbf":0,"iat":0}"#, 3600),
            (#"{"exp":1700003600}"#, 3600), (#"{"exp":1700003600,"iat":1700002600}"#, 1000),
            (#"{"exp":3600,"iat":0}"#, nil),
            (#"{"exp":1700003600000}"#, 3600), (#"{"exp":1700003600000,"nbf":1700000000000}"#, 3600),
            (#"{"exp":1700003600000000}"#, nil), (#"{"exp":4102444800,"nbf":1700000000}"#, nil),
            (#"{"exp":4102444800}"#, nil), (#"{"exp":2015619200,"nbf":1700000000}"#, 315_619_200),
            (#"{"exp":2015619201,"nbf":1700000000}"#, nil), (#"{"exp":1700000000,"nbf":1700000000}"#, nil),
        ] as [(String, Int?)]
    ) func livesThatAreBelieved(_ claims: String, _ life: Int?) throws {
        var record = SessionRecord()
        record.put(TokenSet(accessToken: try Self.token(claims)), .signIn, now: 1_700_000_000)
        #expect(record.expiresAt == life.map { 1_700_000_000 + $0 })
    }

    /// One that a person gives is as old as it says, and lives no longer than is believed.
    @Test(
        arguments: [
            (#"{"exp":1600000000}"#, 1_600_000_000), (#"{"exp":1700003600}"#, 1_700_003_600),
            (#"{"exp":1700003600000}"#, 1_700_003_600), (#"{"exp":4102444800}"#, nil),
        ] as [(String, Int?)]
    ) func givenTokens(_ claims: String, _ end: Int?) throws {
        var record = SessionRecord()
        record.put(TokenSet(accessToken: try Self.token(claims)), .given, now: 1_700_000_000)
        #expect(record.expiresAt == end)
    }

    /// The life of a session with such a token, from its receipt to its refusal.
    @Test(arguments: numbers) func sessionsOfSuchTokens(_ number: String) throws {
        let token = try Self.token(#"{"exp":\#(number),"nbf":1700000000,"sub":"7"}"#)
        for source in [SessionRecord.Arrival.given, .signIn, .refresh] {
            for wall in Self.edges {
                var record = SessionRecord()
                record.put(TokenSet(accessToken: token), source, now: wall)
                try Self.live(record)
            }
        }
    }

    @Test(arguments: numbers) func sessionFiles(_ number: String) throws {
        let fingerprint = try #require(Token("opaque")).fingerprint
        let entry =
            #"{"at":\#(number),"cause":"expiry","outcome":"lost","milliseconds":\#(number),"waiters":\#(number)}"#
        let text = """
            {"token":"opaque","fingerprint":"\(fingerprint)","received_at":\(number),"expires_at":\(number),
            "refreshes":\(number),"failures":{"lost":\(number)},"last_refresh":\(entry),"history":[\(entry)],
            "unanswered":{"at":\(number),"reason":"x"}}
            """
        var record = try #require(SessionRecord(parsing: Array(text.utf8)))
        for moment in [record.receivedAt, record.expiresAt, record.unanswered?.at, record.lastRefresh?.at] {
            #expect(moment.map(UTCTime.range.contains) ?? true)
        }
        record.record(RefreshEntry(at: .max, cause: .expiry, outcome: .lost, milliseconds: .min, waiters: .max))
        record.record(RefreshEntry(at: .min, cause: .expiry, outcome: .refreshed))
        #expect(record.refreshes > 0)
        try Self.live(record)
        let journal = Array(#"{"refreshing":"x","at":\#(number),"cause":"expiry"}"#.utf8)
        let at = JSONValue(parsing: journal).flatMap(SessionFile.Journal.init)?.at
        #expect(at.map(UTCTime.range.contains) ?? true)
    }

    private static func live(_ record: SessionRecord) throws {
        for wall in edges {
            for elapsed in [Int64.min, 0, .max] {
                var shared = Session.State(
                    machine: CredentialState(policy: RefreshPolicy(margin: .seconds(Int64.max)), canRefresh: true),
                    persistence: .memoryOnly
                )
                shared.record = record
                shared.machine.publish(record, canRefresh: true, now: Instant(elapsed: elapsed, wall: wall))
                for later in [Int64.min, 0, .max] {
                    let rejection = Rejection(generation: 1, skew: later)
                    let moment = Instant(elapsed: later, wall: wall)
                    shared.machine.rejected(rejection, route: 1, hadAccepted: later == 0, now: moment)
                    shared.machine.accepted(1, now: later)
                    _ = shared.machine.decide(Inquiry(), now: later)
                    _ = shared.machine.decide(Inquiry(rejection: Rejection(generation: 1, skew: later)), now: later)
                }
                let status = shared.status(now: Instant(elapsed: .max, wall: wall))
                _ = (shared.status(now: Instant(elapsed: .min, wall: wall)), status.json, status.advice, status.isReady)
            }
        }
        for moment in [record.expiresAt, record.receivedAt] {
            #expect(moment.map(UTCTime.range.contains) ?? true)
        }
    }

    /// A whole session with such clocks, and an upstream that asks for such pauses.
    @Test(arguments: walls) func noClockTraps(_ wall: Int) throws {
        struct Source: TokenSource {
            var spends: Bool { true }
            var startsAlone: Bool { false }
            let retryAfter: Int?

            func get(_ held: HeldTokens) -> TokenOutcome { .unavailable(reason: "x", retryAfter: retryAfter) }
        }
        for elapsed in Self.elapsed {
            for retryAfter in [nil, Int.min, 0, 1 << 53, .max] {
                let clock = FixedClock(reading: (elapsed, wall))
                let events = Guarded(0)
                let session = try Session(
                    file: nil,
                    source: Source(retryAfter: retryAfter),
                    policy: RefreshPolicy(margin: .zero),
                    clock: clock
                ) { _ in
                    events.with { $0 += 1 }
                }
                let (adopted, answered) = (Latch<Bool>(), Latch<Bool>())
                let tokens = TokenSet(accessToken: makeToken("a"), expiresIn: retryAfter, refreshExpiresIn: retryAfter)
                session.adopt(tokens, .signIn) { _ in adopted.set(true) }
                _ = adopted.wait()
                session.refreshNow(cause: .manual) { _ in answered.set(true) }
                _ = answered.wait()
                _ = (session.status.json, session.current(), session.token)
                #expect(session.end(timeout: .seconds(Int64.max)) == nil && events.with { $0 } == 2)
            }
        }
    }

    @Test(arguments: walls) func momentsAreShown(_ moment: Int) {
        #expect(!UTCTime.text(moment).isEmpty && UTCTime.range.contains(UTCTime.clamped(moment)))
    }
}
