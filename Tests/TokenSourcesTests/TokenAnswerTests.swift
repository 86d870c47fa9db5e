import Credentials
import Support
import Testing
import Upstream

@testable import TokenSources

@Suite struct TokenAnswerTests {
    private static let held = HeldTokens(accessToken: Token("old-access")!, refreshToken: Token("old-refresh")!)

    private static func answer(
        _ status: Int,
        _ body: String,
        _ fields: [(name: String, value: String)] = [],
        purpose: TokenPurpose = .spend,
        _ change: (inout OAuthConfiguration) -> Void = { _ in }
    ) -> TokenReply {
        var configuration = OAuthConfiguration()
        change(&configuration)
        let response = BlockingRequest.Response(status: status, fields: fields, body: Array(body.utf8))
        return TokenAnswer(response, configuration, hiding: ["old-access", "old-refresh", "s3cret:/+ä"])
            .reply(for: purpose, held: held, wall: 1_795_514_400)
    }

    /// The case and what counts of it.
    private static func shown(_ reply: TokenReply) -> String {
        switch reply.outcome {
        case .obtained(let tokens, _):
            "obtained \(tokens.accessToken.value) \(tokens.refreshToken?.value ?? "-") "
                + (tokens.expiresIn.map { "\($0)" } ?? "-")
        case .unchanged(let expiresIn, _): "unchanged " + (expiresIn.map { "\($0)" } ?? "-")
        case .refused: "refused"
        case .misconfigured(_, let tokens):
            "misconfigured" + (tokens.map { " saved \($0.refreshToken?.value ?? "-")" } ?? "")
        case .unavailable(_, let retryAfter, let mayHaveRotated, _, _, _):
            "unavailable" + (retryAfter.map { " \($0)" } ?? "") + (mayHaveRotated ? " rotated" : "")
        case .unreachable: "unreachable"
        case .lost(_, let response, _): "lost" + (response == nil ? "" : " kept")
        }
    }

    private static func reason(_ reply: TokenReply) -> String {
        switch reply.outcome {
        case .obtained, .unchanged: ""
        case .refused(let reason, _), .misconfigured(let reason, _), .unavailable(let reason, _, _, _, _, _),
            .unreachable(let reason, _), .lost(let reason, _, _):
            reason
        }
    }

    @Test(
        "What is spent: by the error, whatever the status",
        arguments: [
            (200, #"{"access_token":"new","refresh_token":"next","expires_in":3600}"#, "obtained new next 3600"),
            (200, #"{"access_token":"new"}"#, "obtained new old-refresh -"),
            (200, #"{"access_token":"new","refresh_token":""}"#, "obtained new old-refresh -"),
            (200, #"{"access_token":"new","refresh_token":null,"expires_in":"3600"}"#, "obtained new old-refresh 3600"),
            (201, #"{"access_token":"new","expires_at":1795514460}"#, "obtained new old-refresh 60"),
            (200, "access_token=new&refresh_token=next&expires_in=28800&scope=", "obtained new next 28800"),
            (
                200, #"{"access_token":"old-access","refresh_token":"next","expires_in":60}"#,
                "obtained old-access next 60"
            ),
            (200, #"{"access_token":"old-access","expires_in":60}"#, "unchanged 60"),
            (200, #"{"access_token":"old-access","refresh_token":"old-refresh"}"#, "unchanged -"),
            (200, #"{"access_token":"new","error":"what"}"#, "obtained new old-refresh -"),
            (200, #"{"access_token":"00D!AQ|x^1#2"}"#, "obtained 00D!AQ|x^1#2 old-refresh -"),
            (200, #"{"access_token":"a","refresh_token":"'b'$$"}"#, "obtained a 'b'$$ -"),
            // Of what came only the next refresh token can be used.
            (200, #"{"refresh_token":"next","expires_in":100}"#, "misconfigured saved next"),
            (200, #"{"access_token":5,"refresh_token":"next"}"#, "misconfigured saved next"),
            (200, #"{"access_token":"a'b","refresh_token":"next"}"#, "misconfigured saved next"),
            (200, #"{"access_token":"<html>","refresh_token":"next"}"#, "misconfigured saved next"),
            (200, #"{"refresh_token":"old-refresh"}"#, "lost kept"), (200, #"{"refresh_token":"b c"}"#, "lost kept"),
            (200, #"{"ok":false,"error":"invalid_refresh_token"}"#, "refused"),
            (200, "error=bad_refresh_token&error_description=The+refresh+token+is+wrong", "refused"),
            (403, #"{"error":"invalid_grant"}"#, "refused"), (500, #"{"error":"invalid_grant"}"#, "refused"),
            (400, #"{"error":"invalid_code"}"#, "refused"), (400, #"{"error":"token_revoked"}"#, "refused"),
            (400, #"{"error":"token_expired"}"#, "refused"), (400, #"{"error":"login_required"}"#, "refused"),
            (400, #"{"error":"interaction_required"}"#, "refused"), (400, #"{"error":"consent_required"}"#, "refused"),
            (401, #"{"error":"invalid_client"}"#, "misconfigured"),
            (400, #"{"error":"invalid_scope"}"#, "misconfigured"),
            (400, #"{"error":"unauthorized_client"}"#, "misconfigured"),
            (400, #"{"error":"invalid_request"}"#, "misconfigured"),
            (400, #"{"error":"unsupported_grant_type"}"#, "misconfigured"),
            (400, #"{"error":"invalid_target"}"#, "misconfigured"),
            (400, #"{"error":"access_denied"}"#, "misconfigured"),
            (400, #"{"error":"use_dpop_nonce"}"#, "misconfigured"),
            (400, #"{"error":"invalid_dpop_proof"}"#, "misconfigured"),
            (200, #"{"access_token":"new","token_type":"DPoP"}"#, "misconfigured saved old-refresh"),
            (200, #"{"access_token":"new","token_type":"mac"}"#, "misconfigured saved old-refresh"),
            (200, #"{"access_token":"new","token_type":"User Access Token"}"#, "obtained new old-refresh -"),
            (400, #"{"error":"temporarily_unavailable"}"#, "unavailable"),
            (400, #"{"error":"slow_down"}"#, "unavailable"),
            (400, #"{"error":"what_is_this"}"#, "unavailable"), (200, #"{"error":"what_is_this"}"#, "unavailable"),
            (500, #"{"error":"server_error"}"#, "unavailable rotated"), (500, "oops", "unavailable rotated"),
            (502, "", "unavailable rotated"), (504, "", "unavailable rotated"), (503, "", "unavailable"),
            (400, #"{"error":{"code":400,"status":"INVALID_ARGUMENT"}}"#, "unavailable"),
            (200, #"{"error":{"code":190}}"#, "unavailable"), (400, #"{"error":400}"#, "unavailable"),
            (403, "<html><p>error=invalid_grant&x=y</p></html>", "unavailable"), (404, "", "unavailable"),
            (401, "", "unavailable"), (408, "", "unavailable"), (429, "", "unavailable"), (400, "[]", "unavailable"),
            (301, "", "misconfigured"), (302, #"{"error":"invalid_grant"}"#, "misconfigured"),
            (307, "", "misconfigured"),
            (304, "", "misconfigured"),
            (200, "", "lost kept"), (200, "<html>welcome</html>", "lost kept"), (200, "{}", "lost kept"),
            (200, #"{"access_token":""}"#, "lost kept"), (200, #"{"access_token":5}"#, "lost kept"),
            (200, #"{"access_token":"new","refresh"#, "lost kept"), (200, #"{"error":""}"#, "lost kept"),
            (204, "", "lost kept"), (200, #"{"access_token":"a b"}"#, "lost kept"),
            (200, #"{"access_token":"a\r\nX: y"}"#, "lost kept"), (200, #"{"access_token":"a\u0000"}"#, "lost kept"),
            (200, #"{"access_token":" a"}"#, "lost kept"), (200, #"{"access_token":"\u0080"}"#, "lost kept"),
            (200, #"{"access_token":"a';rm"}"#, "lost kept"), (200, #"{"access_token":"$(x)"}"#, "lost kept"),
            (200, #"{"access_token":"a`x`"}"#, "lost kept"), (200, #"{"access_token":"a\\b"}"#, "lost kept"),
            (200, #"{"access_token":"a\"b"}"#, "lost kept"),
            (200, #"{"access_token":"a","refresh_token":"b c"}"#, "lost kept"),
            // It replaced the one that is held, whatever it is.
            (200, #"{"access_token":"a","refresh_token":7}"#, "lost kept"),
            (200, #"{"access_token":"a","refresh_token":{"value":"b"}}"#, "lost kept"),
            (200, #"{"access_token":"a","refresh_token":["b"]}"#, "lost kept"),
            (200, #"{"access_token":"a","refresh_token":false}"#, "lost kept"),
        ] as [(Int, String, String)]
    )
    func spending(_ status: Int, _ body: String, _ expected: String) {
        #expect(Self.shown(Self.answer(status, body)) == expected, "\(status) \(body)")
    }

    @Test(arguments: [
        (#"{"access_token":5}"#, "the token at /access_token"), (#"{"access_token":{}}"#, "the token at /access_token"),
        (#"{"access_token":"a","refresh_token":5}"#, "the refresh token at /refresh_token"),
    ])
    func whatIsNoTextIsNotCalledAbsent(_ body: String, _ what: String) {
        #expect(Self.reason(Self.answer(200, body)).contains("\(what) cannot be used: it is no text"))
    }

    @Test(
        "What is minted costs nothing: no answer to it is final",
        arguments: [
            (200, #"{"access_token":"new","refresh_token":"next","expires_in":3600}"#, "obtained new - 3600"),
            (200, #"{"access_token":"old-access"}"#, "unchanged -"),
            (400, #"{"error":"invalid_grant"}"#, "unavailable 60"), (400, #"{"error":"my_own"}"#, "unavailable 60"),
            (401, #"{"error":"invalid_client"}"#, "misconfigured"), (500, "", "unavailable"),
            (200, "", "misconfigured"),
            (200, #"{"access_token":"a b"}"#, "misconfigured"), (301, "", "misconfigured"),
        ] as [(Int, String, String)]
    )
    func minting(_ status: Int, _ body: String, _ expected: String) {
        let reply = Self.answer(status, body, purpose: .mint) { $0.final = ["my_own"] }
        #expect(Self.shown(reply) == expected, "\(status) \(body)")
    }

    @Test(
        "`final` adds to the table, and wins over it",
        arguments: [
            ("my_own", "refused"), ("invalid_request", "refused"), ("invalid_grant", "refused"),
            ("another", "unavailable"),
        ]
    )
    func finals(_ word: String, _ expected: String) {
        let reply = Self.answer(400, "{\"error\":\"\(word)\"}") { $0.final = ["my_own", "invalid_request"] }
        #expect(Self.shown(reply) == expected)
    }

    @Test(
        "Retry-After is seconds or a date",
        arguments: [
            ("7", "unavailable 7"), ("Tue, 24 Nov 2026 10:00:30 GMT", "unavailable 30"),
            ("99999999", "unavailable 3600"),
            ("soon", "unavailable"), ("-1", "unavailable"),
        ]
    )
    func retryAfter(_ value: String, _ expected: String) {
        #expect(Self.shown(Self.answer(503, "", [("Retry-After", value)])) == expected)
    }

    @Test(
        "What to look at is named",
        arguments: [
            ("invalid_client", ["session.oauth.client-authentication", "session.oauth.client-secret"]),
            ("invalid_scope", ["session.oauth.scope"]), ("unauthorized_client", ["session.oauth.grant"]),
            ("unsupported_grant_type", ["session.oauth.grant"]), ("use_dpop_nonce", ["use_dpop_nonce", "DPoP"]),
        ]
    )
    func advice(_ word: String, _ expected: [String]) {
        let reason = Self.reason(Self.answer(401, "{\"error\":\"\(word)\"}"))
        for part in expected + [word] { #expect(reason.contains(part), "\(reason)") }
    }

    @Test("A redirect's place is shown without what it holds")
    func redirect() {
        let reason = Self.reason(Self.answer(302, "", [("Location", "https://evil.example/x?code=old-refresh")]))
        #expect(reason.contains("https://evil.example,"))
        #expect(!reason.contains("old-refresh") && reason.contains("session.oauth.token-endpoint") == false)
        let named = Self.answer(307, "") { $0.tokenEndpoint = try? EndpointURL("https://a.example/token") }
        #expect(Self.reason(named).contains("session.oauth.token-endpoint"))
    }

    @Test("The error may stand in WWW-Authenticate alone")
    func challenge() {
        let reply = Self.answer(401, "", [("WWW-Authenticate", "Bearer error=\"invalid_client\"")])
        #expect(Self.shown(reply) == "misconfigured")
        #expect(reply.error == "invalid_client")
    }

    @Test("The answer's places may be others, and an ID token may be wanted")
    func places() {
        let nested = Self.answer(200, #"{"ok":true,"authed_user":{"access_token":"mine","expires_in":43200}}"#) {
            $0.answer.accessToken = "/authed_user/access_token"
            $0.answer.expiresIn = .init("/authed_user/expires_in")
        }
        #expect(Self.shown(nested) == "obtained mine old-refresh 43200")
        let minutes = Self.answer(200, #"{"access_token":"a","ttl":10}"#) {
            $0.answer.expiresIn = .init("/ttl", unit: .minutes)
        }
        #expect(Self.shown(minutes) == "obtained a old-refresh 600")
        let both = #"{"access_token":"a","id_token":"b","expires_in":60}"#
        #expect(Self.shown(Self.answer(200, both) { $0.token = .idToken }) == "obtained b old-refresh 60")
        #expect(Self.shown(Self.answer(200, #"{"access_token":"a"}"#) { $0.token = .idToken }) == "lost kept")
        let rotated = Self.answer(200, #"{"access_token":"a","refresh_token":"next"}"#) { $0.token = .idToken }
        #expect(Self.shown(rotated) == "misconfigured saved next")
        #expect(Self.reason(rotated).contains("no token at /id_token"))
        let errors = Self.answer(400, #"{"errors":[{"errorType":"invalid_grant"}],"success":false}"#) {
            $0.answer.error = "/errors/0/errorType"
        }
        #expect(Self.shown(errors) == "refused")
    }

    @Test(
        "The refresh token's end is read in each of its spellings",
        arguments: [
            "refresh_token_expires_in", "refresh_expires_in", "x_refresh_token_expires_in",
        ]
    )
    func refreshExpiry(_ name: String) {
        let reply = Self.answer(200, "{\"access_token\":\"a\",\"refresh_token\":\"b\",\"\(name)\":8640000}")
        guard case .obtained(let tokens, _) = reply.outcome else { return #expect(Bool(false)) }
        #expect(tokens.refreshExpiresIn == 8_640_000)
    }

    @Test("A device's question is answered by the word and perhaps an interval")
    func device() {
        let pending = Self.answer(400, #"{"error":"authorization_pending"}"#)
        #expect(pending.error == "authorization_pending")
        #expect(Self.shown(pending) == "unavailable")
        let slow = Self.answer(200, "error=slow_down&interval=10")
        #expect(slow.error == "slow_down" && slow.interval == 10)
    }

    @Test("A token exchange that gives a refresh token gives no bearer token")
    func exchange() {
        let body = #"{"access_token":"a","issued_token_type":"urn:ietf:params:oauth:token-type:refresh_token"}"#
        let reply = Self.answer(200, body, purpose: .mint) {
            $0.grant = .tokenExchange(.init(subjectToken: .file("/x")))
        }
        #expect(Self.shown(reply).hasPrefix("misconfigured"))
    }

    // MARK: Secrecy

    @Test(
        "No secret is quoted, in whatever form",
        arguments: [
            "old-refresh", "x old-refresh y", "s3cret:/+ä", "s3cret%3A%2F%2B%C3%A4", "s3cret%3a%2f%2b%c3%a4",
            "b2xkLXJlZnJlc2g=", "b2xkLXJlZnJlc2g", "svc:b2xkLXJlZnJlc2g", "QTpvbGQtcmVmcmVzaDpC", "old-\u{0}refresh",
            "%6fld%2Drefresh",
        ]
    )
    func secrecy(_ text: String) {
        let body = JSONValue.object([
            .init("error", .string("invalid_grant")), .init("error_description", .string(text)),
        ])
        let reason = Self.reason(Self.answer(400, body.serialized()))
        for secret in ["old-refresh", "s3cret", "b2xkLXJlZnJlc2", "sZC1yZWZyZXNo", "c3cret%", "%6fld"] {
            #expect(!reason.contains(secret), "\(reason)")
        }
        let word = JSONValue.object([.init("error", .string(text))])
        #expect(!Self.reason(Self.answer(400, word.serialized())).contains("old-refresh"))
    }

    @Test("A quote is one line of at most 200 bytes, without what acts on a terminal")
    func quotes() {
        let text = QuotedText.quoted(
            "a\u{1B}[31m\r\nb\u{202E}\u{200B}c\"d" + String(repeating: "ä", count: 500),
            hiding: []
        )
        #expect(text.utf8.count <= 200)
        #expect(
            text.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0 != "\u{202E}" && $0 != "\u{200B}" && $0 != "\"" }
        )
        #expect(text.hasSuffix("…"))
        // What is cut must not end within a secret that would have been found whole.
        let long = String(repeating: "s", count: 190) + "old-refresh"
        #expect(!QuotedText.quoted(long, hiding: ["old-refresh"]).contains("old-"))
        // Whatever escapes the marks in it were written with.
        for escaped in [#"Zq\\\"<SECRETTAIL"#, "Zq&quot;&lt;SECRETTAIL", #"Zq\u0022\u003cSECRETTAIL"#] {
            #expect(!QuotedText.quoted("body was \(escaped)", hiding: [#"Zq"<SECRETTAIL"#]).contains("TAIL"))
        }
        // "zq=key" in hexadecimal of either case.
        for digits in ["7a713d6b6579", "7A713D6B6579"] {
            #expect(QuotedText.quoted("got \(digits)!", hiding: ["zq=key"]) == "got ‹redacted›!")
        }
        let secret = String(repeating: "Q", count: 5000)
        #expect(!QuotedText.quoted(secret + secret, hiding: [secret]).contains("Q"))
        #expect(!QuotedText.quoted(secret + secret + secret + "x", hiding: [secret + secret]).contains("Q"))
    }

    @Test(
        "An answer of any bytes does not trap",
        arguments: [
            "%", "%4", "a=%zz", "=", "a", "&&&", "a=b&&c=d\r\n", "access_token", "access_token=", "\u{FEFF}{}", "[1,2",
            "{\"access_token\":{}}", "{\"error\":[\"invalid_grant\"]}",
        ]
    )
    func anything(_ body: String) {
        for status in [200, 204, 302, 400, 401, 403, 500, 999, 0, -1] {
            for purpose in [TokenPurpose.spend, .mint] { _ = Self.answer(status, body, purpose: purpose) }
        }
    }
}
