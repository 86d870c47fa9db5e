import HTTP1
import Testing

@testable import Settings

/// What `headers` and the recipe's `headers` refuse: 78, with the line.
@Suite struct ConfiguredHeaderTests {
    private func issues(_ yaml: String) -> [ConfigurationError.Issue] {
        do {
            let loader = ConfigurationLoader(environment: ["HOME": "/nowhere"])
            _ = try loader.read("upstream: https://a.example\n" + yaml, path: "squire.yaml")
            return []
        } catch {
            return error.issues
        }
    }

    /// What has too much is said to have too much, before anything of it is looked at.
    @Test func numbersAreBounded() {
        let headers = "headers:\n" + (0..<4000).map { "  X-\($0): v\n" }.joined()
        #expect(issues(headers).map(\.message) == ["headers may name at most 64"])
        let listen = "listen: [\((0..<4000).map { "unix:/tmp/\($0)" }.joined(separator: ", "))]\n"
        #expect(issues(listen).map(\.message) == ["listen may name at most 64 addresses"])
        #expect(issues("listen: \"unix:/tmp/a\\nready\"\n").count == 1)
    }

    /// YAML reads it as no value, and the API would get the word, or nothing.
    @Test func aHeaderWithoutAValueIsAMistake() {
        let said = issues("headers:\n  C: null\n  D:\n  E: \"\"\n  F: \"null\"\n")
        #expect(said.map(\.line) == [3, 4])
        #expect(said.first?.message.hasPrefix("headers.C is null, which YAML reads as no value") == true)
        #expect(said.last?.message.hasPrefix("headers.D has no value") == true)
    }

    /// A thousand mistakes are some, and how many more.
    @Test func mistakesAreBounded() throws {
        let error = ConfigurationError(issues((0..<1000).map { "key\($0): v\n" }.joined()))
        let lines = error.commandText.split(separator: "\n")
        #expect(lines.count == 51 && lines.last == "and 950 more mistakes")
        let long = ConfigurationError(issues(String(repeating: "k", count: 20_000) + ": v\n"))
        #expect(long.description.utf8.count < 1100)
    }

    private static let reserved =
        FieldTable.rows.filter { $0.traits.contains(.notConfigurable) }.map { "\($0.spelling)" }
        + [
            "HTTP2-Settings", "Proxy-Authentication-Info", "Authorization_", "Content_Length", "Connection-",
            "x.squire.key",
        ]

    @Test(arguments: reserved) func headersOfTheConnectionCannotBeConfigured(_ name: String) {
        let issues = issues("headers:\n  X-A: ok\n  \(name): x\n")
        #expect(issues.count == 1 && issues.first?.line == 4, "\(issues)")
    }

    @Test(arguments: reserved.filter { $0 != "authorization" })
    func norInTheRecipe(_ name: String) {
        let recipe = "session:\n  refresh:\n    path: /r\n    token: /t\n    headers:\n      \(name): x\n"
        let issues = issues(recipe)
        #expect(issues.count == 1 && issues.first?.line == 7, "\(issues)")
    }

    @Test func theRecipeMaySayHowTheTokenGoesAlong() {
        let recipe = "session: {refresh: {path: /r, token: /t, headers: {Authorization: \"Token {token}\", X-A: 1}}}\n"
        #expect(issues(recipe).isEmpty)
    }

    @Test func namesThatSomeServersReadAsOneAreGivenOnce() {
        #expect(issues("headers: {Device-UUID: 1, Device_UUID: 2}\n").count == 1)
        #expect(issues("headers: {Device-UUID: 1, device-uuid: 2}\n").count == 1)
        #expect(issues("headers: {Device-UUID: 1, Device-UUID-2: 2, Accept-Encoding: gzip, Origin: x}\n").isEmpty)
    }
}
