import Support
import Testing
import TokenSources

@Suite struct ExpiryReaderTests {
    private static func json(_ text: String) -> JSONValue { JSONValue(lenient: Array("{\"x\":\(text)}".utf8))! }

    @Test(
        "A span counts as its unit says",
        arguments: [
            ("3600", 3600), ("\"3600\"", 3600), ("3600.0", 3600), ("3600.9", 3600), ("\" 3600 \"", 3600), ("1e3", 1000),
            ("\"1:00:00\"", 3600), ("\"01:30\"", 90), ("\"240:00:00\"", 864_000), ("0", nil), ("-1", nil), ("0.5", nil),
            ("1e30", nil), ("1e999", nil), ("\"nan\"", nil), ("\"inf\"", nil), ("\"0x10\"", nil), ("null", nil),
            ("true", nil), ("\"soon\"", nil), ("\"\"", nil), ("[3600]", nil), ("{}", nil), ("\"1:60\"", nil),
            ("\"1:2:3:4\"", nil), ("\":30\"", nil), ("\"-1:00\"", nil), ("315619200", 315_619_200), ("315619201", nil),
            ("\"99999999999999999999999999\"", nil), ("\"2026-11-24T10:02:11Z\"", nil), ("\"+5\"", nil),
            ("\"1.\"", nil),
        ] as [(String, Int?)]
    )
    func spans(_ text: String, _ expected: Int?) {
        #expect(ExpiryReader.span(Self.json(text)["x"]) == expected, "\(text)")
    }

    @Test(
        "A span's number may count something else than seconds",
        arguments: [
            ("10", ExpiryReader.Unit.minutes, 600), ("\"10\"", .minutes, 600), ("2", .hours, 7200),
            ("1800000", .milliseconds, 1800), ("\"0:30\"", .minutes, 30),
        ] as [(String, ExpiryReader.Unit, Int?)]
    )
    func units(_ text: String, _ unit: ExpiryReader.Unit, _ expected: Int?) {
        #expect(ExpiryReader.span(Self.json(text)["x"], unit: unit) == expected, "\(text)")
    }

    // 2026-11-24 10:00:00 UTC
    private static let now = 1_795_514_400

    @Test(
        "A moment is seconds, milliseconds, a date, or a span from now",
        arguments: [
            ("1795514460", 60), ("\"1795514460\"", 60), ("1795514460000", 60), ("\"1795514460000\"", 60),
            ("1795514460.5", 60), ("\"2026-11-24T10:01:00Z\"", 60), ("\"2026-11-24T10:01:00\"", 60),
            ("\"2026-11-24 10:01:00\"", 60), ("\"2026-11-24T11:01:00+01:00\"", 60),
            ("\"2026-11-24T08:31:00-0130\"", 60),
            ("\"2026-11-24t10:01:00.250z\"", 60), ("\"2026-11-24T12:01:00+02\"", 60), ("\"0:10:00\"", 600),
            ("1795514400", nil), ("1795514399", nil), ("0", nil), ("-5", nil), ("1e30", nil), ("null", nil),
            ("\"2026-11-24T09:59:59Z\"", nil), ("\"2026-13-24T10:01:00Z\"", nil), ("\"2026-11-31T10:01:00Z\"", nil),
            ("\"2026-11-24T25:01:00Z\"", nil), ("\"2026-11-24T10:01:00+99:00\"", nil),
            ("\"2026-11-24T10:01:00X\"", nil),
            ("\"2026-11-24T10:01:00.\"", nil), ("\"2026-11-24\"", nil), ("\"9999-12-31T23:59:59Z\"", nil),
            ("\"soon\"", nil), ("{\"a\":1}", nil), ("99999999999999999999", nil), ("\"\u{661}\"", nil),
        ] as [(String, Int?)]
    )
    func moments(_ text: String, _ expected: Int?) {
        #expect(ExpiryReader.remaining(Self.json(text)["x"], wall: Self.now) == expected, "\(text)")
    }

    @Test("The span wins over the moment where it can be used")
    func both() {
        let read = { (text: String) in
            ExpiryReader.lifetime(
                in: JSONValue(parsing: Array(text.utf8))!,
                expiresIn: .init("/in"),
                expiresAt: "/at",
                wall: Self.now
            )
        }
        #expect(read(#"{"in":60,"at":1795514500}"#) == 60)
        #expect(read(#"{"in":0,"at":1795514500}"#) == 100)
        #expect(read(#"{"at":1795514500}"#) == 100)
        #expect(read(#"{"in":60}"#) == 60)
        #expect(read("{}") == nil)
    }

    @Test("A clock that says anything does not trap", arguments: [Int.min, -1, 0, Int.max])
    func absurdClock(_ wall: Int) {
        _ = ExpiryReader.remaining(.number("1795514460"), wall: wall)
        _ = ExpiryReader.remaining(.string("2026-11-24T10:01:00Z"), wall: wall)
    }
}
