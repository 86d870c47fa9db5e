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

    @Test(arguments: ["sign-in", "sign-out", "anonymous"]) func methodsThatAreNoneAreRefused(_ key: String) {
        for (name, hint) in [("PSOT", ": did you mean POST?"), ("DELTE", ": did you mean DELETE?"), ("FROBNICATE", "")]
        {
            let found = issues("session:\n  \(key): \(name) /login\n")
            #expect(
                found.map(\.message) == [
                    "session.\(key): \"\(name) /login\" must begin with a method: \(name) is none\(hint)"
                ]
            )
            #expect(found.first?.line == 3)
        }
        #expect(issues("session: {\(key): [PROPFIND /a, QUERY /b, /c]}\n").isEmpty)
    }

    @Test func theMethodOfARefreshIsOne() {
        let found = issues("session: {refresh: {method: PSOT, path: /r, token: /t}}\n")
        #expect(
            found.map(\.message) == ["session.refresh.method must be an HTTP method: PSOT is none: did you mean POST?"]
        )
    }
}
