import Testing

@testable import ReverseProxy

@Suite struct RoutePatternTests {
    private func matches(_ pattern: String, _ method: String, _ path: String) throws -> Bool {
        let pattern = try RoutePattern(parsing: pattern)
        return Array(method.utf8).withUnsafeBytes { method in
            Array(path.utf8).withUnsafeBytes { pattern.matches(method: method, path: $0) }
        }
    }

    @Test(arguments: [
        ("POST /a/b", "POST", "/a/b", true), ("POST /a/b", "GET", "/a/b", false), ("/a/b", "PUT", "/a/b", true),
        ("/a/*", "GET", "/a/b", true), ("/a/*", "GET", "/a/", false), ("/a/*", "GET", "/a/b/c", false),
        ("/a/*/c", "GET", "/a/b/c", true), ("/a/**", "GET", "/a/b/c", true), ("/a/**", "GET", "/a/", true),
        ("/a/**", "GET", "/a", true), ("/a/**", "GET", "/ab", false), ("/**", "GET", "/", true),
        ("/**", "GET", "//", true), ("/**", "GET", "", true), ("/", "GET", "", true), ("/", "GET", "/", true),
        ("/", "GET", "/a", false), ("/a", "GET", "/a/", true), ("/a/", "GET", "/a", true), ("/a", "GET", "/a//", false),
        ("/a", "GET", "/A", true), ("/A", "GET", "/a", true), ("/**", "OPTIONS", "*", false),
        ("GET /a", "HEAD", "/a", true), ("GET /a", "get", "/a", true), ("HEAD /a", "GET", "/a", false),
        ("/caf%C3%A9", "GET", "/caf\u{E9}", true), ("/caf\u{E9}", "GET", "/caf\u{E9}", true),
        ("/%61%2a", "GET", "/a*", true),
    ])
    func patternsMatchWhatTheySpell(_ pattern: String, _ method: String, _ path: String, _ expected: Bool) throws {
        #expect(try matches(pattern, method, path) == expected)
    }

    @Test(arguments: ["", "a", "post /a", "POST  /a", "/a?b", "/a/**/b", "/a*", "POST", "/a\u{7F}"])
    func otherTextIsNoPattern(_ text: String) {
        #expect(throws: RoutePattern.Malformed.self) { try RoutePattern(parsing: text) }
    }

    @Test(arguments: [
        ("POST /a/b", "POST /a/b"), ("DELETE /A/b/", "DELETE /A/b/"), ("/a", "POST /a"), ("GET /", "GET /"),
        ("/a%2a", "POST /a%2a"), ("POST /a/*", nil), ("/**", nil), ("DELETE /a/*/b", nil),
    ])
    func withoutWildcardsItNamesARequest(_ pattern: String, _ request: String?) throws {
        let named = try RoutePattern(parsing: pattern).singleRequest
        #expect(named.map { "\($0.method) \($0.path)" } == request)
    }

    /// They would not match what they spell.
    @Test(arguments: [
        "//", "/v1//health", "/a//", "/a/./b", "/a/../b", "/..", "/a;x=1", "/a\\b", "/%2e%2E/a", "/a%2Fb", "/a%5Cb",
        "/a%3Bb", "/a%00", "/a%25b", "/a%zz", "/a%", "/a%2", "/a%3F", "/a#b", "/a%20b",
    ])
    func pathsWithSeveralReadingsAreNoPattern(_ text: String) {
        #expect(throws: RoutePattern.Malformed.self) { try RoutePattern(parsing: text) }
    }
}
