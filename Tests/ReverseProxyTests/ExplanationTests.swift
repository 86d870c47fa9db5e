import Credentials
import EventIO
import HTTP1
import Testing

@testable import ReverseProxy

/// What `squire explain` and the inspector's page say of a request, from the same value.
@Suite struct ExplanationTests {
    private static func configuration(_ change: (inout ProxyConfiguration) -> Void = { _ in }) -> ProxyConfiguration {
        var configuration = ProxyConfiguration(
            upstream: Origin(isSecure: true, authority: Authority(host: "api.example.com", port: nil))
        )
        change(&configuration)
        return configuration
    }

    private static func status(_ change: (inout SessionStatus) -> Void = { _ in }) throws -> SessionStatus {
        var status = try Session(file: nil, source: nil).status
        status.state = .usable
        status.generation = 7
        status.expiresIn = 60
        change(&status)
        return status
    }

    private static func explain(
        _ method: String,
        _ target: String,
        _ fields: [(name: String, value: String)] = [],
        _ configuration: ProxyConfiguration = configuration(),
        hasKey: Bool = false,
        status: (inout SessionStatus) -> Void = { _ in }
    ) throws -> Explanation.Access? {
        let request = Explanation.Request(method: method, target: target, fields: fields)
        return try Explanation(request, configuration, applySource: "here", hasKey: hasKey) {
            try Self.status(status)
        }?.access
    }

    private static func forwarding(
        _ method: String = "GET",
        _ target: String = "/x",
        _ fields: [(name: String, value: String)] = [],
        _ configuration: ProxyConfiguration = configuration(),
        status: (inout SessionStatus) -> Void = { _ in }
    ) throws -> Explanation.Forwarding {
        guard case .allowed(let forwarding)? = try explain(method, target, fields, configuration, status: status) else {
            throw NotForwarded()
        }
        return forwarding
    }

    private struct NotForwarded: Error {}

    /// The machines that share the token would lose it, and not know why.
    @Test func logoutOfOthersIsRefused() throws {
        let configuration = Self.configuration { $0.session.signOut = [RoutePattern("POST /logout")!] }
        for (place, action) in [(nil, Explanation.Token.Action.attach), ("etcd a", .refuse)] {
            let token = try Self.forwarding("POST", "/logout", [], configuration) { $0.sharedElsewhere = place }.token
            #expect(token.action == action)
            #expect(token.text.contains("Nothing is ended, and the API was not asked") == (place != nil))
        }
    }

    /// The code of the refusal, `answered`, or `allowed`.
    private static func word(_ access: Explanation.Access?) -> String {
        switch access {
        case nil: "no request"
        case .refused(let problem), .malformed(let problem): problem.code.rawValue
        case .answered: "answered"
        case .allowed: "allowed"
        }
    }

    // MARK: Access

    @Test(
        arguments: [
            ("GET", "/x", [("Host", "evil.example")], "misdirected_request"),
            ("GET", "/x", [("Host", "192.0.2.1:8080")], "allowed"),
            ("GET", "/x", [("Host", "192.0.2.1:8081")], "misdirected_request"),
            ("GET", "/x", [("Host", "0.0.0.0:8080")], "misdirected_request"),
            ("GET", "/x", [("Origin", "http://page.example")], "allowed"),
            ("GET", "/x", [("Origin", "http://other.example")], "forbidden_origin"),
            (
                "OPTIONS", "/x", [("Origin", "http://page.example"), ("Access-Control-Request-Method", "PUT")],
                "answered"
            ),
            ("OPTIONS", "/x", [("Max-Forwards", "0")], "answered"),
            ("OPTIONS", "/x", [("Max-Forwards", "1")], "allowed"),
            (
                "GET", "/x", [("Via", "1.1 \(String(decoding: Pseudonym.ofThisProcess.text, as: UTF8.self))")],
                "loop_detected"
            ),
            ("GET", "/x", [("Via", "1.1 other")], "allowed"), ("TRACE", "/x", [], "method_not_allowed"),
            ("GET", "x", [], "bad_request"), ("GET", "/\(String(repeating: "x", count: 3000))", [], "target_too_long"),
            ("GET", "/../x", [], "allowed"),
        ] as [(String, String, [(name: String, value: String)], String)]
    )
    func accessIsTheOneOfTheProxy(
        _ method: String,
        _ target: String,
        _ fields: [(name: String, value: String)],
        _ expected: String
    ) throws {
        let configuration = Self.configuration {
            $0.listen = [.tcp(host: "192.0.2.1", port: 8080), .tcp(host: "0.0.0.0", port: 8080)]
            $0.access.origins = ["http://page.example"]
            $0.limits.head = 5000
        }
        #expect(Self.word(try Self.explain(method, target, fields, configuration)) == expected)
    }

    @Test func keyIsAskedForUnlessTheCallerHasIt() throws {
        let configuration = Self.configuration { $0.access.key = Array("secret-of-16-bytes".utf8) }
        #expect(Self.word(try Self.explain("GET", "/x", [], configuration)) == "wrong_key")
        #expect(Self.word(try Self.explain("GET", "/x", [], configuration, hasKey: true)) == "allowed")
        let own = [(name: "X-Squire-Key", value: "secret-of-16-bytes")]
        #expect(Self.word(try Self.explain("GET", "/x", own, configuration)) == "allowed")
    }

    @Test func nothingIsAskedOfTheSessionForARefusedRequest() throws {
        struct Asked: Error {}
        let refused = Explanation.Request(method: "GET", target: "/x", fields: [(name: "Host", value: "evil.example")])
        let explain = { (request: Explanation.Request) in
            try Explanation(request, Self.configuration(), applySource: nil, hasKey: false) { throw Asked() }
        }
        #expect(Self.word(try explain(refused)?.access) == "misdirected_request")
        #expect(throws: Asked.self) { try explain(Explanation.Request(method: "GET", target: "/x", fields: [])) }
    }

    @Test func basePathIsPrepended() throws {
        let configuration = Self.configuration { $0.basePath = "/v1" }
        let forwarding = try Self.forwarding("GET", "/x?y=1", [], configuration)
        #expect(
            forwarding.requestLine == "GET /v1/x?y=1 HTTP/1.1" && forwarding.upstream == "https://api.example.com/v1"
        )
        #expect(Self.word(try Self.explain("GET", "/../x", [], configuration)) == "bad_request")
        let elsewhere = "https://api.example.com/v2/x"
        #expect(Self.word(try Self.explain("GET", elsewhere, [], configuration)) == "misdirected_request")
    }

    // MARK: Routes

    @Test func routeNamesThePatternAndItsKey() throws {
        let configuration = Self.configuration {
            $0.session.refresh = SessionConfiguration.Refresh(method: "POST", path: "/renew?x", token: "/t")
            $0.session.signIn = [RoutePattern("POST /login")!]
            $0.session.signOut = [RoutePattern("POST /logout")!]
            $0.session.anonymous = [RoutePattern("/public/**")!]
        }
        let route = { (method: String, target: String) in try Self.forwarding(method, target, [], configuration).route }
        for (method, target, kind, source) in [
            ("GET", "/x", RouteKind.ordinary, nil), ("POST", "/login", .signIn, "session.sign-in"),
            ("POST", "/logout", .signOut, "session.sign-out"), ("GET", "/public/a", .anonymous, "session.anonymous"),
            ("POST", "/renew", .refresh, "session.refresh"),
        ] as [(String, String, RouteKind, String?)] {
            let route = try route(method, target)
            #expect(route.kind == kind && route.source == source && (route.because == nil) == (kind == .ordinary))
        }
        #expect(try route("POST", "/login").because == #"because of "POST /login""#)
    }

    // MARK: The token

    /// The action, and the generation and lifetime that it shows.
    private static func token(
        _ configuration: ProxyConfiguration = configuration(),
        _ fields: [(name: String, value: String)] = [],
        target: String = "/x",
        _ status: (inout SessionStatus) -> Void
    ) throws -> String {
        let token = try forwarding("GET", target, fields, configuration, status: status).token
        let numbers = [token.generation.map { "generation \($0)" }, token.expiresIn.map { "\($0) s" }]
        return ([token.action.rawValue] + numbers.compactMap(\.self)).joined(separator: ", ")
    }

    @Test func actionFollowsTheSession() throws {
        #expect(try Self.token { _ in } == "attach, generation 7, 60 s")
        #expect(try Self.token { $0.state = .refreshing } == "attach, generation 7, 60 s")
        #expect(try Self.token { $0.expiresIn = nil } == "attach, generation 7")
        for seconds in [0, -5] {
            #expect(try Self.token { $0.expiresIn = seconds } == "refresh_first, generation 7, \(seconds) s")
        }
        let starting = try Self.token {
            $0.state = .starting
            $0.generation = 0
            $0.expiresIn = nil
        }
        #expect(starting == "refresh_first")
        #expect(try Self.token { $0.state = .loginNeeded } == "refuse")
        #expect(try Self.token { $0.state = .none } == "refuse")
        #expect(try Self.token { $0.state = .unused } == "none")
        let forwards = Self.configuration { $0.session.missing = .forward }
        #expect(try Self.token(forwards) { $0.state = .none } == "none")
        #expect(try Self.token(forwards) { $0.state = .loginNeeded } == "none")
    }

    @Test func noTokenGoesToAnonymousPaths() throws {
        let configuration = Self.configuration { $0.session.anonymous = [RoutePattern("/public")!] }
        let own = [(name: "Authorization", value: "Basic x")]
        #expect(try Self.token(configuration, target: "/public") { _ in } == "none")
        #expect(try Self.token(configuration, own, target: "/public") { _ in } == "client")
        let names = try Self.forwarding("GET", "/public", [], configuration).fields.filter(\.isToken)
        #expect(names.isEmpty)
    }

    @Test func clientsOwnCredentialWinsOnlyWhereTheConfigurationSaysSo() throws {
        let own = [(name: "Authorization", value: "Bearer mine")]
        let fill = Self.configuration { $0.authorization = .fill }
        #expect(try Self.token(fill, own) { _ in } == "client")
        #expect(try Self.token(fill) { _ in } == "attach, generation 7, 60 s")
        #expect(try Self.token(Self.configuration(), own) { _ in } == "attach, generation 7, 60 s")
        // Whatever the session's state.
        #expect(try Self.token(fill, own) { $0.state = .none } == "client")
    }

    // MARK: Fields

    private static func field(_ name: String, in forwarding: Explanation.Forwarding) throws -> Explanation.Field {
        let found = forwarding.fields.filter { $0.name.lowercased() == name.lowercased() }
        try #require(found.count == 1, "\(name) occurs \(found.count) times")
        return found[0]
    }

    @Test func everyFieldOfTheClientIsAccountedFor() throws {
        let configuration = Self.configuration {
            $0.headers = [
                HeaderRule(name: "X-Device", value: "squire", overwrite: true, source: "headers.x-device"),
                HeaderRule(name: "X-Default", value: "one", source: "headers.x-default"),
                HeaderRule(name: "X-Other", value: "two", source: "headers.x-other"),
            ]
        }
        let sent = [
            ("Host", "localhost"), ("Accept", "*/*"), ("X-Device", "client"), ("X-Default", "own"),
            ("Connection", "close, X-Hop"), ("X-Hop", "1"), ("Authorization", "Bearer mine"), ("X-Squire-Key", "k"),
            ("Content_Length", "5"),
        ].map { (name: $0, value: $1) }
        let forwarding = try Self.forwarding("GET", "/x", sent, configuration)
        let what = { (name: String) in
            let field = try Self.field(name, in: forwarding)
            return "\(field.what) \(field.source ?? "-")"
        }
        #expect(try what("Host") == "made -")
        #expect(try Self.field("Host", in: forwarding).value == "api.example.com")
        #expect(try what("Accept") == "kept -")
        #expect(try what("X-Device") == "replaced headers.x-device")
        #expect(try Self.field("X-Device", in: forwarding).value == "squire")
        #expect(try what("X-Default") == "kept -")
        #expect(try Self.field("X-Default", in: forwarding).value == "own")
        #expect(try what("X-Other") == "set headers.x-other")
        #expect(try what("Connection") == "removed -")
        #expect(try what("X-Hop") == "removed -")
        #expect(try Self.field("X-Hop", in: forwarding).why == "named in Connection: for this hop only")
        #expect(try what("X-Squire-Key") == "removed -")
        #expect(try what("Content_Length") == "removed -")
        #expect(try what("Via") == "made -")
        // The client's is removed, and the session's takes its place.
        let credentials = forwarding.fields.filter { $0.name == "Authorization" }
        #expect(credentials.map(\.what) == [.replaced, .removed] && credentials.map(\.isToken) == [true, false])
        #expect(credentials.map(\.source) == ["session.apply: here", nil])
        #expect(Set(forwarding.fields.map { $0.name.lowercased() }).isSuperset(of: sent.map { $0.name.lowercased() }))
    }

    /// The token's field shows how the token is applied, and never the token.
    @Test func secretsAreMarked() throws {
        let configuration = Self.configuration {
            $0.headers = [HeaderRule(name: "X-Api-Key", value: "hidden", source: "headers.x-api-key")]
        }
        let sent = [(name: "Cookie", value: "a=b"), (name: "Accept", value: "*/*")]
        let forwarding = try Self.forwarding("GET", "/x", sent, configuration)
        #expect(try Self.field("X-Api-Key", in: forwarding).secret == SecretField.mark)
        #expect(try Self.field("Cookie", in: forwarding).secret == SecretField.mark)
        #expect(try Self.field("Accept", in: forwarding).secret == nil)
        let token = try Self.field("Authorization", in: forwarding)
        #expect(token.isToken && token.value == configuration.session.apply.shownValue && token.what == .set)
        #expect(forwarding.fields.filter(\.isToken).count == 1)
    }

    @Test(arguments: [SessionStatus.State.none, .unused]) func withoutASessionNoFieldCarriesAToken(
        _ state: SessionStatus.State
    ) throws {
        let tokens = try Self.forwarding { $0.state = state }.fields.filter(\.isToken)
        #expect(tokens.isEmpty)
    }

    // MARK: Cookies

    @Test func cookiesAreLocalOnlyForClientsAtLoopback() throws {
        for (listen, rule, end) in [
            (ListenAddress.tcp(host: "localhost", port: 8080), CookieRule.local, "(cookies: local)"),
            (.tcp(host: "localhost", port: 8080), .keep, "(cookies: keep)"),
            (.tcp(host: "192.0.2.1", port: 80), .local, "no listener is on loopback"),
            (.unix(path: "/s"), .local, "no listener is on loopback"),
        ] {
            let configuration = Self.configuration {
                $0.listen = [listen]
                $0.cookies = rule
            }
            let cookies = try Self.forwarding("GET", "/x", [], configuration).cookies
            #expect(cookies.hasSuffix(end))
        }
    }
}
