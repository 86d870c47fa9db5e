import Testing

@testable import Settings

/// What messages say was probably meant.
@Suite struct SuggestionTests {
    @Test(arguments: [
        ("60", "60s"), ("30sec", "30s"), ("5 min", "5m"), ("5min", "5m"), ("2 hours", "2h"), ("1h30m", "90m"),
        ("1w", "7d"), ("10 S", "10s"), ("250 msec", "250ms"),
    ])
    func durations(_ text: String, _ meant: String) { #expect(Suggestion.duration(text) == meant) }

    /// Nothing is suggested that would be refused, too, and no number is too large for it.
    @Test(arguments: ["", "abc", "-5s", "50%", "5 fortnights", "99999999999999999999", "9223372036854775807w", "1h30x"])
    func noDurations(_ text: String) { #expect(Suggestion.duration(text) == nil) }

    @Test func sizes() {
        for (text, meant) in [("64KB", "64KiB"), ("1m", "1MiB"), ("2 GiB", "2GiB"), ("512 bytes", "512B")] {
            #expect(Suggestion.size(text) == meant)
        }
        for text in ["", "64", "64XB", "9223372036854775807kb"] { #expect(Suggestion.size(text) == nil) }
    }

    @Test(arguments: [
        ("htp://api.example.com/v1", "https://api.example.com/v1"),
        ("htps://api.example.com", "https://api.example.com"),
        ("https//api.example.com", "https://api.example.com"), ("https:/api.example.com", "https://api.example.com"),
        ("http:localhost:3000", "http://localhost:3000"), ("ftp://api.example.com", "https://api.example.com"),
        ("wss://127.0.0.1:9/x", "https://127.0.0.1:9/x"), ("api.example.com:8443", "https://api.example.com:8443"),
        ("localhost:3000", "http://localhost:3000"), ("3000", "http://localhost:3000"),
        ("\"https://api.example.com\"", "https://api.example.com"),
    ])
    func urls(_ text: String, _ meant: String) { #expect(Suggestion.url(text) == meant) }

    @Test(arguments: [
        "", "api", "http", "https://", "://x", "https://api.example.com", "htp://u@h.example", "a b.example",
    ])
    func noURLs(_ text: String) { #expect(Suggestion.url(text) == nil) }

    @Test func pointersAndRoutes() {
        for text in ["data.token", "$.data.token", ".data.token"] { #expect(Suggestion.pointer(text) == "/data/token") }
        for text in ["", "$", "a..b", "a b", "a[0]"] { #expect(Suggestion.pointer(text) == nil) }
        for text in ["post /login", "/login POST", "POST login"] { #expect(Suggestion.route(text) == "POST /login") }
        for text in ["", "login", "a b c", "PSOT /login", "POST /a?b"] { #expect(Suggestion.route(text) == nil) }
    }

    /// Where they are shown.
    @Test(arguments: [
        ("session: {margin: 5min}", "did you mean 5m?"), ("limits: {head: 64KB}", "did you mean 64KiB?"),
        ("session: {refresh: {method: get, path: /r, token: /t}}", "did you mean GET?"),
        ("session: {refresh: {path: r, token: /t}}", "did you mean /r?"),
        ("session: {refresh: {path: /r, token: data.token}}", "did you mean /data/token?"),
        ("session: {refresh: {path: \"https://a.example/r\", token: /t}}", "did you mean url: https://a.example/r?"),
        ("session: {sign-in: post /login}", "did you mean POST /login?"), ("session: off", "did you mean none?"),
        ("session: {rejected: \"401,403\"}", "a list is [401, 403]"),
        ("session: {oauth: {client-id: a, issuer: login.example.com}}", "did you mean https://login.example.com?"),
        (
            "session: {oauth: {client-id: a, issuer: https://l.example, grant: client_credentials}}",
            "did you mean client-credentials?"
        ),
        ("access: {same-user: no}", "did you mean false?"),
        ("proxy: \"proxy.corp:3128\"", "did you mean http://proxy.corp:3128?"),
        ("access: {origins: [app.example.com]}", "did you mean https://app.example.com?"),
        ("listen: \"::1:8080\"", "did you mean [::1]:8080?"), ("port: 8080", "did you mean \"listen\"?"),
        ("base_url: x", "did you mean \"upstream\"?"), ("tls: {verify: false}", "cannot be turned off"),
        (
            "session: {oauth: {token_url: x, issuer: https://l.example, client-id: a}}",
            "did you mean \"token-endpoint\"?"
        ),
        ("api-key: x", "session: none"),
    ])
    func messages(_ yaml: String, _ part: String) throws {
        let error = try #require(throws: ConfigurationError.self) {
            try ConfigurationLoader(environment: ["HOME": "/nowhere"])
                .read("upstream: https://a.example\n\(yaml)\n", path: "squire.yaml")
        }
        #expect(error.issues.count == 1 && error.issues[0].message.hasSuffix(part) || error.description.contains(part))
        #expect(error.description.contains(part), "\(error)")
    }

    @Test func requests() {
        #expect(
            RequestWords.advice(method: "", target: "") == "method and target are empty: squire explain GET /api/venues"
        )
        #expect(RequestWords.advice(method: " ", target: "/x") == "the method is empty: squire explain GET /x")
        #expect(RequestWords.advice(method: "/x", target: "post") == "the method comes first: squire explain POST /x")
        #expect(RequestWords.advice(method: "GET", target: "x") == "a leading / is missing: squire explain GET /x")
        #expect(
            RequestWords.advice(method: "GE T", target: "/x")
                == "a method is one word, such as GET: squire explain GET /x"
        )
        #expect(RequestWords.advice(method: "GET", target: "/x") == nil)
        #expect(RequestWords.doubt(method: "get")?.hasSuffix("did you mean GET?") == true)
        #expect(RequestWords.doubt(method: "GET") == nil && RequestWords.doubt(method: "brew") == nil)
        let words = CommandWords(.init("squire", [.init("explain"), .init("run")]))
        #expect(words.problem(in: ["explain", "/x"]) == "the method is missing: squire explain GET /x")
        #expect(words.problem(in: ["explain", "GET /x y"]) == "method and target are two words: squire explain GET /x")
        #expect(words.problem(in: ["explain", "GET"]) == nil && words.problem(in: ["explain", "--help"]) == nil)
    }

    @Test func commandsThatDoNotStart() {
        let advice = { (command: [String], code: Int32) in UnstartedCommand.advice(command, code: code) ?? "" }
        #expect(
            advice(["echo hi"], 2)
                == "A command and its arguments are separate words: squire exec -- echo hi (or, for a shell: sh -c 'echo hi')"
        )
        #expect(
            advice(["echo $X | cat"], 2).hasSuffix(
                "For a line that a shell reads: squire exec -- sh -c 'echo $X | cat'"
            )
        )
        #expect(advice(["nosuch"], 2) == "No directory of PATH has a program of this name")
        #expect(advice(["/tmp"], 13) == "It is a directory")
        #expect(advice(["/nosuch"], 2) == "" && advice([], 2) == "")
    }
}

/// What the question about a changed file says.
@Suite struct ConfigurationPartsTests {
    private func parts(_ yaml: String) throws -> ConfigurationParts {
        try ConfigurationParts(YAMLReader.read(yaml) ?? .empty)
    }

    @Test func differences() throws {
        let old = try parts("upstream: https://a.example\nsession:\n  name: alice\n  exec: [a, b]\nproxy: none\n")
        #expect(
            try parts("# x\nupstream:  'https://a.example'\nproxy: none\nsession: {exec: [a, b], name: alice}\n")
                .difference(from: old) == "no key, only comments or the layout"
        )
        #expect(
            try parts("upstream: https://b.example\nsession:\n  name: alice\n  exec: [a, b, c]\n  file: x\n")
                .difference(from: old)
                == "upstream (line 1), session.exec (line 4), session.file (new, line 5), proxy (removed)"
        )
        // A command and its arguments are not one text.
        #expect(try parts("session: {exec: ['a b']}").digests != parts("session: {exec: [a, b]}").digests)
        #expect(try parts("session: {file: ~}").digests != parts("session: {file: '~'}").digests)
    }
}
