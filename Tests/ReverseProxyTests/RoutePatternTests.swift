import ReverseProxy
import Testing

private func matches(_ pattern: String, _ method: String, _ path: String) -> Bool {
    let pattern = RoutePattern(pattern)!
    return Array(method.utf8).withUnsafeBytes { method in
        Array(path.utf8).withUnsafeBytes { pattern.matches(method: method, path: $0) }
    }
}

@Suite struct RoutePatternTests {
    @Test(arguments: [
        ("POST /a/b", "POST", "/a/b", true), ("POST /a/b", "GET", "/a/b", false), ("/a/b", "PUT", "/a/b", true),
        ("/a/*", "GET", "/a/b", true), ("/a/*", "GET", "/a/", false), ("/a/*", "GET", "/a/b/c", false),
        ("/a/*/c", "GET", "/a/b/c", true), ("/a/**", "GET", "/a/b/c", true), ("/a/**", "GET", "/a/", true),
        ("/a/**", "GET", "/a", true), ("/a/**", "GET", "/ab", false), ("/**", "GET", "/", true),
        ("/a", "GET", "/a/", false),
    ])
    func patternsMatchWhatTheySpell(_ pattern: String, _ method: String, _ path: String, _ expected: Bool) {
        #expect(matches(pattern, method, path) == expected)
    }

    @Test(arguments: ["", "a", "post /a", "POST  /a", "/a?b", "/a/**/b", "/a*", "POST"]) func otherTextIsNoPattern(
        _ text: String
    ) {
        #expect(RoutePattern(text) == nil)
    }

    /// Spellings of a path that the upstream takes for the same.
    @Test(arguments: [
        "/api//customers/login", "/api/customers/%6Cogin", "/api/./customers/login", "/x/../api/customers/login",
        "/api/customers/login/", "/api/customers/login//", "/api/customers/login;x=1", "/api;x/customers/login%2F",
    ])
    func otherSpellingsOfASignInPathAreOne(_ path: String) {
        var session = SessionConfiguration()
        session.signIn = [RoutePattern("POST /api/customers/login")!]
        let kind = Array("POST".utf8).withUnsafeBytes { method in
            Array(path.utf8).withUnsafeBytes { RoutePolicy(session).kind(method: method, path: $0) }
        }
        #expect(kind == .signIn)
    }
}
