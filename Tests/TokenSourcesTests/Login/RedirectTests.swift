import Testing

@testable import TokenSources

@Suite
struct RedirectAddressTests {
    @Test(arguments: [
        ("http://127.0.0.1/callback", "http://127.0.0.1:4711/callback", "/callback"),
        ("http://localhost", "http://localhost:4711/", "/"),
        ("http://[::1]/cb", "http://[::1]:4711/cb", "/cb"),
        ("http://127.0.0.1:4711/a/b?c=d", "http://127.0.0.1:4711/a/b?c=d", "/a/b"),
        ("HTTP://LOCALHOST/x", "http://localhost:4711/x", "/x"),
    ])
    func loopbackIsListenedOn(_ text: String, _ uri: String, _ path: String) {
        let address = RedirectAddress(text)
        guard case .loopback = address else {
            Issue.record("\(text) is elsewhere")
            return
        }
        #expect(address.uri(port: 4711) == uri)
        #expect(address.path == path)
    }

    @Test(arguments: [
        "https://127.0.0.1/callback", "https://example.com/cb", "urn:ietf:wg:oauth:2.0:oob", "com.example.app:/cb",
        "http://192.168.1.1/cb", "http://example.com/cb", "http://127.0.0.1:0/x", "http://localhost.example.com/",
        "http://user@127.0.0.1/", "http://127.0.0.1/#x", "",
    ])
    func everythingElseIsPasted(_ text: String) {
        #expect(RedirectAddress(text) == .elsewhere(text))
        #expect(RedirectAddress(text).uri(port: 1) == text)
    }

    @Test
    func pathOfAURL() {
        #expect(RedirectAddress.path(of: "https://example.com/cb?x#y") == "/cb")
        #expect(RedirectAddress.path(of: "https://example.com") == "/")
        #expect(RedirectAddress.path(of: "com.example.app:/cb") == "/cb")
        #expect(RedirectAddress.path(of: "") == "")
    }
}

@Suite
struct RedirectJudgeTests {
    static let state = "abcdefghijklmnopqrstuv"
    let judge = RedirectJudge(path: "/callback", state: state)
    let named = RedirectJudge(path: "/callback", state: state, issuer: "https://login.example.com")

    func verdict(
        _ query: String?,
        path: String = "/callback",
        method: String = "GET",
        fields: [String: String] = [:],
        by judge: RedirectJudge? = nil
    ) -> RedirectJudge.Verdict {
        (judge ?? self.judge).verdict(method: method, path: path, query: query) { fields[$0] }
    }

    @Test(arguments: [
        ("code=x&state=\(state)", RedirectAnswer.code("x")),
        ("state=\(state)&code=4%2F0A%2bb+c", .code("4/0A+b c")),
        ("state=\(state)&code=x&unknown=1&unknown=2", .code("x")),
        ("state=\(state)&error=access_denied", .error(word: "access_denied", description: nil)),
        (
            "error=server_error&error_description=It+is%20down&state=\(state)&code=x",
            .error(word: "server_error", description: "It is down")
        ),
        ("state=\(state)", .nothing),
        ("state=\(state)&code=", .nothing),
        ("state=\(state)&code=x&iss=https%3A%2F%2Fwhoever.example", .code("x")),
    ])
    func rightStateEndsIt(_ query: String, _ answer: RedirectAnswer) {
        #expect(verdict(query) == .answer(answer))
        #expect(judge.verdict(pasted: "http://127.0.0.1:1/callback?\(query)#end") == .answer(answer))
        #expect(judge.verdict(pasted: " ?\(query) \r") == .answer(answer))
    }

    @Test(arguments: [
        (nil, RedirectRefusal.state),
        ("", .state),
        ("code=x", .state),
        ("code=x&state=", .state),
        ("code=x&state=abcdefghijklmnopqrstuV", .state),
        ("code=x&state=\(state)x", .state),
        ("code=x&state=\(state)&state=\(state)", .state),
        ("code=x&state=wrong&state=\(state)", .state),
        ("code=x&State=\(state)", .state),
        ("code=x&code=y&state=\(state)", .malformed),
        ("error=x&error=y&state=\(state)", .malformed),
        ("code=%zz&state=\(state)", .malformed),
        ("code=%4&state=\(state)", .malformed),
        ("code=%ff&state=\(state)", .malformed),
        ("code=a%0ab&state=\(state)", .malformed),
        ("code=\(String(repeating: "a", count: 9000))&state=\(state)", .malformed),
    ])
    func noiseIsRefused(_ query: String?, _ refusal: RedirectRefusal) {
        #expect(verdict(query) == .refused(refusal))
    }

    @Test
    func pathThenMethodThenState() {
        let right = "code=x&state=\(Self.state)"
        #expect(verdict(right, path: "/other", method: "POST") == .refused(.path))
        #expect(verdict(right, path: "/callback/") == .refused(.path))
        #expect(verdict(right, path: "//callback") == .refused(.path))
        for method in ["POST", "HEAD", "OPTIONS", "PUT", "get"] {
            #expect(verdict(right, method: method) == .refused(.method))
        }
        #expect(judge.verdict(pasted: "http://127.0.0.1:1/other?\(right)") == .refused(.path))
        #expect(judge.verdict(pasted: "\(right)") == .refused(.malformed))
        #expect(judge.verdict(pasted: "") == .refused(.malformed))
    }

    @Test
    func issuerIsCompared() {
        let query = "code=x&state=\(Self.state)&iss="
        #expect(verdict(query + "https%3A%2F%2Flogin.example.com", by: named) == .answer(.code("x")))
        #expect(verdict(query + "https%3A%2F%2Flogin.example.com%2F", by: named) == .refused(.issuer))
        #expect(verdict(query, by: named) == .refused(.issuer))
        #expect(verdict(query + "https%3A%2F%2Fevil.example", by: named) == .refused(.issuer))
        #expect(verdict("code=x&state=\(Self.state)", by: named) == .answer(.code("x")))
        let promised = RedirectJudge(
            path: "/callback",
            state: Self.state,
            issuer: "https://login.example.com",
            alwaysSaysIssuer: true
        )
        #expect(verdict("code=x&state=\(Self.state)", by: promised) == .refused(.issuer))
    }

    @Test
    func onlyANavigationIsAnswered() {
        let right = "code=x&state=\(Self.state)"
        let navigation = ["Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Sec-Fetch-Site": "cross-site"]
        #expect(verdict(right, fields: navigation) == .answer(.code("x")))
        for (name, value) in [
            ("Sec-Fetch-Mode", "no-cors"), ("Sec-Fetch-Mode", "cors"), ("Sec-Fetch-Dest", "iframe"),
            ("Sec-Fetch-Dest", "image"), ("Sec-Purpose", "prefetch"), ("Purpose", "prefetch"),
        ] {
            let fields = navigation.merging([name: value]) { $1 }
            #expect(verdict(right, fields: fields) == .refused(.notNavigation), "\(name): \(value)")
            // State first: nothing else is told to whoever does not know it.
            #expect(verdict("code=x&state=y", fields: fields) == .refused(.state))
        }
    }

    @Test
    func pageHoldsNoMarkupOfOthers() {
        #expect(RedirectPage.escaped("<b>\"a\"&'b'</b>") == "&lt;b&gt;&quot;a&quot;&amp;&#39;b&#39;&lt;/b&gt;")
        #expect(RedirectPage.escaped("a\u{202E}b\u{0}c") == "a\u{FFFD}b\u{FFFD}c")
        #expect(RedirectPage.escaped(String(repeating: "x", count: 5000)).count == 400)
    }
}
