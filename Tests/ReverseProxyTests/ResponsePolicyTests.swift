import Credentials
import EventIO
import HTTP1
import ReverseProxy
import Testing

@Suite struct ResponsePolicyTests {
    private static func policy(basePath: String = "", field: String = "Authorization") -> ResponsePolicy {
        let authority = Authority(host: "up.example", port: nil)
        var configuration = ProxyConfiguration(upstream: Origin(isSecure: true, authority: authority))
        configuration.basePath = basePath
        configuration.session.apply = .init(field: field, prefix: "", suffix: "")
        return ResponsePolicy(configuration)
    }

    /// What the client gets of the upstream's `fields`.
    private func lines(
        _ fields: [String],
        status: String = "200 OK",
        framing: MessageFraming = .none,
        policy: ResponsePolicy = policy(),
        _ change: (inout ResponsePolicy.Edits) -> Void = { _ in }
    ) throws -> [String] {
        let text = (["HTTP/1.1 \(status)"] + fields + ["", ""]).joined(separator: "\r\n")
        let bytes = Array(text.utf8)
        var parser = ResponseParser(limits: HeadLimits())
        var head = ResponseHead()
        #expect(parser.parse(bytes.span, answering: .get, into: &head) == .complete(bytes.count))
        var edits = ResponsePolicy.Edits(framing: framing, closes: false)
        change(&edits)
        let output = ByteBuffer(capacity: 64)
        bytes.withUnsafeBytes { policy.render(head, $0, edits, into: output) }
        let rendered = String(decoding: output.readable, as: UTF8.self)
        #expect(rendered.hasSuffix("\r\n\r\n"))
        return rendered.split(separator: "\r\n").map(String.init)
    }

    private static let dropped = FieldTable.rows.filter {
        $0.traits.contains(.dropInResponse) && $0.id != .contentLength && $0.id != .transferEncoding
    }.map { "\($0.spelling)" }

    @Test(arguments: dropped) func fieldsForOneHopAndSecretsDoNotPass(_ name: String) throws {
        let sent = try lines(["X-A: 1", "\(name): x", "X-B: 2"])
        #expect(!sent.contains { $0.lowercased().hasPrefix(name + ":") })
        #expect(sent.contains("X-A: 1") && sent.contains("X-B: 2"))
    }

    @Test func theFieldWithTheTokenDoesNotPass() throws {
        let policy = Self.policy(field: "X-Auth-Token")
        let sent = try lines(["X-A: 1", "x-auth-token: leaked", "Authorization: leaked"], policy: policy) {
            $0.pageOrigin = Array("http://localhost:3000".utf8)
        }
        #expect(!sent.contains { $0.contains("leaked") } && sent.contains("X-A: 1"))
        #expect(sent.contains("Access-Control-Expose-Headers: Via, Proxy-Status, X-A"))
        #expect(try lines(["x-auth-token: 1"]).contains("x-auth-token: 1"))
    }

    @Test func theStatusLineIsTheUpstreams() throws {
        #expect(try lines([], status: "299 Fine, really").first == "HTTP/1.1 299 Fine, really")
        #expect(try lines([], status: "404 ").first == "HTTP/1.1 404 ")
    }

    @Test func fieldsKeepTheirOrderAndSpelling() throws {
        let sent = try lines(["b: 1", "Connection: close, x-hop", "A: 2", "X-Hop: 3", "b:  4 "])
        #expect(sent.dropFirst().prefix(3) == ["b: 1", "A: 2", "b:  4"])
    }

    @Test(
        arguments: [
            (.length(7), ["Content-Length: 7"]), (.chunked, ["Transfer-Encoding: chunked"]), (.none, []),
            (.untilClose, []),
        ] as [(MessageFraming, [String])]
    )
    func theFramingIsTheOneThatWasAskedFor(_ framing: MessageFraming, _ expected: [String]) throws {
        let sent = try lines(["Content-Length: 99"], framing: framing)
        #expect(sent.filter { $0.hasPrefix("Content-Length") || $0.hasPrefix("Transfer-Encoding") } == expected)
    }

    @Test(arguments: [
        ("https://up.example/a?b#c", "http://localhost:8080/a?b#c"),
        ("https://UP.example:443", "http://localhost:8080"),
        ("//up.example/a", "http://localhost:8080/a"), ("HTTPS://up.example?q", "http://localhost:8080?q"),
        ("http://up.example/a", "http://up.example/a"), ("https://up.example:444/", "https://up.example:444/"),
        ("https://up.example.evil.test/", "https://up.example.evil.test/"), ("/a", "/a"),
        ("a//up.example", "a//up.example"),
        ("https://user@up.example/", "https://user@up.example/"), ("", ""), ("https://", "https://"),
    ])
    func locationsAtTheUpstreamStayInside(_ location: String, _ expected: String) throws {
        for name in ["Location", "content-location"] {
            let sent = try lines(["\(name): \(location)"]) { $0.ownOrigin = Array("http://localhost:8080".utf8) }
            #expect(sent.contains("\(name): \(expected)"))
            #expect(try lines(["\(name): \(location)"]).contains("\(name): \(location)"))
        }
    }

    /// A client that names the upstream in its target writes the base path itself.
    @Test(arguments: [
        ("/v1/a?b", "/v1/a?b"), ("/v1", "/v1"), ("/v1//a", "/v1//a"), ("a", "a"),
        ("https://up.example/v1/a#b", "http://up.example/v1/a#b"), ("https://up.example/v1", "http://up.example/v1"),
        ("/v2/a", "https://up.example/v2/a"), ("https://up.example/a", "https://up.example/a"),
    ])
    func forACompleteTargetTheBasePathStays(_ location: String, _ expected: String) throws {
        let cookie = "Set-Cookie: s=1; Path=/v1/a"
        let sent = try lines(["Location: \(location)", cookie], policy: Self.policy(basePath: "/v1")) {
            $0.ownOrigin = Array("http://up.example".utf8)
            $0.cookies = .local
            $0.place = .whole(basePath: 3)
        }
        #expect(sent.contains("Location: \(expected)") && sent.contains(cookie))
    }

    @Test func aPageOfAConfiguredOriginMayReadTheResponse() throws {
        let fields = ["Access-Control-Allow-Origin: *", "access-control-max-age: 1", "X-Total: 5", "Keep-Alive: 5"]
        let sent = try lines(fields) { $0.pageOrigin = Array("http://localhost:3000".utf8) }
        #expect(
            sent.filter { $0.hasPrefix("Access-Control-Allow-Origin") } == [
                "Access-Control-Allow-Origin: http://localhost:3000"
            ]
        )
        #expect(sent.contains("Access-Control-Expose-Headers: Via, Proxy-Status, X-Total"))
        #expect(!sent.contains { $0.hasPrefix("access-control-max-age") })
        #expect(try lines(fields).contains("Access-Control-Allow-Origin: *"))
    }

    @Test func additionsReplaceWhatTheUpstreamSays() throws {
        let sent = try lines(["Retry-After: 100", "Connection: close"]) {
            $0.retryAfter = 0
            $0.proxyStatus = "squire; error=http_request_denied"
            $0.date = "now"
            $0.closes = true
        }
        #expect(sent.filter { $0.hasPrefix("Retry-After") } == ["Retry-After: 0"])
        for line in ["Proxy-Status: squire; error=http_request_denied", "Date: now", "Connection: close"] {
            #expect(sent.filter { $0 == line }.count == 1, "\(line)")
        }
        #expect(try lines(["Retry-After: 100"]).contains("Retry-After: 100"))
    }

    // MARK: Base path

    private static let ownOrigin = Array("http://localhost:8080".utf8)

    @Test(arguments: [
        ("https://up.example/v1/a?b#c", "http://localhost:8080/a?b#c"),
        ("//up.example/v1/a", "http://localhost:8080/a"),
        ("https://up.example/v1", "http://localhost:8080/"),
        ("https://UP.example:443/v1?q", "http://localhost:8080/?q"),
        ("/v1/a", "/a"), ("/v1", "/"), ("/v1?q", "/?q"), ("/v1#f", "/#f"), ("/v1/", "/"),
        // Beside the base path nothing can be asked for here: it stays, or becomes, the upstream's.
        ("https://up.example/v2/a", "https://up.example/v2/a"), ("https://up.example", "https://up.example"),
        ("https://up.example/v1x", "https://up.example/v1x"), ("//up.example/v2", "https://up.example/v2"),
        ("/v2/a", "https://up.example/v2/a"), ("/", "https://up.example/"), ("/v1/../a", "https://up.example/v1/../a"),
        ("/v1/%2e%2e%2fa", "https://up.example/v1/%2e%2e%2fa"),
        ("https://up.example/v1/..%5ca", "https://up.example/v1/..%5ca"),
        // What would name a host without the base path is kept a path.
        ("/v1//evil.test/a", "/.//evil.test/a"), ("/v1/\\evil.test", "/./\\evil.test"),
        ("https://up.example/v1//evil.test", "http://localhost:8080//evil.test"),
        // Not the upstream's, or nothing that has a base path.
        ("https://other.test/v1/a", "https://other.test/v1/a"), ("//other.test/v1", "//other.test/v1"),
        ("/\\other.test/v1", "/\\other.test/v1"), ("a/b", "a/b"), ("?q", "?q"), ("", ""),
        ("http://up.example/v1/a", "http://up.example/v1/a"),
    ])
    func locationsLoseTheBasePath(_ location: String, _ expected: String) throws {
        for name in ["Location", "content-location"] {
            let sent = try lines(["\(name): \(location)"], policy: Self.policy(basePath: "/v1")) {
                $0.ownOrigin = Self.ownOrigin
            }
            #expect(sent.contains("\(name): \(expected)"), "\(location): \(sent)")
        }
    }

    // MARK: Cookies

    private func cookie(_ value: String, basePath: String = "", _ rule: CookieRule = .local) throws -> String {
        let sent = try lines(["X-A: 1", "Set-Cookie: \(value)", "X-B: 2"], policy: Self.policy(basePath: basePath)) {
            $0.cookies = rule
        }
        #expect(sent[1] == "X-A: 1" && sent[3] == "X-B: 2")
        return sent[2]
    }

    @Test(arguments: [
        ("a=1; Domain=up.example; Secure; HttpOnly", "a=1; HttpOnly"), ("a=1; domain=.EXAMPLE;secure", "a=1"),
        ("a=1; SameSite=None; Secure; Path=/x", "a=1; SameSite=Lax; Path=/x"),
        ("a=1; Secure; Path=/; SameSite=None; Partitioned", "a=1; Path=/; SameSite=Lax"),
        ("a=1;PARTITIONED ; HttpOnly", "a=1; HttpOnly"), ("partitioned=1; Secure", "partitioned=1"),
        (
            "a=\"x,y\"; Max-Age=5; SameSite=Strict; Priority=High",
            "a=\"x,y\"; Max-Age=5; SameSite=Strict; Priority=High"
        ),
        ("secure; Secure", "secure"), ("a=Secure; Domain=; SECURE", "a=Secure; Domain="), ("a", "a"),
        ("a=1;;", "a=1;;"),
        // For somebody else, or with a name that promises Secure: as it is.
        ("a=1; Domain=other.test; Secure", "a=1; Domain=other.test; Secure"),
        ("a=1; Domain=p.example; Secure", "a=1; Domain=p.example; Secure"),
        ("a=1; Domain=x.up.example; Secure", "a=1; Domain=x.up.example; Secure"),
        ("a=1; Domain=up.example; Domain=other.test; Secure", "a=1; Domain=up.example; Domain=other.test; Secure"),
        ("__Host-a=1; Secure; Path=/", "__Host-a=1; Secure; Path=/"),
        ("__secure-a=1; Domain=up.example; Secure", "__secure-a=1; Domain=up.example; Secure"),
    ])
    func cookiesAreMadeUsableOnLoopback(_ value: String, _ expected: String) throws {
        #expect(try cookie(value) == "Set-Cookie: \(expected)")
        #expect(try cookie(value, .keep) == "Set-Cookie: \(value)")
    }

    @Test(arguments: [
        ("a=1; Path=/v1/x", "a=1; Path=/x"), ("a=1; path=/v1", "a=1; Path=/"), ("a=1; Path=/v1/", "a=1; Path=/"),
        ("a=1; Path=/", "a=1; Path=/"), ("a=1; Path=/v10", "a=1; Path=/v10"), ("a=1; Path=v1", "a=1; Path=v1"),
        ("a=1; Secure; Path=/v1/b; Domain=up.example", "a=1; Path=/b"),
    ])
    func cookiePathsLoseTheBasePath(_ value: String, _ expected: String) throws {
        #expect(try cookie(value, basePath: "/v1") == "Set-Cookie: \(expected)")
        #expect(try cookie(value, basePath: "/v1", .keep) == "Set-Cookie: \(value)")
    }
}
