import HTTP1
import Testing

@testable import ReverseProxy

/// SplitMix64: a failure can be repeated by its seed.
private struct Random: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }
}

@Suite struct RoutePolicyTests {
    private func policy(
        signIn: [String] = [],
        anonymous: [String] = [],
        signOut: [String] = [],
        refresh: String? = nil
    ) throws -> RoutePolicy {
        var session = SessionConfiguration()
        session.signIn = try signIn.map { try RoutePattern(parsing: $0) }
        session.anonymous = try anonymous.map { try RoutePattern(parsing: $0) }
        session.signOut = try signOut.map { try RoutePattern(parsing: $0) }
        session.refresh = refresh.map { .init(method: "GET", path: $0, token: "/t") }
        return RoutePolicy(session)
    }

    private func kind(_ policy: RoutePolicy, _ path: String, _ method: String = "POST") -> RouteKind {
        Array(method.utf8).withUnsafeBytes { method in
            Array(path.utf8).withUnsafeBytes { policy.kind(method: method, path: $0) }
        }
    }

    @Test(arguments: [
        "/api/customers/login", "/api//customers/login", "/api/customers/%6Cogin", "/api/./customers/login",
        "/x/../api/customers/login", "/api/customers/login/", "/api/customers/login//", "/api/customers/login;x=1",
        "/api;x/customers/login%2F", "/api/customers/login;x=%2Fy", "/api/customers\\login", "/api/customers%5clogin",
        "/API/Customers/LOGIN", "/api/customers/%256Cogin", "/api/customers/%25%36Cogin",
        "/api/%2e%2e/api/customers/login",
        "/api/customers/login%00.png", "/api/customers/login%3Fx", "/api/customers/login%23", "/;/api/customers/login",
        "/api/x/..;/customers/login", "/api/customers/login/.", "/api/customers/login/x/..", "//api/customers/login",
        "/api/customers%252Flogin", "/./api/customers/login",
    ])
    func everySpellingOfASignInPathIsOne(_ path: String) throws {
        #expect(kind(try policy(signIn: ["POST /api/customers/login"]), path) == .signIn)
    }

    @Test(arguments: [
        "/api/customers/login2", "/api/customers", "/api/customers/logi", "/api/customers/login/x", "/", "",
    ])
    func otherPathsAreOrdinary(_ path: String) throws {
        #expect(kind(try policy(signIn: ["POST /api/customers/login"]), path) == .ordinary)
    }

    @Test func aPathThatOneReadingMakesAnonymousGoesWithoutTheBearer() throws {
        let policy = try policy(anonymous: ["/public/**", "/a/*/c"])
        for path in [
            "/public/../account", "/public/%2e%2e/account", "/x/..//public", "/account/..;/public/x", "//public",
        ] {
            #expect(kind(policy, path) == .anonymous, "\(path)")
        }
        #expect(kind(policy, "/account") == .ordinary && kind(policy, "/a//c") == .ordinary)
    }

    @Test func everythingIsAnonymousBehindTwoStars() throws {
        let policy = try policy(anonymous: ["/**"])
        for path in ["", "/", "//", "/a", "/.", "/..", "/%2e", "/;x", "/\\"] {
            #expect(kind(policy, path) == .anonymous)
        }
    }

    @Test func letterCaseBeyondASCIIDoesNotMatterEither() throws {
        let policy = try policy(anonymous: ["/caf%C3%A9"])
        for path in ["/caf%C3%A9", "/CAF%C3%89", "/caf%c3%a9/", "/caf\u{E9}"] {
            #expect(kind(policy, path) == .anonymous)
        }
    }

    @Test func headIsGet() throws {
        let policy = try policy(signIn: ["GET /callback"], refresh: "/refresh")
        for method in ["GET", "HEAD", "head", "Get"] {
            #expect(kind(policy, "/callback", method) == .signIn && kind(policy, "/refresh", method) == .refresh)
        }
        #expect(kind(policy, "/callback", "PUT") == .ordinary)
    }

    /// The client's own refresh would end the session's token behind Squire's back.
    @Test(arguments: ["/api/customers/refresh", "/v1//refresh", "/a/../refresh", "/refresh;v=1", "/r%65fresh?x=1"])
    func theRefreshIsRecognisedHoweverTheRecipeSpellsIt(_ path: String) throws {
        let policy = try policy(refresh: path)
        let sent = String(path.prefix { $0 != "?" })
        for spelling in [sent, "/x/.." + sent, sent + "/", sent.uppercased(), sent + ";a"] {
            #expect(kind(policy, spelling, "GET") == .refresh, "\(spelling)")
        }
    }

    @Test("A request that a list names is what the list says, also if it is the refresh, too")
    func namedRefresh() throws {
        let both = try policy(signIn: ["GET /token"], refresh: "/token?grant=x")
        #expect(kind(both, "/token", "GET") == .signIn && kind(both, "/token", "HEAD") == .signIn)
        let any = try policy(anonymous: ["/token"], refresh: "/token")
        #expect(kind(any, "/token", "GET") == .anonymous)
        // A wildcard names no request, and another method is another one.
        let wide = try policy(signIn: ["POST /token"], anonymous: ["/**"], refresh: "/token")
        #expect(kind(wide, "/token", "GET") == .refresh && kind(wide, "/token", "POST") == .signIn)
    }

    @Test("A refresh by URL is a client's request only if the upstream answers it")
    func refreshElsewhere() throws {
        let upstream = Origin(isSecure: true, authority: Authority(host: "api.test", port: nil))
        var session = SessionConfiguration()
        session.refresh = .init(method: "GET", path: "/v1/refresh", token: "/t")
        session.refresh?.origin = Origin(isSecure: true, authority: Authority(host: "login.test", port: nil))
        for base in ["", "/v1"] {
            let other = RoutePolicy(session, upstream: upstream, basePath: base)
            #expect(kind(other, "/v1/refresh", "GET") == .ordinary && kind(other, "/refresh", "GET") == .ordinary)
        }
        session.refresh?.origin = Origin(isSecure: true, authority: Authority(host: "API.test", port: 443))
        #expect(kind(RoutePolicy(session, upstream: upstream), "/v1/refresh", "GET") == .refresh)
        let below = RoutePolicy(session, upstream: upstream, basePath: "/v1")
        #expect(kind(below, "/refresh", "GET") == .refresh && kind(below, "/v1/refresh", "GET") == .ordinary)
        #expect(kind(RoutePolicy(session, upstream: upstream, basePath: "/v"), "/1/refresh", "GET") == .ordinary)
    }

    @Test func aClientThatSendsItsOwnCredentialRefreshesItsOwnToken() {
        #expect(RouteKind.refresh.with(ownCredential: true) == .ordinary)
        #expect(RouteKind.refresh.with(ownCredential: false) == .refresh)
        #expect(RouteKind.signOut.with(ownCredential: true) == .signOut)
    }

    /// It ends the session, so only what is one for most servers counts.
    @Test func aSignOutIsItsPlainestReading() throws {
        let policy = try policy(anonymous: ["/api/public/**"], signOut: ["POST /api/logout"])
        for path in ["/api/logout", "/api//logout", "/api/%6Cogout", "/api/logout/", "/api/x/../logout"] {
            #expect(kind(policy, path) == .signOut, "\(path)")
        }
        #expect(kind(policy, "/api/%256Cogout") == .ordinary)
        #expect(kind(policy, "/api/public/../logout") == .anonymous)
    }

    /// Windows drops what a name ends with, and the `$` of a regular expression matches before a line's end.
    @Test(
        arguments: ["x%20", "x%09", "x%0a", "x%0d%0a", "x.", "x..", "x%2e", "x.%20.", "x%2520"].flatMap {
            ["/anon/\($0)", "/anon./\($0)", "/\($0)/../anon/x%20", "/anon/\($0)/"]
        }
    )
    func whatASegmentEndsWithIsDropped(_ path: String) throws {
        #expect(kind(try policy(anonymous: ["/anon/x"]), path) == .anonymous)
        #expect(kind(try policy(anonymous: ["/anon/y"]), path) == .ordinary)
    }

    /// A segment of nothing else is one of dots, or none at all.
    @Test(
        arguments: [
            "/x/..%20/anon", "/x/..%09/anon", "/x/%2e%2e%20/anon", "/x/..%2520/anon", "/x/..%20./anon", "/x/.../anon",
            "/.%20/anon", "/%20/anon", "/.%20./anon", "/...%20/anon", "/anon/%20", "/anon/...", "/anon/.%20",
            "/anon/x/..%20", "/x/..%20;a/anon", "/x/..%20\\anon", "/x/y/..%20/..%20/anon", "/x/y/../..%20/anon",
        ]
    )
    func aSegmentOfDotsAndBlanksIsOneOfDotsOrNone(_ path: String) throws {
        #expect(kind(try policy(anonymous: ["/anon"]), path) == .anonymous)
        #expect(kind(try policy(anonymous: ["/other"]), path) == .ordinary)
    }

    @Test func aPathWithCountlessReadingsGoesWithoutTheBearer() throws {
        let policy = try policy(anonymous: ["/public"])
        let nested = "/" + String(repeating: "%25", count: 4000) + "41"
        let mixed = "/" + (0..<12).map { "a;\($0)\\%2e%2e//%255c" }.joined(separator: "/")
        for path in [nested, mixed + mixed] { #expect([.anonymous, .ordinary].contains(kind(policy, path))) }
        #expect(kind(policy, "/" + String(repeating: "%2525252525252e/;\\..//", count: 1400)) == .anonymous)
        // A long path that is merely long is not one of those.
        #expect(kind(policy, "/" + String(repeating: "a%20", count: 7000)) == .ordinary)
    }

    // MARK: Properties

    private let alphabet = Array("abAB019-_~.+é").map(String.init)

    private func segment(_ random: inout Random) -> String {
        let text = (0...Int.random(in: 0...5, using: &random)).map { _ in alphabet.randomElement(using: &random)! }
            .joined()
        return text.allSatisfy { $0 == "." } ? "x" + text : text
    }

    /// A spelling that some servers read as `path`.
    private func spelling(of path: [String], _ random: inout Random) -> String {
        var segments = path
        for _ in 0..<Int.random(in: 0...3, using: &random) {
            let place = Int.random(in: 0...segments.count, using: &random)
            switch Int.random(in: 0...3, using: &random) {
            case 0: segments.insert(".", at: place)
            case 1: segments.insert(contentsOf: [segment(&random), ".."], at: place)
            case 2: segments.insert("", at: place)
            default: segments = segments.map { Bool.random(using: &random) ? $0.uppercased() : $0.lowercased() }
            }
        }
        if Int.random(in: 0...3, using: &random) == 0 {
            let place = Int.random(in: 0..<segments.count, using: &random)
            segments[place] += ";" + segment(&random) + "=" + segment(&random)
        }
        var text = segments.map { (Int.random(in: 0...5, using: &random) == 0 ? "\\" : "/") + $0 }.joined()
        if Int.random(in: 0...4, using: &random) == 0 { text += "/" }
        for _ in 0..<Int.random(in: 0...2, using: &random) {
            text = text.utf8.map { byte in
                let isOdd = byte >= 0x80 || Int.random(in: 0...7, using: &random) == 0
                guard isOdd else { return String(UnicodeScalar(byte)) }
                let digits = String(byte, radix: 16)
                return "%" + (digits.count == 1 ? "0" : "")
                    + (Bool.random(using: &random) ? digits.uppercased() : digits)
            }.joined()
        }
        return text.first == "/" ? text : "/" + text
    }

    @Test(arguments: 0..<40) func noSpellingOfAGuardedPathCarriesTheBearer(_ seed: UInt64) throws {
        var random = Random(state: seed)
        for _ in 0..<250 {
            let path = (0...Int.random(in: 0...3, using: &random)).map { _ in segment(&random) }
            var pattern = path
            if Int.random(in: 0...2, using: &random) == 0 { pattern[.random(in: 0..<path.count, using: &random)] = "*" }
            if Int.random(in: 0...4, using: &random) == 0 { pattern[path.count - 1] = "**" }
            let text = "/" + pattern.joined(separator: "/")
            let policy = try policy(anonymous: [text])
            let spelling = spelling(of: path, &random)
            #expect(kind(policy, spelling) == .anonymous, "\(text) spelt \(spelling), seed \(seed)")
        }
    }

    /// What is not spelt in an odd way is what it says, and nothing else.
    @Test(arguments: 0..<10) func plainPathsMatchOnlyThemselves(_ seed: UInt64) throws {
        var random = Random(state: seed)
        for _ in 0..<250 {
            let path = (0...2).map { _ in segment(&random) }
            let policy = try policy(anonymous: ["/" + path.joined(separator: "/")])
            var other = path
            other[.random(in: 0..<3, using: &random)] += "x"
            #expect(kind(policy, "/" + other.joined(separator: "/")) == .ordinary)
            #expect(kind(policy, "/" + path.dropLast().joined(separator: "/")) == .ordinary)
        }
    }

    /// Whether a path is plain decides between two ways of looking at it: both must say the same.
    @Test(arguments: 0..<10) func thePlainWaySaysTheSame(_ seed: UInt64) {
        var random = Random(state: seed)
        for _ in 0..<500 {
            let path = (0..<Int.random(in: 0...8, using: &random)).map { _ in
                ["/", ".", "a", "%", "2", "e", ";", "\\"].randomElement(using: &random)!
            }.joined()
            let bytes = Array(("/" + path).utf8)
            let (isPlain, count) = bytes.withUnsafeBytes { (PathReadings.isPlain($0), PathReadings($0).all.count) }
            #expect(!isPlain || count == 1, "\(path), seed \(seed)")
        }
    }
}
