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
