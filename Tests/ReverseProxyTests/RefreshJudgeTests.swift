import Credentials
import HTTP1
import Inflation
import Support
import Testing
import TokenSources

@testable import ReverseProxy

@Suite struct RefreshJudgeTests {
    private static let old = HeldTokens(accessToken: Token("old")!)
    private static let wall = 784_111_777

    private static func judge(
        _ change: (inout SessionConfiguration.Refresh) -> Void = { _ in }
    ) -> RefreshJudge {
        var recipe = SessionConfiguration.Refresh(method: "POST", path: "/renew", token: "/data/token")
        recipe.expiresIn = "/in"
        recipe.expiresAt = "/at"
        change(&recipe)
        return RefreshJudge(recipe)
    }

    private static func response(
        _ status: Int,
        _ body: String = "",
        _ fields: [(name: String, value: String)] = []
    ) -> RefreshJudge.Response {
        RefreshJudge.Response(status: status, fields: fields, body: Array(body.utf8))
    }

    /// The outcome in a word, with what else it says.
    private static func word(_ outcome: TokenOutcome) -> String {
        switch outcome {
        case .obtained(let tokens, _):
            "refreshed \(tokens.accessToken.value) \(tokens.expiresIn.map(String.init) ?? "-")"
        case .unchanged(let expiresIn, _): "unchanged \(expiresIn.map(String.init) ?? "-")"
        case .refused(_, let status): "refused \(status ?? 0)"
        case .misconfigured: "misconfigured"
        case .unavailable(_, let after, let mayHaveRotated, _, _, _):
            "unavailable \(after.map(String.init) ?? "-")\(mayHaveRotated ? " rotated" : "")"
        case .unreachable: "unreachable"
        case .lost(_, let response, _): response == nil ? "lost" : "lost kept"
        }
    }

    private static func outcome(_ response: RefreshJudge.Response, _ judge: RefreshJudge = judge()) -> String {
        word(judge.outcome(response, old: old, wall: wall))
    }

    // MARK: A refresh that somebody else made

    /// A client finds the token where the API's own response has it.
    @Test(arguments: [
        ("/token", nil, #"{"token":"new"}"#), ("/data/t", "/data/r", #"{"data":{"t":"new","r":"next"}}"#),
        ("/0/token", nil, #"{"0":{"token":"new"}}"#), ("", nil, #""new""#),
        ("/data/token/value", nil, #"{"status":"OK","code":200,"data":{"token":{"value":"new"}}}"#),
    ])
    func theSourceWritesTheResponse(_ token: String, _ refreshToken: String?, _ body: String) throws {
        var configuration = ProxyConfiguration(
            upstream: Origin(isSecure: true, authority: Authority(host: "a.example", port: nil))
        )
        configuration.session.refresh = .init(method: "GET", path: "/r", token: token)
        configuration.session.refresh?.refreshToken = refreshToken
        let source: any TokenSource = try #require(RecipeSource(configuration))
        let response = source.response(bringing: Token("new")!, Token("next"))
        #expect(String(decoding: response.body, as: UTF8.self) == body)
        #expect(response.token == Token("new") && response.contentType == "application/json")
    }

    // MARK: Statuses

    @Test func everyStatusHasItsMeaning() {
        for status in 100...599 {
            let expected =
                switch status {
                case 200..<300: "lost kept"
                case 407, 408, 421, 425, 429: "unavailable -"
                case 400..<500: "refused \(status)"
                case 500, 502, 504: "unavailable - rotated"
                default: "unavailable -"
                }
            #expect(Self.outcome(Self.response(status, "{}")) == expected)
        }
    }

    @Test(
        arguments: [
            ("text/html; charset=utf-8", "{}"), ("TEXT/HTML", ""), ("application/xhtml+xml", ""), ("", "<html>"),
            ("application/json", "\u{FEFF} \r\n<!doctype html>"),
        ]
    )
    func pagesForPeopleAreNoRefusals(_ type: String, _ body: String) {
        for status in [403, 404, 405, 451] {
            let page = Self.response(status, body, [("content-type", type)])
            #expect(Self.outcome(page) == "unavailable -")
        }
        // The API itself may say 400 and 401 in whatever words.
        for status in [400, 401, 410, 422] {
            #expect(Self.outcome(Self.response(status, body, [("Content-Type", type)])) == "refused \(status)")
        }
    }

    @Test(arguments: ["Proxy-Status", "proxy-authenticate"]) func aProxysRefusalIsNotTheApis(_ name: String) {
        for status in [403, 404, 405, 451] {
            #expect(Self.outcome(Self.response(status, "{}", [(name, "x")])) == "unavailable -")
        }
    }

    @Test func configuredRefusalsReplaceTheList() {
        let judge = Self.judge {
            $0.refused = [
                .init(status: 400), .init(status: 403, body: .init(pointer: "/error", equals: "gone")),
                .init(status: 401, challenge: "invalid_token"),
                .init(status: 200, body: .init(pointer: "/ok", equals: "false")),
            ]
        }
        let challenge = { (error: String) in [(name: "WWW-Authenticate", value: "Basic, Bearer error=\"\(error)\"")] }
        for (response, expected) in [
            (Self.response(400), "refused 400"),
            (Self.response(403, #"{"error":"gone"}"#), "refused 403"),
            (Self.response(403, #"{"error":"other"}"#), "unavailable -"),
            (Self.response(403, "<html>"), "unavailable -"),
            (Self.response(401), "unavailable -"),
            (Self.response(401, "", challenge("invalid_token")), "refused 401"),
            (Self.response(401, "", challenge("insufficient_scope")), "unavailable -"),
            (Self.response(404, "{}"), "unavailable -"),
            (Self.response(200, #"{"ok":false,"data":{"token":"new"}}"#), "refused 200"),
            (Self.response(200, #"{"ok":true,"data":{"token":"new"}}"#), "refreshed new -"),
        ] {
            #expect(Self.outcome(response, judge) == expected)
        }
    }

    // MARK: Retry-After

    @Test(
        arguments: [
            (nil, nil), ("", nil), ("soon", nil), ("-1", nil), ("1.5", nil), ("1e9", nil), ("NaN", nil), ("0", 0),
            ("007", 7), (" 20\t", 20), ("3600", 3600), ("3601", 3600), ("2147483648", 3600), ("9007199254740992", 3600),
            ("9223372036854775807", 3600), ("9223372036854775808", 3600), (String(repeating: "9", count: 400), 3600),
            ("-9223372036854775808", nil), ("0x10", nil), ("１０", nil),
            ("Sun, 06 Nov 1994 08:49:57 GMT", 20), ("Sunday, 06-Nov-94 08:49:57 GMT", 20),
            ("Sun Nov  6 08:49:57 1994", 20), ("Sun, 06 Nov 1994 08:00:00 GMT", 0),
            ("Fri, 31 Dec 9999 23:59:59 GMT", 3600),
            ("Sun, 06 Nov 1994 9223372036854775807:49:37 GMT", nil),
            ("Sun, 06 Nov 99999999999999999999 08:49:37 GMT", nil),
        ] as [(String?, Int?)]
    )
    func retryAfter(_ value: String?, _ expected: Int?) {
        #expect(RetryAfter.seconds(value, date: "Sun, 06 Nov 1994 08:49:37 GMT", wall: 5) == expected)
        let fields = value.map {
            [(name: "retry-after", value: $0), (name: "DATE", value: "Sun, 06 Nov 1994 08:49:37 GMT")]
        }
        let response = Self.response(503, "", fields ?? [])
        #expect(Self.outcome(response) == "unavailable \(expected.map(String.init) ?? "-")")
    }

    /// Without a Date this machine's clock judges, whatever it says.
    @Test(arguments: [Int.min, -1, 0, 784_111_777, 1 << 53, .max]) func retryAfterIsBoundedWhateverTheClockSays(
        _ wall: Int
    ) {
        for date in [nil, "", "yesterday", "Sun, 06 Nov 1994 08:49:9223372036854775807 GMT"] {
            let seconds = RetryAfter.seconds("Sun, 06 Nov 1994 08:49:57 GMT", date: date, wall: wall)
            #expect(seconds == (wall > 784_111_797 ? 0 : wall == 784_111_777 ? 20 : 3600))
        }
    }

    // MARK: Tokens

    @Test(
        arguments: [
            ("\u{FEFF}{\"data\":{\"token\":\"new\"}}", "refreshed new -"),
            (#"{"name":"Jo\ud83d","data":{"token":"new"}}"#, "refreshed new -"),
            (#"{"name":"\ude00\ud83d\u00e9","data":{"token":"new"}}"#, "refreshed new -"),
            (#"{"name":"\x","a":NaN,"b":-Infinity,"c":01,"d":,"data":{"token":"new",},}"#, "refreshed new -"),
            ("{\"name\":\"a\nb\u{1}\",\"data\":{\"token\":\"new\"}} trailing", "refreshed new -"),
            (")]}',\n{\"data\":{\"token\":\"new\"}}", "refreshed new -"),
            (
                #"{"deep":\#(String(repeating: "[", count: 200))\#(String(repeating: "]", count: 200)),"data":{"token":"new"}}"#,
                "refreshed new -"
            ),
            (#"{"in":"60","data":{"token":"new"}}"#, "refreshed new 60"),
            // Cut, or about the token: not to be trusted.
            (#"{"data":{"token":"new"}"#, "lost kept"), (#"{"data":{"token":"ne"#, "lost kept"), ("", "lost kept"),
            (#"{"data":{"token":"n\ud83d"}}"#, "lost kept"), (#"{"data":{"token":"old"}}"#, "unchanged -"),
            (#"{"in":60,"data":{"token":"old"}}"#, "unchanged 60"),
            (#"{"data":{"token":""}}"#, "lost kept"), (#"{"data":{"token":5}}"#, "lost kept"), ("<html>", "lost kept"),
            (#""new""#, "lost kept"), (#"{"data":{"token":"new\n"}}"#, "lost kept"),
            (#"{"data":{"token":"Bearer new"}}"#, "lost kept"),
        ]
    )
    func whatIsNotAboutTheTokenCostsNothing(_ body: String, _ expected: String) {
        #expect(Self.outcome(Self.response(200, body)) == expected)
    }

    @Test(
        "Of what came only the next refresh token can be used: it is kept",
        arguments: [
            (#"{"r":"next"}"#, "misconfigured next"), (#"{"r":"next","data":{"token":"a b"}}"#, "misconfigured next"),
            (#"{"r":"a$$","data":{"token":""}}"#, "misconfigured a$$"), (#"{"r":"held"}"#, "lost kept"),
            (#"{"r":"a b","data":{"token":"new"}}"#, "lost kept"),
            (#"{"r":"next","data":{"token":"new"}}"#, "refreshed new -"),
        ]
    )
    func refreshTokenAlone(_ body: String, _ expected: String) {
        let judge = Self.judge { $0.refreshToken = "/r" }
        let old = HeldTokens(accessToken: Token("old"), refreshToken: Token("held"))
        let outcome = judge.outcome(Self.response(200, body), old: old, wall: Self.wall)
        guard case .misconfigured(let reason, let tokens) = outcome else {
            return #expect(Self.word(outcome) == expected)
        }
        #expect("misconfigured \(tokens?.refreshToken?.value ?? "-")" == expected && reason.contains("/data/token"))
    }

    @Test func uselessTokenIsNamed() {
        let response = Self.response(200, #"{"data":{"token":"a$b"}}"#)
        let outcome = Self.judge().outcome(response, old: Self.old, wall: Self.wall)
        guard case .lost(let reason, _, _) = outcome else { return #expect(Bool(false)) }
        #expect(reason.contains("character 2 is '$'"))
    }

    @Test func invalidUTF8AndUTF16AreRead() {
        let text = #"{"name":"é","data":{"token":"new"}}"#
        let latin1 = text.unicodeScalars.map { UInt8($0.value) }
        let units = Array(text.utf16)
        let bigEndian: [UInt8] =
            [0xFE, 0xFF] + units.flatMap { unit -> [UInt8] in [UInt8(unit >> 8), UInt8(unit & 0xFF)] }
        let littleEndian: [UInt8] =
            [0xFF, 0xFE] + units.flatMap { unit -> [UInt8] in [UInt8(unit & 0xFF), UInt8(unit >> 8)] }
        for body in [latin1, bigEndian, littleEndian] {
            #expect(Self.outcome(RefreshJudge.Response(status: 200, fields: [], body: body)) == "refreshed new -")
        }
    }

    @Test(
        arguments: [
            ("60", "60"), ("1", "1"), ("0", "-"), ("-1", "-"), ("0.5", "-"), ("1.9", "1"), ("\"3600\"", "3600"),
            ("2147483648", "-"), ("9007199254740992", "-"), ("9223372036854775808", "-"),
            ("1e30", "-"), ("1e400", "-"), ("-9223372036854775808", "-"), ("\"NaN\"", "-"), ("\"inf\"", "-"),
            ("\"\"", "-"), ("null", "-"), ("{}", "-"), ("true", "-"),
            (String(repeating: "9", count: 400), "-"), ("1700000000000", "-"),
        ]
    )
    func lifetimes(_ number: String, _ expected: String) {
        let body = { (member: String, value: String) in #"{"\#(member)":\#(value),"data":{"token":"new"}}"# }
        #expect(Self.outcome(Self.response(200, body("in", number))) == "refreshed new \(expected)")
        // The same number as a moment: nothing traps, and what lies behind says nothing.
        for wall in [Int.min, -1, 0, Self.wall, 1 << 53, .max] {
            let response = Self.response(200, body("at", number))
            guard case .obtained(let refreshed, _) = Self.judge().outcome(response, old: Self.old, wall: wall) else {
                Issue.record("no token")
                continue
            }
            #expect((refreshed.expiresIn ?? 1) > 0)
            var record = SessionRecord()
            record.put(refreshed, .refresh, now: wall)
            #expect(record.expiresAt.map(UTCTime.range.contains) ?? true)
        }
    }

    @Test func tokensInPathsAreEncoded() {
        #expect(FormText.percentEncoded("aZ09-._~+/=") == "aZ09-._~%2B%2F%3D")
        #expect(FormText.percentEncoded("'&#? \u{E9}") == "%27%26%23%3F%20%C3%A9")
    }
}

@Suite struct ContentDecodingTests {
    private static let text = Array(#"{"a":1}"#.utf8)
    private static let gzip: [UInt8] = [
        31, 139, 8, 0, 0, 0, 0, 0, 2, 3, 171, 86, 74, 84, 178, 50, 172, 5, 0, 175, 172, 27, 86, 7, 0, 0, 0,
    ]
    private static let zlib: [UInt8] = [120, 156, 171, 86, 74, 84, 178, 50, 172, 5, 0, 8, 42, 2, 9]

    @Test(arguments: ["", "{", "x", #"{"a":1}"#, "x\u{5E}is no zlib data", "\u{1F}"])
    func anUncodedBodyStaysAsItIs(_ text: String) {
        #expect(ContentDecoding.decode(Array(text.utf8)) == Array(text.utf8))
    }

    @Test func gzipAndDeflateAreDecoded() {
        #expect(ContentDecoding.decode(Self.gzip) == Self.text)
        #expect(ContentDecoding.decode(Self.gzip + Self.gzip) == Self.text + Self.text)
        #expect(ContentDecoding.decode(Self.zlib) == Self.text)
    }

    @Test func deflateWithoutItsFrameIsDecodedWhereItIsNamed() {
        let bare = Array(Self.zlib.dropFirst(2).dropLast(4))
        #expect(ContentDecoding.decode(bare, coding: "Deflate") == Self.text)
        #expect(ContentDecoding.decode(bare, coding: "gzip") == bare)
        #expect(ContentDecoding.decode(bare.dropLast(1), coding: "deflate") == bare.dropLast(1))
        #expect(ContentDecoding.decode(Self.text, coding: "deflate") == Self.text)
    }

    /// As much as there is: a token may be whole before the damage.
    @Test func cutAndBrokenBodies() {
        for end in 0..<Self.gzip.count {
            let cut = Array(Self.gzip[..<end])
            let decoded = ContentDecoding.decode(cut)
            #expect(decoded == cut || Self.text.starts(with: decoded))
        }
        // What is missing is the check alone.
        #expect(ContentDecoding.decode(Array(Self.gzip.dropLast(8))) == Self.text)
        #expect(ContentDecoding.decode(Self.gzip.dropLast(8) + [1, 2, 3, 4, 5, 6, 7, 8]) == Self.text)
    }

    /// A body arrives in parts, and one may end anywhere: between two members (RFC 1952 section 2.2), too.
    @Test func furtherMembersAreFoundWhereverAPartEnds() {
        let body = Self.gzip + Self.gzip + Self.gzip
        let text = Self.text + Self.text + Self.text
        let ends = (0...body.count).flatMap { end in (end...body.count).map { (end, $0) } }
        let missed = ends.filter { end, second in
            Self.decode([body[..<end], body[end..<second], body[second...]].map(Array.init)) != text
        }
        #expect(missed.isEmpty)
        #expect(Self.decode(body.map { [$0] }) == text)
    }

    @Test func whatFollowsTheEndIsNoContent() {
        for end in 0...Self.gzip.count + 3 {
            let body = Self.gzip + [0x1F, 0, 0x1F, 0x8B]
            #expect(Self.decode([Array(body[..<end]), Array(body[end...])]) == Self.text, "\(end)")
        }
    }

    private static func decode(_ parts: [[UInt8]]) -> [UInt8] {
        let decoder = ContentDecoder()
        var result: [UInt8] = []
        for part in parts {
            _ = decoder.decode(part) { span in
                span.withUnsafeBufferPointer { result += $0 }
                return true
            }
        }
        return result
    }
}
