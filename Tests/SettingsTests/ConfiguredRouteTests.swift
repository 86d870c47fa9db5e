import Testing

@testable import Settings

/// What the path lists refuse: 78, with the line.
@Suite struct ConfiguredRouteTests {
    private func issues(_ yaml: String) -> [ConfigurationError.Issue] {
        do {
            let loader = ConfigurationLoader(environment: ["HOME": "/nowhere"])
            _ = try loader.read("upstream: https://a.example\n" + yaml, path: "squire.yaml")
            return []
        } catch {
            return error.issues
        }
    }

    @Test(arguments: ["sign-in", "sign-out", "anonymous"]) func pathsWithSeveralReadingsAreRefused(_ key: String) {
        for pattern in ["/v1//health", "/a/./b", "/login;x=1", "/a\\b", "/a%2Fb", "login", "/a%zz"] {
            let issues = issues("session:\n  \(key):\n    - /ok\n    - '\(pattern)'\n")
            #expect(issues.count == 1 && issues.first?.line == 5, "\(pattern): \(issues)")
            #expect(issues.first?.message.hasPrefix("session.\(key): \"\(pattern)\" ") == true)
        }
    }

    @Test func otherSpellingsOfOnePathAreAccepted() {
        #expect(issues("session: {anonymous: [/caf%C3%A9, 'GET /a/*/b/**', /, /**]}\n").isEmpty)
    }
}
