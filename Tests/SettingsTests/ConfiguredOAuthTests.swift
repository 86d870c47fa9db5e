import Platform
import ReverseProxy
import Testing
import TokenSources
import Upstream

@testable import Settings

/// What `session.oauth` takes, and what it refuses: 78, with the line.
@Suite struct ConfiguredOAuthTests {
    private static let environment = ["HOME": "/nowhere", "SECRET": "s3cret", "EMPTY": ""]

    private static func load(_ lines: [String], above: String = "") throws(ConfigurationError) -> ProxyConfiguration {
        let text =
            "upstream: https://a.example\n\(above)session:\n  oauth:\n"
            + lines.map { "    \($0)\n" }.joined()
        return try ConfigurationLoader(environment: environment).read(text, path: "squire.yaml").configuration
    }

    private static func oauth(_ lines: String...) throws(ConfigurationError) -> OAuthConfiguration? {
        if case .oauth(let oauth) = try load(lines).session.source { oauth } else { nil }
    }

    /// The mistakes, each with its line.
    private static func mistakes(_ lines: [String], above: String = "") -> [String] {
        do throws(ConfigurationError) {
            _ = try load(lines, above: above)
            return []
        } catch {
            return error.issues.map { "\($0.line ?? 0): \($0.message)" }
        }
    }

    @Test("Nine lines describe an API that is found by its issuer")
    func short() throws {
        let oauth = try #require(
            try Self.oauth(
                "issuer: https://login.example.com",
                "client-id: my-tool",
                "client-secret: {env: SECRET}",
                "scope: read  write offline_access"
            )
        )
        #expect(oauth.grant == .authorizationCode && oauth.issuer == "https://login.example.com")
        #expect(oauth.authentication == .secret(.environment("SECRET"), form: nil))
        #expect(oauth.authentication.name == "client-secret-basic" && oauth.clientID == "my-tool")
        #expect(oauth.scope == "read  write offline_access" && !oauth.refreshScope)
        #expect(oauth.endpointOrigin == "https://login.example.com" && oauth.timeout == .seconds(30))
    }

    @Test("Everything that a stubborn API may need is read")
    func long() throws {
        let oauth = try #require(
            try Self.oauth(
                "grant: device-code",
                "token-endpoint: https://login.example.com/oauth/token",
                "authorization-endpoint: https://login.example.com/oauth/authorize",
                "device-authorization-endpoint: https://login.example.com/oauth/device",
                "revocation-endpoint: https://login.example.com/oauth/revoke",
                "client-id: my-tool",
                "client-secret: plain",
                "client-authentication: client-secret-basic-raw",
                "scope: \"read,write\"",
                "refresh-scope: true",
                "offline-scope: offline",
                "parameters: {audience: https://api.example.com}",
                "authorization-parameters: {access_type: offline, prompt: consent}",
                "request: json",
                "redirect-uri: http://127.0.0.1/callback",
                "token: id-token",
                "answer: {access-token: /authed_user/access_token, expires-in: {pointer: /ttl, unit: minutes}}",
                "final: [my_own_code]",
                "timeout: 5s",
                "proxy: none"
            )
        )
        #expect(oauth.grant == .deviceCode && oauth.tokenEndpoint?.text == "https://login.example.com/oauth/token")
        #expect(oauth.authentication == .secret(.plain("plain"), form: .basicRaw))
        #expect(oauth.scope == "read,write" && oauth.refreshScope && oauth.offlineScope == "offline")
        #expect(oauth.parameters == [.init("audience", "https://api.example.com")])
        #expect(oauth.authorizationParameters == [.init("access_type", "offline"), .init("prompt", "consent")])
        #expect(oauth.requestForm == .json && oauth.token == .idToken && oauth.final == ["my_own_code"])
        #expect(oauth.answer.accessToken == "/authed_user/access_token")
        #expect(
            oauth.answer.expiresIn == .init("/ttl", unit: .minutes) && oauth.answer.refreshToken == "/refresh_token"
        )
        #expect(oauth.timeout == .seconds(5) && oauth.proxy == UpstreamSettings.Proxy.none)
        #expect(oauth.redirectURI == "http://127.0.0.1/callback")
        guard case .endpoint(let url) = oauth.revocation else { return #expect(Bool(false)) }
        #expect(url.text == "https://login.example.com/oauth/revoke")
    }

    private static let client = "client-id: c"
    private static let place = "token-endpoint: https://l.example/token"

    @Test("The grant is chosen by the endpoints that there are")
    func defaults() throws {
        #expect(try Self.oauth(Self.place, Self.client)?.grant == .authorizationCode)
        let device = "device-authorization-endpoint: https://l.example/device"
        #expect(try Self.oauth(Self.place, Self.client, device)?.grant == .deviceCode)
        let browser = "authorization-endpoint: https://l.example/authorize"
        #expect(try Self.oauth(Self.place, Self.client, device, browser)?.grant == .authorizationCode)
        #expect(try Self.oauth(Self.place, Self.client)?.authentication == OAuthConfiguration.ClientAuthentication.none)
        let odd = try Self.oauth(Self.place, Self.client, "revocation: {method: GET, url: https://a.example/end}")
        guard case .request("GET", let url, nil)? = odd?.revocation else { return #expect(Bool(false)) }
        #expect(url.text == "https://a.example/end")
    }

    @Test(
        "What does not fit is refused with its line",
        arguments: [
            ([client], "3: session.oauth needs token-endpoint, or issuer"),
            ([place], "3: session.oauth needs client-id"),
            (
                ["token-endpoint: http://l.example/t", client],
                "4: session.oauth.token-endpoint is http:// to another machine"
            ),
            (["token-endpoint: l.example/t", client], "4: session.oauth.token-endpoint must be a URL"),
            (["issuer: http://l.example", client], "4: session.oauth.issuer is http:// to another machine"),
            (["issuer: https://l.example/?a=b", client], "4: session.oauth.issuer must be a URL without a query"),
            ([place, client, "grant: client-credentials"], "6: session.oauth.grant is client-credentials: it needs"),
            (
                [place, client, "grant: client-credentials", "client-authentication: none"],
                "6: session.oauth.grant is client-c"
            ),
            ([place, client, "grant: account-credentials"], "6: session.oauth.grant is account-credentials: it needs"),
            (
                [place, client, "grant: account-credentials", "client-secret: s", "parameters: {account: a}"],
                "6: session.oauth.grant is account-credentials: it needs parameters: {account_id"
            ),
            ([place, client, "grant: jwt-bearer"], "6: session.oauth.grant is jwt-bearer: it needs private-key"),
            (
                [place, client, "grant: token-exchange"],
                "6: session.oauth.grant is token-exchange: it needs subject-token"
            ),
            ([place, client, "grant: password"], "6: session.oauth.grant must be one of"),
            ([place, client, "grant: device-code"], "6: session.oauth.grant is device-code: it needs device-auth"),
            (
                [place, client, "grant: authorization-code"],
                "6: session.oauth.grant is authorization-code: it needs auth"
            ),
            (
                [place, client, "grant: client-credentials", "client-secret: s", "redirect-uri: http://localhost/"],
                "8: session.oauth.redirect-uri is for a login"
            ),
            ([place, client, "subject: me"], "6: session.oauth.subject is for grant: jwt-bearer"),
            (
                [place, client, "subject-token: {env: SECRET}"],
                "6: session.oauth.subject-token is for grant: token-exchange"
            ),
            (
                [place, client, "grant: token-exchange", "subject-token: plain"],
                "7: session.oauth.subject-token must be {file"
            ),
            (
                [place, client, "client-authentication: client-secret-post"],
                "6: session.oauth.client-authentication is client-secret-post: it needs client-secret"
            ),
            (
                [place, client, "client-authentication: private-key-jwt"],
                "6: session.oauth.client-authentication is private-key-jwt: it needs private-key"
            ),
            (
                [place, client, "client-authentication: tls-client-auth"],
                "6: session.oauth.client-authentication is tls-client-auth: it needs"
            ),
            (
                [place, client, "client-authentication: none", "client-secret: s"],
                "7: session.oauth.client-secret is not sent with client-authentication: none"
            ),
            ([place, client, "key-id: k"], "6: session.oauth.key-id is for an assertion"),
            ([place, client, "client-secret: {env: MISSING}"], "6: session.oauth.client-secret names a variable"),
            ([place, client, "client-secret: {env: EMPTY}"], "6: session.oauth.client-secret names a variable"),
            ([place, client, "client-secret: \"\""], "6: session.oauth.client-secret is empty"),
            ([place, client, "client-secret: {file: /no/such/file}"], "6: session.oauth.client-secret names a file"),
            (
                [place, client, "client-secret: {env: SECRET, file: x}"],
                "6: session.oauth.client-secret must be a value, or name one of"
            ),
            (
                [place, client, "client-secret: {variable: X}"],
                "6: unknown key \"session.oauth.client-secret.variable\""
            ),
            ([place, client, "private-key: /no/such/key"], "6: session.oauth.private-key names a file"),
            ([place, client, "scope: [a, b]"], "6: session.oauth.scope must be text, not a list"),
            (
                [place, client, "parameters: {grant_type: x}"],
                "6: session.oauth.parameters: grant_type is set by Squire"
            ),
            ([place, client, "parameters: {client_id: x}"], "6: session.oauth.parameters: client_id is set by Squire"),
            ([place, client, "parameters: {code: x}"], "6: session.oauth.parameters: code is set by Squire"),
            ([place, client, "parameters: {refresh_token: x}"], "6: session.oauth.parameters: refresh_token is set"),
            (
                [place, client, "authorization-parameters: {state: x}"],
                "6: session.oauth.authorization-parameters: state is"
            ),
            ([place, client, "parameters: [a]"], "6: session.oauth.parameters must be a map"),
            ([place, client, "parameters: {a: [b]}"], "6: session.oauth.parameters: a parameter is a name"),
            ([place, client, "request: xml"], "6: session.oauth.request must be one of form, json"),
            ([place, client, "token: refresh-token"], "6: session.oauth.token must be one of"),
            (
                [place, client, "answer: {access-token: x}"],
                "6: session.oauth.answer.access-token must be a JSON Pointer"
            ),
            (
                [place, client, "answer: {expires-in: {unit: minutes}}"],
                "6: session.oauth.answer.expires-in needs a pointer"
            ),
            (
                [place, client, "answer: {expires-in: {pointer: /x, unit: weeks}}"],
                "6: session.oauth.answer.expires-in.unit"
            ),
            (
                [place, client, "revocation: {url: https://a.example/}", "revocation-endpoint: https://a.example/"],
                "6: session.oauth.revocation and session.oauth.revocation-endpoint cannot both"
            ),
            ([place, client, "revocation: {method: GET}"], "6: session.oauth.revocation needs a url"),
            (
                [place, client, "revocation: {method: PUT, url: https://a.example/}"],
                "6: session.oauth.revocation.method"
            ),
            ([place, client, "redirect-uri: callback"], "6: session.oauth.redirect-uri must be a URL"),
            ([place, client, "timeout: 11m"], "6: session.oauth.timeout must be from 1s to 10m"),
            ([place, client, "proxy: ftp://x"], "6: session.oauth.proxy must be a URL"),
            ([place, client, "tls: {ca: x}"], "6: unknown key \"session.oauth.tls.ca\""),
            ([place, client, "client_secret: x"], "6: unknown key \"session.oauth.client_secret\": did you mean"),
        ] as [([String], String)]
    )
    func refusals(_ lines: [String], _ expected: String) {
        let found = Self.mistakes(lines)
        // What follows from it may be said, too.
        #expect((1...2).contains(found.count) && found[0].hasPrefix(expected), "\(found)")
    }

    @Test("A secret is never quoted in a mistake")
    func secrecy() {
        for line in ["client-secret: [hush]", "client-authentication: none", "request: x"] {
            let found = Self.mistakes([Self.place, Self.client, line, "client-secret: hush-hush"])
            #expect(!found.contains { $0.contains("hush") }, "\(found)")
        }
    }

    @Test("http off this machine is refused, whatever the upstream may have")
    func plain() {
        let lines = ["token-endpoint: http://l.example/t", Self.client]
        let found = Self.mistakes(lines, above: "allow-plain-upstream: true\n")
        #expect(found.count == 1 && found[0].contains("http:// to another machine"), "\(found)")
        #expect(Self.mistakes(["token-endpoint: http://127.0.0.1:1/t", Self.client]).isEmpty)
    }

    @Test("Two sources are refused")
    func twoSources() {
        let text =
            "upstream: https://a.example\nsession:\n  refresh: {path: /r, token: /t}\n  oauth:\n"
            + "    token-endpoint: https://l.example/t\n    client-id: c\n"
        do {
            _ = try ConfigurationLoader(environment: Self.environment).read(text, path: "squire.yaml")
            Issue.record("read")
        } catch {
            #expect(
                error.description
                    == "squire.yaml:4: session.oauth and session.refresh are two sources of tokens: give one"
            )
        }
    }

    @Test("keep-alive is 1h to 90d, and only where there is something to keep alive")
    func keepAlive() throws {
        let read = { (oauth: String, keys: String) -> (SessionConfiguration?, String) in
            let text = "upstream: https://a.example\nsession:\n\(keys)  oauth: {\(oauth)}\n"
            do throws(ConfigurationError) {
                let loader = ConfigurationLoader(environment: Self.environment)
                return (try loader.read(text, path: "squire.yaml").configuration.session, "")
            } catch {
                return (nil, error.description)
            }
        }
        let person = "token-endpoint: https://l.example/t, client-id: c"
        let (session, _) = read(person, "  keep-alive: 7d\n  retry-lost: never\n")
        #expect(session?.keepAlive == .seconds(7 * 86_400) && session?.retriesLost == false)
        #expect(read(person, "  keep-alive: 59m\n").1.contains("from 1h to 90d"))
        #expect(read(person, "  retry-lost: twice\n").1.contains("session.retry-lost must be one of once, never"))
        let mints = person + ", grant: client-credentials, client-secret: s"
        #expect(read(mints, "  keep-alive: 7d\n").1.contains("session.keep-alive has nothing to keep alive"))
    }

    @Test(
        "What `check` says of the source",
        arguments: [
            (
                ["grant: client-credentials", "client-secret: s"],
                "oauth client-credentials, https://l.example/token, client c (client-secret-basic)"
            ),
            ([], "oauth authorization-code, https://l.example/token, client c (none)"),
        ]
    )
    func summary(_ lines: [String], _ expected: String) throws {
        guard case .oauth(let oauth) = try Self.load([Self.place, Self.client] + lines).session.source else {
            return #expect(Bool(false))
        }
        #expect(oauth.summary == expected)
        let found = try Self.oauth("issuer: https://l.example", Self.client)
        #expect(
            found?.summary == "oauth authorization-code, endpoints by discovery from https://l.example, client c (none)"
        )
    }
}
