import Credentials
import EventIO
import HTTP1
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
    func match(_ pattern: String, _ method: String, _ path: String, _ expected: Bool) {
        #expect(matches(pattern, method, path) == expected)
    }

    @Test(arguments: ["", "a", "post /a", "POST  /a", "/a?b", "/a/**/b", "/a*", "POST"]) func refused(_ text: String) {
        #expect(RoutePattern(text) == nil)
    }

    /// Spellings of a path that the upstream takes for the same.
    @Test(arguments: [
        "/api//customers/login", "/api/customers/%6Cogin", "/api/./customers/login", "/x/../api/customers/login",
        "/api/customers/login/", "/api/customers/login//", "/api/customers/login;x=1", "/api;x/customers/login%2F",
    ])
    func disguises(_ path: String) {
        var session = SessionConfiguration()
        session.signIn = [RoutePattern("POST /api/customers/login")!]
        let kind = Array("POST".utf8).withUnsafeBytes { method in
            Array(path.utf8).withUnsafeBytes { RoutePolicy(session).kind(method: method, path: $0) }
        }
        #expect(kind == .signIn)
    }
}

@Suite struct AccessPolicyTests {
    private let policy = AccessPolicy(
        AccessConfiguration(),
        upstream: Origin(isSecure: true, authority: Authority(host: "api.example.com", port: nil)),
        ownHosts: []
    )

    @Test func hosts() {
        for host in ["localhost:8080", "127.0.0.1", "api.example.com", "api.example.com:443"] {
            #expect(policy.refusal(.init(host: host)) == nil)
        }
        for host in ["evil.example", "api.example.com:444", "api.example.com.evil.example", "[::2]", "x.localhost", ""]
        {
            #expect(policy.refusal(.init(host: host))?.code == "misdirected_request")
        }
        #expect(policy.refusal(.init(host: "localhost", targetAuthority: "evil.example"))?.status == 421)
    }

    @Test func origins() {
        #expect(policy.refusal(.init(host: "localhost:1", origin: "http://localhost:1")) == nil)
        for origin in ["http://localhost:2", "https://evil.example", "null", "https://localhost:1"] {
            #expect(policy.refusal(.init(host: "localhost:1", origin: origin))?.code == "forbidden_origin")
        }
        for site in ["cross-site", "same-site", "something-new", "none, none"] {
            #expect(policy.refusal(.init(host: "localhost", fetchSite: site))?.code == "forbidden_origin")
        }
        #expect(policy.refusal(.init(host: "localhost", fetchSite: "none")) == nil)
    }

    @Test func configuredOrigins() {
        var access = AccessConfiguration()
        access.origins = ["http://localhost:3000"]
        access.key = Array("secret-of-16-bytes".utf8)
        let policy = AccessPolicy(
            access,
            upstream: Origin(isSecure: true, authority: Authority(host: "api.example.com", port: nil)),
            ownHosts: []
        )
        let page = AccessPolicy.Request(host: "localhost", origin: "http://localhost:3000", fetchSite: "same-site")
        #expect(policy.refusal(page)?.code == "wrong_key")
        // A browser asks first without the key; the request itself carries it.
        #expect(policy.refusal(page, isPreflight: true) == nil)
        for origin in ["http://localhost:3000.evil.example", "http://localhost:3000, http://localhost:3000"] {
            let other = AccessPolicy.Request(host: "localhost", origin: origin)
            #expect(policy.refusal(other, isPreflight: true)?.code == "forbidden_origin")
        }
    }
}

@Suite struct RedactionTests {
    @Test(
        arguments: [
            ("/a", "/a"), ("/a?b=1&c", "/a?b=1&c"), ("/a?", "/a?"), ("/a?&&b=&", "/a?&&b=&"), ("*", "*"), ("", ""),
            ("/a?token=x&b=1&API_KEY=y&c", "/a?token=…&b=1&API_KEY=…&c"), ("/a?b=1&xsigx=", "/a?b=1&xsigx=…"),
            ("/a?token", "/a?token"), ("/token=1/b?c=2", "/token=1/b?c=2"), ("/a?b=c?key=d&e", "/a?b=c?key=d&e"),
            ("/a?b?key=c=d&e", "/a?b?key=…&e"), ("/a?b=key=c", "/a?b=key=c"),
            ("/a?x=eyJhbGciOiJIUzI1NiJ9.abc.def", "/a?x=…"), ("/a?x=eyJhbGciOiJIUzI1", "/a?x=eyJhbGciOiJIUzI1"),
            ("/a\u{1B}[31m", "/a\\x1b[31m"), ("/a\u{9B}31m", "/a\\x9b31m"), ("/\u{7F}\n", "/\\x7f\\xa"),
            ("/é\u{A0}🙂", "/é\u{A0}🙂"),
        ]
    )
    func secretsGo(_ target: String, _ shown: String) {
        #expect(redacted(target) == shown)
    }

    /// 512 characters, of what is shown.
    @Test func longOnesAreCut() {
        let path = "/" + String(repeating: "a", count: 511)
        #expect(redacted(path) == path)
        #expect(redacted(path + "b") == path + "…")
        #expect(redacted(path + "?token=x") == path + "…")
        let query = "/?token=" + String(repeating: "a", count: 600) + "&b="
        #expect(redacted(query + "\u{7}") == "/?token=…&b=\\x7")
        #expect(redacted(query + path) == "/?token=…&b=" + path.prefix(500) + "…")
        let accents = String(repeating: "é", count: 512)
        #expect(redacted(accents) == accents)
        #expect(redacted(accents + "\n") == accents + "…")
    }

    private func redacted(_ target: String) -> String {
        let scratch = ByteBuffer(capacity: 64)
        return Array(target.utf8).withUnsafeBufferPointer {
            String(decoding: Redaction.target($0, scratch: scratch), as: UTF8.self)
        }
    }
}

@Suite struct ExchangeTests {
    private func credential(
        _ generation: Generation,
        login: String = "a",
        subject: String? = nil,
        isRefreshed: Bool = false
    ) -> Credential {
        Credential(
            generation: generation,
            token: Token("t\(generation)")!,
            principal: Principal(lineage: login, subject: subject),
            expiry: nil,
            expiresAt: nil,
            receivedAt: 0,
            isRefreshed: isRefreshed
        )
    }

    private func exchange(_ route: RouteKind = .ordinary, _ method: MethodName = .post) -> Exchange {
        Exchange(route: route, method: method, carriesCredential: route == .ordinary, missing: .refuse)
    }

    /// A second refusal, of a token that was just refreshed, is the request's own: no second refresh.
    @Test func oneRefresh() {
        var exchange = exchange()
        #expect(exchange.credentialArrived(.success(credential(1))) == .send)
        exchange.attemptBegins()
        #expect(exchange.headArrived(status: 401, verdict: .rejected, isReplayable: true) == .hold)
        #expect(exchange.mayRefresh)
        #expect(exchange.credentialArrived(.success(credential(2, isRefreshed: true))) == .send)
        exchange.attemptBegins()
        #expect(exchange.headArrived(status: 401, verdict: .rejected, isReplayable: true) == .hold)
        #expect(!exchange.mayRefresh)
        #expect(exchange.credentialArrived(.failure(.refreshDidNotHelp)) == .relayUncured)
        #expect(exchange.attempts == 2 && exchange.generation == 2)
    }

    /// Other processes rotate too: what they left may be dead already.
    @Test func aTokenOfOthersMayBeDeadToo() {
        var exchange = Exchange(
            route: .ordinary,
            method: .post,
            hasBody: true,
            carriesCredential: true,
            missing: .refuse
        )
        for generation in Generation(1)...2 {
            #expect(exchange.credentialArrived(.success(credential(generation))) == .send)
            exchange.attemptBegins()
            #expect(exchange.headArrived(status: 401, verdict: .rejected, isReplayable: true) == .hold)
            #expect(exchange.mayRefresh)
        }
        #expect(exchange.credentialArrived(.success(credential(3, isRefreshed: true))) == .send)
        exchange.attemptBegins()
        #expect(exchange.headArrived(status: 401, verdict: .rejected, isReplayable: true) == .relay)
    }

    @Test func failureRelaysTheHeldAnswer() {
        var exchange = exchange()
        _ = exchange.credentialArrived(.success(credential(1)))
        exchange.attemptBegins()
        _ = exchange.headArrived(status: 401, verdict: .rejected, isReplayable: true)
        #expect(exchange.credentialArrived(.failure(.loginNeeded())) == .relayHeld(.loginNeeded()))
    }

    /// Who must wait and cannot is told to come again, not that the login is gone.
    @Test func tooManyWaitingIsNotTheApisRefusal() {
        var exchange = exchange()
        _ = exchange.credentialArrived(.success(credential(1)))
        exchange.attemptBegins()
        _ = exchange.headArrived(status: 401, verdict: .rejected, isReplayable: true)
        #expect(exchange.credentialArrived(.failure(.overloaded)) == .refuse(.overloaded))
    }

    @Test(
        arguments: [
            ("b", nil, nil, Exchange.CredentialAction.refuseSwitched), ("b", "7", "7", .send),
            ("b", "7", "8", .refuseSwitched),
            ("a", nil, nil, .send),
        ] as [(String, String?, String?, Exchange.CredentialAction)]
    )
    func anotherCustomer(_ login: String, _ first: String?, _ second: String?, _ expected: Exchange.CredentialAction) {
        var exchange = exchange()
        _ = exchange.credentialArrived(.success(credential(1, subject: first)))
        exchange.attemptBegins()
        _ = exchange.headArrived(status: 401, verdict: .rejected, isReplayable: true)
        #expect(exchange.credentialArrived(.success(credential(2, login: login, subject: second))) == expected)
    }

    @Test func unkeptBodyIsNotSentAgain() {
        var exchange = exchange()
        _ = exchange.credentialArrived(.success(credential(1)))
        exchange.attemptBegins()
        #expect(exchange.headArrived(status: 401, verdict: .rejected, isReplayable: false) == .hold)
        #expect(exchange.credentialArrived(.success(credential(2))) == .relayRefreshed)
    }

    /// A dead connection and a refused token together: still two copies of the body at most.
    @Test func aBodyIsSentTwiceAtMost() {
        var exchange = Exchange(
            route: .ordinary,
            method: .put,
            hasBody: true,
            carriesCredential: true,
            missing: .refuse
        )
        _ = exchange.credentialArrived(.success(credential(1)))
        exchange.attemptBegins()
        #expect(exchange.connectionBroke(wasReused: true, isReplayable: true) == .sendAgain)
        exchange.attemptBegins()
        #expect(exchange.headArrived(status: 401, verdict: .rejected, isReplayable: true) == .hold)
        #expect(exchange.credentialArrived(.success(credential(2))) == .relayRefreshed)
    }

    @Test func signInNeverReplays() {
        var exchange = exchange(.signIn)
        exchange.attemptBegins()
        #expect(exchange.headArrived(status: 401, verdict: .rejected, isReplayable: true) == .relay)
        #expect(exchange.headArrived(status: 200, verdict: .accepted, isReplayable: true) == .collect(.signIn))
    }

    @Test func onlyIdempotentRequestsAreSentAgainAfterADeadConnection() {
        for (method, wasReused, expected) in [
            (MethodName.get, true, Exchange.FaultAction.sendAgain), (.get, false, .fail), (.post, true, .fail),
            (.put, true, .sendAgain),
        ] {
            var exchange = exchange(.ordinary, method)
            exchange.attemptBegins()
            #expect(exchange.connectionBroke(wasReused: wasReused, isReplayable: true) == expected)
            // Once at most.
            if expected == .sendAgain {
                #expect(exchange.connectionBroke(wasReused: true, isReplayable: true) == .fail)
            }
        }
    }
}

@Suite struct RejectionTests {
    private typealias Rule = SessionConfiguration.Rejection

    /// A 401 by default: whose challenge it is decides.
    @Test(
        arguments: [
            ([], RejectionPolicy.Verdict.rejected), (["jwt-auth"], .rejected), (["Bearer realm=\"x\""], .rejected),
            (["Bearer error=\"invalid_token\", error_description=\"a, b\""], .rejected),
            (["Basic realm=\"x\""], .accepted),
            (["Basic realm=\"a, Bearer b\", charset=\"UTF-8\""], .accepted), (["NTLM", "Negotiate YII=="], .accepted),
            (["Basic realm=x, Bearer"], .rejected), (["Basic realm=x", "Bearer realm=y"], .rejected),
            (["Bearer error=insufficient_scope"], .accepted),
            (["Bearer realm=\"a\\\"b\", error=\"insufficient_scope\""], .accepted),
            (["=,=\"", "\"", ",,,"], .rejected),
        ] as [([String], RejectionPolicy.Verdict)]
    )
    func challenges(_ challenges: [String], _ expected: RejectionPolicy.Verdict) {
        let policy = RejectionPolicy([Rule(status: 401)])
        #expect(policy.verdict(status: 401, challenges: challenges, isJSON: true) == expected)
        #expect(policy.verdict(status: 403, challenges: challenges, isJSON: true) == .accepted)
    }

    @Test func configuredErrors() {
        let policy = RejectionPolicy([
            Rule(status: 401, challenge: "invalid_token"),
            Rule(status: 200, body: .init(pointer: "/ok", equals: "false")),
        ])
        #expect(policy.concerns(status: 200) && policy.concerns(status: 401) && !policy.concerns(status: 403))
        #expect(policy.verdict(status: 401, challenges: [], isJSON: false) == .accepted)
        #expect(policy.verdict(status: 401, challenges: ["Bearer error=\"invalid_token\""], isJSON: false) == .rejected)
        // Downloads are not held up to look for an error in them.
        #expect(policy.verdict(status: 200, challenges: [], isJSON: false) == .accepted)
        #expect(policy.verdict(status: 200, challenges: [], isJSON: true) == .needsBody)
        #expect(policy.isRejected(status: 200, challenges: [], body: Array(#"{"ok":false}"#.utf8)))
        #expect(!policy.isRejected(status: 200, challenges: [], body: Array(#"{"ok":true}"#.utf8)))
        #expect(!policy.isRejected(status: 200, challenges: [], body: Array("{".utf8)))
    }
}

@Suite struct TokenFinderTests {
    private func find(_ body: String) -> (token: Token, lifetime: Int?)? {
        var recipe = SessionConfiguration.Refresh(method: "POST", path: "/", token: "/t")
        recipe.expiresIn = "/in"
        recipe.expiresAt = "/at"
        return TokenFinder(recipe).find(in: Array(body.utf8), wall: 1000)
    }

    @Test(
        arguments: [
            (#""in":3600"#, 3600), (#""in":"3600""#, 3600), (#""in":3600.5"#, 3600), (#""in":null"#, nil),
            (#""in":0"#, nil),
            (#""in":-1"#, nil), (#""in":"zzz""#, nil), (#""in":false"#, nil), (#""in":{}"#, nil), (#""at":1500"#, 500),
            (#""at":900"#, nil), (#""in":1e300"#, 100_000_000_000), (#""in":1e999"#, nil),
        ] as [(String, Int?)]
    )
    func lifetimes(_ member: String, _ expected: Int?) throws {
        let found = try #require(find(#"{"t":"abc",\#(member)}"#))
        #expect(found.token == Token("abc") && found.lifetime == expected)
    }

    @Test func noToken() {
        for body in ["", "{}", #"{"t":1}"#, #"{"t":"a b"}"#, #"{"error":"invalid_grant"}"#] {
            #expect(find(body) == nil)
        }
    }
}

@Suite struct RequestBodyTests {
    /// Every way of keeping gives the same bytes back.
    @Test(arguments: [(1 << 20, 1 << 20), (1000, 1 << 20), (0, 1 << 20)]) func kept(_ memory: Int, _ disk: Int) throws {
        let body = RequestBody(memoryLimit: memory, fileLimit: disk, budget: ReplayBudget(workers: 1))
        let bytes = (0..<200_000).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 >> 8) }
        for start in stride(from: 0, to: bytes.count, by: 777) {
            bytes[start..<min(start + 777, bytes.count)].withUnsafeBytes { body.append($0) }
        }
        #expect(body.isReplayable && body.count == bytes.count)
        for _ in 0..<2 { #expect(try read(body, from: 0) == bytes) }
    }

    /// A body too large to keep is here whole until some of it is sent: no file, no budget.
    @Test func notKept() throws {
        let budget = ReplayBudget(ReplayBudget.Amount(memory: 0, file: 0))
        let body = RequestBody(memoryLimit: 10, fileLimit: 100, budget: budget, isKept: false)
        let bytes = [UInt8](repeating: 7, count: 1000)
        bytes.withUnsafeBytes { body.append($0) }
        #expect(body.isReplayable)
        #expect(try read(body, from: 0) == bytes)
        body.sent(upTo: 400)
        #expect(!body.isReplayable)
        #expect(try read(body, from: 400).count == 600)
    }

    @Test func windowOnly() throws {
        let body = RequestBody(memoryLimit: 1000, fileLimit: 3000, budget: ReplayBudget(workers: 1))
        let bytes = (0..<10_000).map { UInt8(truncatingIfNeeded: $0 &* 13) }
        var seen: [UInt8] = []
        for start in stride(from: 0, to: bytes.count, by: 500) {
            bytes[start..<(start + 500)].withUnsafeBytes { body.append($0) }
            seen += try read(body, from: seen.count)
            body.sent(upTo: seen.count)
        }
        #expect(!body.isReplayable)
        #expect(seen == bytes)
    }

    private func read(_ body: RequestBody, from start: Int) throws -> [UInt8] {
        let scratch = ByteBuffer(capacity: BufferPool.bufferCapacity)
        var result: [UInt8] = []
        while start + result.count < body.count {
            let part = try #require(body.bytes(from: start + result.count, limit: 9999, scratch: scratch))
            result += part
        }
        return result
    }
}
