import Credentials
import Testing
import Threads
import Upstream

@testable import TokenSources

@Suite struct OAuthSourceTests {
    private static let good = FakeServer.Answer.json(#"{"access_token":"new","expires_in":3600}"#)
    private static let held = HeldTokens(accessToken: Token("old")!, refreshToken: Token("old-refresh")!)
    private static let secret = SecretReference.environment("SECRET")

    // MARK: Client authentication

    @Test("Basic is form-urlencoded, then base64 (RFC 6749 section 2.3.1)")
    func basic() {
        let server = FakeServer(["/token": [Self.good]])
        let endpoint = server.endpoint {
            $0.grant = .clientCredentials
            $0.authentication = .secret(Self.secret, form: nil)
            $0.scope = "read write"
        }
        #expect(OAuthSource(endpoint).get(HeldTokens()).accessToken == "new")
        let asked = server.asked[0]
        // base64 of svc:s3cret%3A%2F%2B%C3%A4
        #expect(asked.fields["Authorization"] == "Basic c3ZjOnMzY3JldCUzQSUyRiUyQiVDMyVBNA==")
        #expect(asked.body == "grant_type=client_credentials&scope=read%20write")
        #expect(asked.method == "POST")
        #expect(Set(asked.fields.keys) == ["Content-Type", "Accept", "User-Agent", "Authorization"])
        #expect(asked.fields["Accept"] == "application/json")
        #expect(asked.fields["Content-Type"] == "application/x-www-form-urlencoded")
    }

    @Test(
        "Raw Basic and the body carry the secret as it is",
        arguments: [
            (OAuthConfiguration.SecretForm.basicRaw, "Basic c3ZjOnMzY3JldDovK8Ok", "grant_type=client_credentials"),
            (.post, nil, "grant_type=client_credentials&client_id=svc&client_secret=s3cret%3A%2F%2B%C3%A4"),
        ] as [(OAuthConfiguration.SecretForm, String?, String)]
    )
    func otherForms(_ form: OAuthConfiguration.SecretForm, _ authorization: String?, _ body: String) {
        let server = FakeServer(["/token": [Self.good]])
        let endpoint = server.endpoint {
            $0.grant = .clientCredentials
            $0.authentication = .secret(Self.secret, form: form)
        }
        _ = OAuthSource(endpoint).get(HeldTokens())
        #expect(server.asked[0].fields["Authorization"] == authorization)
        #expect(server.asked[0].body == body)
    }

    @Test("The secret is read for each request; a command's only when the client was refused")
    func secretsAreRead() {
        let refused = FakeServer.Answer.status(401, #"{"error":"invalid_client"}"#)
        let server = FakeServer(["/token": [Self.good, Self.good, refused, Self.good]])
        var endpoint = server.endpoint {
            $0.grant = .clientCredentials
            $0.authentication = .secret(.command(["x"]), form: .post)
        }
        for _ in 0..<4 { _ = OAuthSource(endpoint).get(HeldTokens()) }
        #expect(server.asked.map { $0["client_secret"] } == ["1", "1", "1", "2"])
        endpoint = server.endpoint {
            $0.grant = .clientCredentials
            $0.authentication = .secret(Self.secret, form: .post)
        }
        _ = OAuthSource(endpoint).get(HeldTokens())
        server.secrets.with { $0["SECRET"] = "another" }
        _ = OAuthSource(endpoint).get(HeldTokens())
        #expect(server.asked.last?["client_secret"] == "another")
        server.secrets.with { $0 = [:] }
        let count = server.asked.count
        let outcome = OAuthSource(endpoint).get(HeldTokens())
        #expect(outcome.word == "misconfigured" && outcome.reason.contains("session.oauth.client-secret"))
        #expect(server.asked.count == count)
    }

    // MARK: Grants

    @Test("A refresh sends the refresh token, no scope unless asked, and further parameters")
    func refresh() {
        let server = FakeServer(["/token": [Self.good]])
        let endpoint = server.endpoint {
            $0.scope = "read"
            $0.parameters = [.init("audience", "https://api.example.com")]
        }
        let source = OAuthSource(endpoint)
        #expect(source.spends && !source.startsAlone)
        #expect(source.get(Self.held).accessToken == "new")
        #expect(
            server.asked[0].body == "grant_type=refresh_token&refresh_token=old-refresh"
                + "&audience=https%3A%2F%2Fapi.example.com&client_id=svc"
        )
        _ = OAuthSource(server.endpoint { ($0.scope, $0.refreshScope) = ("read", true) }).get(Self.held)
        #expect(server.asked[1]["scope"] == "read")
        #expect(!source.canGet(with: HeldTokens(accessToken: Token("a")!)))
        #expect(source.get(HeldTokens(accessToken: Token("a")!)).word == "refused")
        #expect(server.asked.count == 2)
    }

    @Test(
        "One try is one request, whatever comes of it",
        arguments: [
            FakeServer.Answer.status(401, #"{"error":"invalid_client"}"#, ["Date": "Tue, 24 Nov 2026 12:00:00 GMT"]),
            .status(400, #"{"error":"invalid_grant"}"#), .status(500), .noResponse, .notSent, .json("{}"),
            .status(307, "", ["Location": "https://login.example.com/other"]),
        ]
    )
    func oneTry(_ answer: FakeServer.Answer) {
        let server = FakeServer(["/token": [answer]])
        _ = OAuthSource(server.endpoint { $0.authentication = .secret(Self.secret, form: nil) }).get(Self.held)
        _ = OAuthSource(
            server.endpoint { $0.authentication = .privateKeyJWT(.init(key: .plain(Keys.ec))) }
        ).get(Self.held)
        #expect(server.asked.count == 2)
    }

    @Test("No answer may be a lost one only where something was spent")
    func noAnswer() {
        let server = FakeServer(["/token": [.noResponse]])
        #expect(OAuthSource(server.endpoint { _ in }).get(Self.held).word == "lost")
        #expect(OAuthSource(server.endpoint { $0.grant = .clientCredentials }).get(HeldTokens()).word == "unavailable")
        let dead = FakeServer(["/token": [.notSent]])
        #expect(OAuthSource(dead.endpoint { _ in }).get(Self.held).word == "unreachable")
    }

    @Test("A body may be JSON")
    func json() {
        let server = FakeServer(["/token": [Self.good]])
        _ = OAuthSource(server.endpoint { $0.requestForm = .json }).get(Self.held)
        #expect(server.asked[0].fields["Content-Type"] == "application/json")
        #expect(
            server.asked[0].body == #"{"grant_type":"refresh_token","refresh_token":"old-refresh","client_id":"svc"}"#
        )
    }

    @Test("A token exchange sends the subject token, read anew")
    func exchange() {
        let server = FakeServer(["/token": [Self.good]])
        server.secrets.with { $0["/token"] = "one" }
        let source = OAuthSource(
            server.endpoint { configuration in
                var exchange = OAuthConfiguration.TokenExchange(subjectToken: .file("/token"))
                exchange.requestedTokenType = "urn:ietf:params:oauth:token-type:access_token"
                configuration.grant = .tokenExchange(exchange)
            }
        )
        #expect(!source.spends && source.startsAlone)
        _ = source.get(HeldTokens())
        server.secrets.with { $0["/token"] = "two" }
        _ = source.get(HeldTokens())
        #expect(server.asked.map { $0["subject_token"] } == ["one", "two"])
        #expect(server.asked[0]["subject_token_type"] == "urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Ajwt")
        #expect(server.asked[0]["grant_type"] == "urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange")
        #expect(
            server.asked[0]["requested_token_type"] == "urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token"
        )
    }

    /// Zoom's server-to-server grant: the client itself asks, for an account.
    @Test func accountCredentials() throws {
        let server = FakeServer(["/token": [Self.good]])
        let source = OAuthSource(
            server.endpoint { configuration in
                configuration.grant = .accountCredentials
                configuration.parameters = [.init("account_id", "acc-1")]
            }
        )
        #expect(!source.spends && source.startsAlone)
        guard case .obtained = source.get(HeldTokens()) else { return #expect(Bool(false)) }
        let asked = try #require(server.asked.first)
        #expect(asked["grant_type"] == "account_credentials" && asked["account_id"] == "acc-1")
    }

    @Test("The authorization server has the upstream's proxy and authorities, and perhaps a certificate of its own")
    func connection() {
        let server = FakeServer(["/token": [Self.good]])
        _ = OAuthSource(server.endpoint { _ in }).get(Self.held)
        let settings = server.asked[0].settings
        #expect(settings.origin == "https://login.example.com" && settings.isSecure)
        #expect(settings.proxy == .url("http://proxy:3128") && settings.authorities == "ca.pem")
        #expect(settings.certificate == "upstream.pem" && settings.key == "upstream.key")
        let own = server.endpoint {
            $0.certificate = .init(certificate: "own.pem", key: nil)
            $0.proxy = UpstreamSettings.Proxy.none
        }
        _ = OAuthSource(own).get(Self.held)
        #expect(server.asked[1].settings.certificate == "own.pem" && server.asked[1].settings.key == nil)
        #expect(server.asked[1].settings.proxy == .none)
    }
}
