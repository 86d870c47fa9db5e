import ReverseProxy
import Testing
import TokenSources

@testable import Settings

/// Nothing that looks as if it were filled in goes out as it stands: 78, with the line.
@Suite struct PlaceholderTests {
    private func issues(
        _ yaml: String,
        _ options: ConfigurationOverrides = .init()
    ) -> [ConfigurationError.Issue] {
        do {
            let loader = ConfigurationLoader(environment: ["HOME": "/nowhere"], overrides: options)
            _ = try loader.read("upstream: https://a.example\n" + yaml, path: "squire.yaml")
            return []
        } catch {
            return error.issues
        }
    }

    private func recipe(_ rest: String) -> String { "session:\n  refresh:\n    path: /r\n    token: /t\n\(rest)" }

    @Test(
        arguments: [
            (
                "headers:\n  X-A: 'a {tokn}'\n",
                "headers.X-A holds an unknown placeholder, \"{tokn}\": only {uuid} is filled in"
            ),
            (
                "headers:\n  X-A: {value: '{token}', overwrite: true}\n",
                "headers.X-A holds an unknown placeholder, \"{token}\""
            ),
            (
                "headers:\n  X-A: '${API_KEY}'\n",
                "headers.X-A holds ${API_KEY}, which nothing fills in: write {env: API_KEY}"
            ),
            ("headers:\n  X-A: $API_KEY\n", "headers.X-A holds $API_KEY, which nothing fills in: write {env: API_KEY}"),
            (
                "headers:\n  X-A: '{env: API_KEY}'\n",
                "headers.X-A holds {env: API_KEY} as a text: take the quotation marks away"
            ),
            (
                "headers:\n  X-A: 'Basic {env: API_KEY}'\n",
                "headers.X-A holds {env: API_KEY} within a text, and a reference stands alone: keep the whole value in "
                    + "the variable or the file"
            ),
            ("headers:\n  X-A: 'x${secret-1}'\n", "headers.X-A holds ${…}, which nothing fills in"),
            (
                "session:\n  file: '${HOME}/s.json'\n",
                "session.file holds ${HOME}, which nothing fills in: write the value itself"
            ),
            ("headers:\n  X-A: {value: 'a{cd}e', secret: true}\n", "headers.X-A holds something in braces"),
        ]
    )
    func inHeaders(_ yaml: String, _ message: String) {
        let found = issues(yaml)
        #expect(found.contains { $0.message.hasPrefix(message) && $0.line == 3 }, "\(found)")
        if yaml.contains("secret") { #expect(!"\(found)".contains("cd}") && !"\(found)".contains("secret-1")) }
    }

    @Test(
        arguments: [
            (
                "    body: 'r={refresh_token}'\n",
                "session.refresh.body holds an unknown placeholder, \"{refresh_token}\""
            ),
            (
                "    body: 'r={refresh-token}'\n",
                "session.refresh.body holds {refresh-token}, and session.refresh.refresh-token is"
            ),
            (
                "    headers: {X-A: 'a {Token}'}\n",
                "session.refresh.headers.X-A holds an unknown placeholder, \"{Token}\""
            ),
            ("    headers: {X-A: '{refresh-token}'}\n", "session.refresh.headers.X-A holds {refresh-token}, and"),
            ("    body: '{\"a\": {token}}'\n", "session.refresh.body holds {token} without quotation marks"),
            ("    body: 'a=${A}'\n", "session.refresh.body holds ${A}, which nothing fills in"),
            ("    body: '{uuid}'\n", "session.refresh.body holds an unknown placeholder, \"{uuid}\""),
            ("    refresh-token: /r\n", "session.refresh.refresh-token is sent by nothing"),
            ("    refresh-token: r\n", "session.refresh.refresh-token must be a JSON Pointer"),
            ("    refresh-expires-in: /r\n", "session.refresh.refresh-expires-in needs refresh-token"),
        ]
    )
    func inARecipe(_ rest: String, _ message: String) {
        let found = issues(recipe(rest))
        #expect(found.contains { $0.message.hasPrefix(message) && $0.line == 6 }, "\(found)")
    }

    @Test(
        arguments: [
            "    body: '{\"a\": \"{token}\", \"b\": {\"c\": [1, {}]}}'\n", "    body: 'a={token}'\n",
            "    headers: {X-A: '{token} {uuid}', Authorization: ''}\n",
            "    refresh-token: /r\n    body: '{\"r\": \"{refresh-token}\"}'\n    refresh-expires-in: /x\n",
            "    refresh-token: /r\n    headers: {Authorization: 'Bearer {refresh-token}'}\n",
            "    headers: {Content-Type: text/plain}\n    body: '{token}'\n",
        ]
    )
    func whatIsRight(_ rest: String) {
        #expect(issues(recipe(rest)).isEmpty, "\(issues(recipe(rest)))")
    }

    @Test func inPaths() {
        #expect(issues("session: {refresh: {path: '/r?t={refresh-token}', token: /t, refresh-token: /r}}\n").isEmpty)
        let found = issues("session: {refresh: {path: '/r?t={refresh-token}', token: /t}}\n")
        #expect(found.first?.message.hasPrefix("session.refresh.path holds {refresh-token}, and") == true, "\(found)")
        let other = issues("session: {refresh: {path: '/r?t={tokn}', token: /t, refresh-token: /r}}\n")
        #expect(other.first?.message.contains("did you mean {token}?") == true, "\(other)")
    }

    @Test func inPatterns() {
        for key in ["sign-in", "sign-out", "anonymous"] {
            let found = issues("session:\n  \(key):\n    - POST /users/{id}/login\n    - /a/*\n")
            #expect(found.map(\.line) == [4] && found.first?.message.contains("{id}") == true, "\(found)")
        }
    }

    @Test func inOptions() {
        var options = ConfigurationOverrides()
        options.headers = [
            .init("X-A: ${A}", source: "--header"), .init("X-B: {b}", source: "SQUIRE_HEADER"),
            .init("X-C: {uuid}", source: "--header"),
        ]
        let found = issues("", options)
        #expect(found.map(\.source).sorted() == ["--header", "SQUIRE_HEADER"])
    }

    @Test func whatARecipeSays() throws {
        let loader = ConfigurationLoader(environment: ["HOME": "/nowhere"])
        let text = recipe(
            "    refresh-token: /RefreshToken\n    refresh-expires-in: /Ends\n    body: 'r={refresh-token}'\n"
        )
        let refresh = try loader.read("upstream: https://a.example\n" + text, path: "x").configuration.session.refresh
        #expect(refresh?.refreshToken == "/RefreshToken" && refresh?.refreshExpiresIn == "/Ends")
    }
}
