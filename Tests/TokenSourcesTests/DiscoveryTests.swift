import Credentials
import Testing

@testable import TokenSources

@Suite struct DiscoveryTests {
    private static let good = FakeServer.Answer.json(#"{"access_token":"new"}"#)
    private static let held = HeldTokens(accessToken: Token("old")!, refreshToken: Token("old-refresh")!)

    private static func metadata(_ issuer: String, _ more: String = "") -> FakeServer.Answer {
        .json(
            "{\"issuer\":\"\(issuer)\",\"token_endpoint\":\"https://login.example.com/found\","
                + "\"authorization_endpoint\":\"https://login.example.com/authorize\"\(more)}"
        )
    }

    private static func endpoint(
        _ server: FakeServer,
        _ issuer: String = "https://login.example.com/o"
    ) -> TokenEndpoint {
        server.endpoint {
            $0.tokenEndpoint = nil
            $0.issuer = issuer
        }
    }

    @Test(
        "Metadata are looked for inserted, appended, and as OpenID Connect has them",
        arguments: [
            (
                "https://login.example.com/o",
                [
                    "https://login.example.com/.well-known/oauth-authorization-server/o",
                    "https://login.example.com/o/.well-known/oauth-authorization-server",
                    "https://login.example.com/o/.well-known/openid-configuration",
                ]
            ),
            (
                "https://login.example.com/",
                [
                    "https://login.example.com/.well-known/oauth-authorization-server",
                    "https://login.example.com/.well-known/openid-configuration",
                ]
            ),
            (
                "https://login.example.com/a/b/",
                [
                    "https://login.example.com/.well-known/oauth-authorization-server/a/b",
                    "https://login.example.com/a/b/.well-known/oauth-authorization-server",
                    "https://login.example.com/a/b/.well-known/openid-configuration",
                ]
            ),
        ] as [(String, [String])]
    )
    func places(_ issuer: String, _ expected: [String]) {
        let server = FakeServer([:])
        #expect(OAuthSource(Self.endpoint(server, issuer)).get(Self.held).word == "misconfigured")
        #expect(server.asked.map(\.url) == expected)
        #expect(server.asked.allSatisfy { $0.method == "GET" && $0.body.isEmpty && $0.fields["Authorization"] == nil })
    }

    @Test("Found once, they are kept for a day")
    func kept() {
        let server = FakeServer([
            "/o/.well-known/oauth-authorization-server": [Self.metadata("https://login.example.com/o")],
            "/found": [Self.good],
        ])
        let source = OAuthSource(Self.endpoint(server))
        source.endpoint.prepare()
        #expect(server.asked.count == 2)
        for _ in 0..<3 { #expect(source.get(Self.held).accessToken == "new") }
        #expect(server.asked.count == 5)
        server.clock.advance(86_401)
        _ = source.get(Self.held)
        #expect(server.asked.count == 8)
        #expect((try? source.endpoint.authorizationEndpoint())?.text == "https://login.example.com/authorize")
        #expect((try? source.endpoint.deviceEndpoint()) == nil)
    }

    @Test("Another issuer's metadata are nobody's: both are named")
    func mismatch() {
        let server = FakeServer(["/.well-known/openid-configuration": [Self.metadata("https://evil.example")]])
        let outcome = OAuthSource(Self.endpoint(server)).get(Self.held)
        #expect(outcome.word == "misconfigured")
        #expect(
            outcome.reason.contains("https://evil.example") && outcome.reason.contains("https://login.example.com/o")
        )
        #expect(!server.asked.contains { $0.url.hasSuffix("/found") })
        // A slash at the end is another issuer, too (RFC 8414 section 3.3).
        let slash = FakeServer(["/.well-known/openid-configuration": [Self.metadata("https://login.example.com/o/")]])
        #expect(OAuthSource(Self.endpoint(slash)).get(Self.held).word == "misconfigured")
    }

    @Test(
        "Endpoints on http off this machine are not used",
        arguments: [
            "http://login.example.com/token", "ftp://login.example.com/token", "/token",
            "https://u:p@login.example.com/",
        ]
    )
    func plain(_ url: String) {
        let body = "{\"issuer\":\"https://login.example.com/o\",\"token_endpoint\":\"\(url)\"}"
        let server = FakeServer(["/.well-known/oauth-authorization-server/o": [.json(body)]])
        #expect(OAuthSource(Self.endpoint(server)).get(Self.held).word == "misconfigured")
        #expect(server.asked.count == 1)
    }

    @Test(
        "What fails for now is tried again; nothing that was found wrong is kept",
        arguments: [
            (FakeServer.Answer.status(503), "unavailable"), (.noResponse, "unavailable"), (.notSent, "unreachable"),
            (.status(302, "", ["Location": "https://login.example.com/elsewhere"]), "misconfigured"),
            (.json("[]"), "misconfigured"), (.status(404), "misconfigured"),
        ] as [(FakeServer.Answer, String)]
    )
    func passing(_ answer: FakeServer.Answer, _ word: String) {
        let server = FakeServer([
            "/.well-known/oauth-authorization-server/o": [answer, Self.metadata("https://login.example.com/o")],
            "/found": [Self.good],
        ])
        let source = OAuthSource(Self.endpoint(server))
        #expect(source.get(Self.held).word == word)
        #expect(source.get(Self.held).accessToken == "new")
    }

    @Test(
        "The server says how it wants the secret, when nobody else does",
        arguments: [
            (#"["client_secret_post"]"#, true), (#"["client_secret_basic","client_secret_post"]"#, false),
            ("[]", false),
            (#"["private_key_jwt"]"#, false),
        ]
    )
    func methods(_ methods: String, _ isPost: Bool) {
        let more = ",\"token_endpoint_auth_methods_supported\":\(methods)"
        let server = FakeServer([
            "/.well-known/oauth-authorization-server/o": [Self.metadata("https://login.example.com/o", more)],
            "/found": [Self.good],
        ])
        let endpoint = server.endpoint {
            $0.tokenEndpoint = nil
            $0.issuer = "https://login.example.com/o"
            $0.authentication = .secret(.plain("s"), form: nil)
        }
        _ = OAuthSource(endpoint).get(Self.held)
        #expect((server.asked[1]["client_secret"] != nil) == isPost)
        #expect((server.asked[1].fields["Authorization"] != nil) == !isPost)
    }

    @Test("A connection with a certificate may have endpoints of its own (RFC 8705 section 5)")
    func aliases() {
        let more = #","mtls_endpoint_aliases":{"token_endpoint":"https://mtls.example.com/found"}"#
        let server = FakeServer([
            "/.well-known/oauth-authorization-server/o": [Self.metadata("https://login.example.com/o", more)],
            "/found": [Self.good],
        ])
        let endpoint = server.endpoint {
            $0.tokenEndpoint = nil
            $0.issuer = "https://login.example.com/o"
            $0.authentication = .tlsClientAuth
        }
        _ = OAuthSource(endpoint).get(Self.held)
        #expect(server.asked[1].url == "https://mtls.example.com/found" && server.asked[1]["client_id"] == "svc")
        _ = OAuthSource(Self.endpoint(server)).get(Self.held)
        #expect(server.asked.last?.url == "https://login.example.com/found")
    }

    // MARK: Revocation

    @Test(
        "A token is ended as RFC 7009 has it",
        arguments: [
            (FakeServer.Answer.status(200), RevocationOutcome.ended),
            (.status(400, #"{"error":"invalid_token"}"#), .ended), (.notSent, .unreachable("revocation: Refused")),
            (.noResponse, .unavailable("revocation: Timed out")),
            (.status(503, "", ["Retry-After": "7"]), .unavailable("revocation: status 503", retryAfter: 7)),
            (
                .status(400, #"{"error":"unsupported_token_type"}"#),
                .refused("revocation: unsupported_token_type (status 400)")
            ),
            (.status(404), .refused("revocation: status 404")),
        ] as [(FakeServer.Answer, RevocationOutcome)]
    )
    func revocation(_ answer: FakeServer.Answer, _ expected: RevocationOutcome) {
        let server = FakeServer(["/revoke": [answer]])
        let endpoint = server.endpoint {
            $0.revocation = (try? EndpointURL("https://login.example.com/revoke")).map { .endpoint($0) } ?? .discovered
        }
        #expect(endpoint.revoke(Token("old-refresh")!, .refreshToken) == expected)
        #expect(server.asked[0].body == "token=old-refresh&token_type_hint=refresh_token&client_id=svc")
    }

    @Test("Without an endpoint there is no way")
    func noRevocation() {
        let server = FakeServer([:])
        #expect(server.endpoint { _ in }.revoke(Token("a")!, .accessToken) == .noWay)
        #expect(server.asked.isEmpty)
    }

    @Test(
        "An API's own way carries the access token like any request",
        arguments: [
            (FakeServer.Answer.status(200, #"{"ok":true}"#), RevocationOutcome.ended),
            (.status(200, #"{"ok":false,"error":"token_revoked"}"#), .rejected), (.status(401), .rejected),
            (.status(200, #"{"ok":false,"error":"fatal_error"}"#), .refused("revocation: fatal_error (status 200)")),
        ] as [(FakeServer.Answer, RevocationOutcome)]
    )
    func ownRevocation(_ answer: FakeServer.Answer, _ expected: RevocationOutcome) {
        let server = FakeServer(["/auth.revoke": [answer]])
        let endpoint = server.endpoint {
            guard let url = try? EndpointURL("https://api.example.com/auth.revoke") else { return }
            $0.revocation = .request(method: "GET", url: url, body: nil)
        }
        #expect(endpoint.revoke(Token("old-refresh")!, .refreshToken) == .noWay)
        #expect(endpoint.revoke(Token("old")!, .accessToken) == expected)
        #expect(server.asked.count == 1 && server.asked[0].fields["X-Token"] == "T old")
        #expect(server.asked[0].method == "GET" && server.asked[0].body.isEmpty)
    }
}
