import HTTP1
import ReverseProxy
import Testing
import TokenSources

@testable import Settings

/// What `profile: NAME` means, and that it is what `squire profile NAME` prints.
@Suite struct ProfileTests {
    private func read(_ text: String, _ options: ConfigurationOverrides = .init()) throws -> ProxyConfiguration {
        try ConfigurationLoader(environment: ["HOME": "/nowhere", "SECRET": "s3cret"], overrides: options)
            .read(text, path: "/nowhere/squire.yaml").configuration
    }

    private func issues(_ text: String, _ options: ConfigurationOverrides = .init()) -> [ConfigurationError.Issue] {
        do {
            _ = try read(text, options)
            return []
        } catch {
            return (error as? ConfigurationError)?.issues ?? []
        }
    }

    // MARK: Every preset

    @Test(arguments: Profile.names) func isADocumentOfFifteenLines(_ name: String) throws {
        let profile = try #require(Profile.named(name))
        let lines = profile.text.split(separator: "\n").filter { line in
            !line.allSatisfy { $0 == " " } && line.first { $0 != " " } != "#"
        }
        #expect(lines.count <= 15, "\(lines.count) lines")
        #expect(profile.text.split(separator: "\n").allSatisfy { $0.utf8.count <= 120 })
        guard case .mapping(let mapping)? = try YAMLReader.read(profile.text) else {
            Issue.record("no map")
            return
        }
        #expect(mapping["profile"] == nil && !profile.summary.isEmpty && !profile.summary.contains("\n"))
    }

    /// The whole list of the presets that were asked for.
    @Test func areAllThere() {
        let asked = """
            menu google entra okta auth0 keycloak github gitlab salesforce zoom quickbooks xero hubspot slack atlassian
            spotify dropbox fitbit strava shopify amazon-sp-api ebay zoho
            """
        #expect(Profile.names == asked.split { $0 == " " || $0 == "\n" }.map(String.init))
    }

    /// As it stands.
    @Test(arguments: Profile.names) func fedBackItSaysTheSame(_ name: String) throws {
        let profile = try #require(Profile.named(name))
        let (one, other) = (issues("profile: \(name)\n"), issues(profile.text))
        #expect(!one.isEmpty && one.map(\.message) == other.map(\.message))
        #expect(one.allSatisfy { $0.line == 1 })
    }

    /// With what nobody but the user knows.
    @Test(arguments: Profile.names) func fedBackItMeansTheSame(_ name: String) throws {
        let profile = try #require(Profile.named(name))
        var options = ConfigurationOverrides()
        options.upstream = .init("https://api.example.com", source: "--upstream")
        options.headers = ["Application", "Api-Version", "Device-UUID"].map { .init("\($0): x", source: "--header") }
        let known =
            switch name {
            case "menu": [String]()
            case "okta", "auth0", "keycloak": ["issuer: https://login.example.com", "client-id: me"]
            case "shopify": ["token-endpoint: https://a.example/t", "client-id: me", "client-secret: {env: SECRET}"]
            case "gitlab": ["issuer: https://gitlab.example", "client-id: me", "client-secret: {env: SECRET}"]
            default: ["client-id: me", "client-secret: {env: SECRET}"]
            }
        var named = "profile: \(name)\n"
        var printed = profile.text
        if !known.isEmpty {
            named += "session: {oauth: {\(known.joined(separator: ", "))}}\n"
            let lines = known.map { "    \($0)\n" }.joined()
            printed = printed.replacing("  oauth: {}\n", with: "  oauth:\n").replacing(
                "  oauth:\n",
                with: "  oauth:\n" + lines
            )
            if name == "gitlab" { printed = printed.replacing("    issuer: https://gitlab.com\n", with: "") }
        }
        #expect(issues(named, options).isEmpty && issues(printed, options).isEmpty, "\(issues(named, options))")
        #expect(try plain(read(named, options)) == plain(read(printed, options)))
    }

    /// Without where the headers were written.
    private func plain(_ configuration: ProxyConfiguration) -> ProxyConfiguration {
        var configuration = configuration
        for index in configuration.headers.indices { configuration.headers[index].source = "" }
        return configuration
    }

    // MARK: Under a document

    private let menu =
        "upstream: https://a.example\nprofile: menu\nheaders: {Application: a, Api-Version: 1, Device-UUID: 2}\n"

    @Test func menuIsWhatItWas() throws {
        let session = try read(menu).session
        #expect(
            session.tokensAreJWTs && session.refresh?.method == "GET" && session.refresh?.token == "/data/token/value"
        )
        #expect(session.refresh?.path == "/api/customers/refresh" && session.refresh?.timeout == .seconds(30))
        #expect((session.signIn.count, session.signOut.count, session.anonymous.count) == (3, 1, 3))
        let headers = try read(menu).headers
        #expect(headers.map(\.name) == ["Application", "Api-Version", "Device-UUID", "Accept", "X-Request-ID"])
        #expect(headers.map(\.source).suffix(2) == ["profile menu", "profile menu"])
        #expect(headers.first?.source == "/nowhere/squire.yaml:3")
    }

    @Test func mapsMergeAndListsReplace() throws {
        let session = try read(menu + "session:\n  refresh: {timeout: 5s}\n  anonymous: [/ping]\n  sign-out: []\n")
            .session
        #expect(session.refresh?.timeout == .seconds(5) && session.refresh?.path == "/api/customers/refresh")
        #expect(
            session.anonymous.map(\.description) == ["/ping"] && session.signOut.isEmpty && session.signIn.count == 3
        )
    }

    @Test func aKeyWithoutAValueKeepsThePreset() throws {
        let session = try read(menu + "session:\n  refresh:\n  sign-in: ~\n").session
        #expect(session.refresh?.path == "/api/customers/refresh" && session.signIn.count == 3)
    }

    @Test func aURLTakesThePlaceOfThePath() throws {
        let refresh = try read(menu + "session: {refresh: {url: https://login.example/renew}}\n").session.refresh
        #expect(refresh?.path == "/renew" && refresh?.origin?.description == "https://login.example")
        #expect(refresh?.token == "/data/token/value")
    }

    // MARK: OAuth

    private func oauth(_ name: String, _ rest: String) throws -> OAuthConfiguration {
        let text = "upstream: https://a.example\nprofile: \(name)\nsession: {oauth: {client-id: me, \(rest)}}\n"
        guard case .oauth(let oauth) = try read(text).session.source else { throw Missing() }
        return oauth
    }

    private struct Missing: Error {}

    @Test func anotherServerTakesNothingOfTheProfiles() throws {
        let own = try oauth("salesforce", "issuer: https://test.example, client-secret: {env: SECRET}")
        #expect(own.tokenEndpoint == nil && own.authorizationEndpoint == nil && own.revocation == .discovered)
        let other = try oauth("salesforce", "token-endpoint: https://t.example/x, client-secret: {env: SECRET}")
        #expect(other.tokenEndpoint?.text == "https://t.example/x")
        #expect(other.authorizationEndpoint?.text == "https://login.salesforce.com/services/oauth2/authorize")
    }

    @Test func grantsWithoutALoginTakeNothingOfALogin() throws {
        let machine = try oauth(
            "entra",
            "issuer: https://login.example/t/v2.0, grant: client-credentials, client-secret: {env: SECRET}"
        )
        #expect(machine.grant == .clientCredentials && !machine.refreshScope && machine.offlineScope == nil)
        #expect(machine.authentication.name == "client-secret-post")
    }

    @Test func aRevocationOfOnesOwn() throws {
        let own = try oauth("slack", "revocation-endpoint: https://r.example/x, client-secret: {env: SECRET}")
        guard case .endpoint(let url) = own.revocation else { throw Missing() }
        #expect(url.text == "https://r.example/x" && own.final == ["invalid_refresh_token", "token_revoked"])
    }

    @Test func anotherSourceReplacesTheProfiles() throws {
        let text = "profile: slack\nsession: {refresh: {path: /r, token: /t}}\n"
        guard case .recipe(let recipe) = try read(text).session.source else { throw Missing() }
        #expect(recipe.path == "/r")
        let menuText = menu + "session: {oauth: {issuer: https://login.example, client-id: me}}\n"
        guard case .oauth = try read(menuText).session.source else { throw Missing() }
    }

    @Test func headersHaveNoCase() throws {
        let text = menu.replacing(
            "Application: a",
            with: "Application: a, accept: text/plain, x-request-id: {value: 1}"
        )
        let headers = try read(text).headers
        #expect(headers.count == 5 && headers.first { $0.name == "accept" }?.value == "text/plain")
        #expect(headers.first { $0.name == "x-request-id" }?.value == "1")
    }

    @Test func whatIsRequired() {
        let missing = issues("upstream: https://a.example\nprofile: menu\n")
        #expect(
            missing.map(\.message)
                == ["Application", "Api-Version", "Device-UUID"].map { "headers must name \($0): the API asks for it" }
        )
        #expect(missing.allSatisfy { $0.line == 2 })
        let own =
            "upstream: https://a.example\nheaders: {x-a: 1}\nrequires: [X-A, X-B, session.file, 'a b', nosuch.key]\n"
        #expect(
            issues(own).map(\.message)
                == [
                    "headers must name X-B: the API asks for it", "session.file is missing: the API asks for it",
                    "requires: \"a b\" is neither a header nor a key such as session.file",
                    "headers must name nosuch.key: the API asks for it",
                ].sorted { $0.hasPrefix("headers must name") && !$1.hasPrefix("headers must name") }
        )
        #expect(issues(own).map(\.line) == [2, 2, 3, 3])
    }

    @Test(
        arguments: [
            ("profile: meun\n", "profile must be the name of a preset, not \"meun\": did you mean \"menu\"?"),
            (
                "profile: frobnicate\n",
                "profile must be the name of a preset, not \"frobnicate\"; known are menu, google, "
            ),
            ("profile: [menu]\n", "profile must be a single value"),
            ("profile: menu\nsession: 5\n", "session must be a map"),
            ("profile: menu\nsession: {refresh: [x]}\n", "session.refresh must be a map"),
        ]
    )
    func mistakes(_ text: String, _ message: String) {
        let found = issues("upstream: https://a.example\n" + text)
        #expect(found.contains { $0.message.hasPrefix(message) }, "\(found)")
    }

    @Test func namesComplete() {
        #expect(Set(Profile.names).count == Profile.names.count)
        #expect(
            Profile.names.allSatisfy { name in
                name.utf8.allSatisfy { (0x61...0x7A).contains($0) || "-0".utf8.contains($0) }
            }
        )
    }
}
