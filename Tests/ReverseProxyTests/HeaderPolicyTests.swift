import Credentials
import EventIO
import HTTP1
import ReverseProxy
import Testing

@Suite struct HeaderPolicyTests {
    private func policy(
        _ rules: [HeaderRule] = [],
        authorization: AuthorizationRule = .replace,
        _ change: (inout SessionConfiguration) -> Void = { _ in }
    ) -> HeaderPolicy {
        let authority = Authority(host: "up.example", port: nil)
        var configuration = ProxyConfiguration(upstream: Origin(isSecure: true, authority: authority))
        configuration.headers = rules
        configuration.authorization = authorization
        change(&configuration.session)
        return HeaderPolicy(configuration)
    }

    /// The lines that go upstream, without the request line.
    private func lines(
        _ policy: HeaderPolicy,
        _ fields: [String],
        method: String = "GET",
        route: RouteKind = .ordinary
    ) throws -> [String] {
        let text = ["\(method) / HTTP/1.1", "Host: h"] + fields + ["", ""]
        let bytes = Array(text.joined(separator: "\r\n").utf8)
        var parser = RequestParser(limits: HeadLimits())
        var head = RequestHead()
        #expect(parser.parse(bytes.span, into: &head) == .complete(bytes.count))
        let output = ByteBuffer(capacity: 64)
        var identifiers = IdentifierGenerator()
        _ = bytes.withUnsafeBytes {
            policy.render(
                head,
                $0,
                route: route,
                keepsExpectation: false,
                identifiers: &identifiers,
                into: output
            )
        }
        let rendered = String(decoding: output.readable, as: UTF8.self)
        return Array(rendered.split(separator: "\r\n").map(String.init).dropFirst())
    }

    private func names(_ lines: [String]) -> [String] { lines.map { $0.prefix { $0 != ":" }.lowercased() } }

    /// Every row of the table that a request may hold without being refused.
    private static let droppable = FieldTable.rows.filter {
        !$0.traits.isDisjoint(with: [.hopByHop, .reserved])
            && ![.host, .contentLength, .transferEncoding, .expect].contains($0.id)
    }.map { "\($0.spelling)" }

    @Test(arguments: droppable) func fieldsForOneHopAndReservedOnesDoNotPass(_ name: String) throws {
        let sent = names(try lines(policy(), ["X-A: 1", "\(name): x", "X-B: 2"]))
        #expect(!sent.contains(name) && sent.contains("x-a") && sent.contains("x-b"))
    }

    @Test(arguments: [
        "Authorization_", "authorization-", "Content_Length", "TRANSFER.ENCODING", "Proxy_Authorization",
        "X_Squire-Key", "Host_", "Connection!", "Upgrade-_-",
    ])
    func imitationsOfProtectedNamesDoNotPass(_ name: String) throws {
        for authorization in AuthorizationRule.allCases {
            let policy = policy(authorization: authorization)
            #expect(!names(try lines(policy, ["\(name): x"])).contains(name.lowercased()))
        }
    }

    /// `Connection` comes first (RFC 9110 section 7.6.1): what it names is for this hop, the client's credential too.
    @Test(arguments: [RouteKind.ordinary, .anonymous]) func nominatedCredentialDoesNotPass(_ route: RouteKind) throws {
        let fields = ["Authorization: mine", "Connection: Authorization"]
        for change in [{ _ in }, { $0.source = .unused }] as [(inout SessionConfiguration) -> Void] {
            let policy = policy(authorization: .fill, change)
            #expect(!names(try lines(policy, fields, route: route)).contains("authorization"))
            #expect(names(try lines(policy, [fields[0]], route: route)).contains("authorization"))
        }
    }

    @Test(arguments: ["X_Own", "my_header", "a.b", "x-trace-"]) func otherOddNamesPass(_ name: String) throws {
        #expect(names(try lines(policy(), ["\(name): x"])).contains(name.lowercased()))
    }

    @Test(arguments: [true, false]) func imitationsOfConfiguredNamesDoNotPass(_ overwrite: Bool) throws {
        let policy = policy([HeaderRule(name: "Device-UUID", value: "1", overwrite: overwrite)])
        for name in ["Device_UUID", "DEVICE.UUID", "device-uuid_"] {
            let sent = try lines(policy, ["\(name): 2"])
            #expect(sent.contains("Device-UUID: 1") && !names(sent).contains(name.lowercased()), "\(name)")
        }
        #expect(try lines(policy, ["device-uuid: 2"]).contains("device-uuid: 2") == !overwrite)
    }

    @Test func aConfiguredNameWithAnUnderscoreIsNotImitatedEither() throws {
        let sent = try lines(policy([HeaderRule(name: "Device_UUID", value: "1", overwrite: true)]), ["Device-UUID: 2"])
        #expect(sent.contains("Device_UUID: 1") && !sent.contains("Device-UUID: 2"))
    }

    @Test func aSignInHasOneAcceptEncoding() throws {
        let policy = policy([
            HeaderRule(name: "Accept-Encoding", value: "gzip"), HeaderRule(name: "X-A", value: "1"),
        ])
        for fields in [[], ["Accept-Encoding: br"]] {
            let sent = try lines(policy, fields, method: "POST", route: .signIn)
            #expect(sent.filter { $0.lowercased().hasPrefix("accept-encoding") } == ["Accept-Encoding: identity"])
            #expect(sent.contains("X-A: 1"))
        }
        #expect(try lines(policy, []).contains("Accept-Encoding: gzip"))
    }

    @Test func configuredNamesDoNotComeInTrailers() {
        let policy = policy([HeaderRule(name: "X-Api-Key", value: "1")])
        let body = Array("0\r\nX-Api_Key: 2\r\nX-Sum: 3\r\n\r\n".utf8)
        var reader = BodyReader(.chunked)
        guard case .finished = reader.next(body.span, from: 0) else { return #expect(Bool(false)) }
        #expect(reader.forwardableTrailers(policy.trailers) == Array("X-Sum: 3\r\n".utf8))
    }

    // MARK: Where the token goes

    private func applied(_ field: String, _ authorization: AuthorizationRule = .replace) -> HeaderPolicy {
        policy(authorization: authorization) { $0.apply = .init(field: field, prefix: "", suffix: "") }
    }

    @Test(arguments: ["X-Api-Token", "x_api.token", "PRIVATE-TOKEN", "User-Agent"])
    func theFieldWithTheTokenIsNotTheClients(_ field: String) throws {
        let plain = String(decoding: FoldedName(field.utf8).octets, as: UTF8.self)
        for spelling in [field, field.uppercased(), field.replacing("-", with: "_"), field + "_", plain] {
            let sent = try lines(applied(field), ["X-A: 1", "\(spelling): mine", "X-B: 2"])
            #expect(!sent.contains { $0.hasSuffix(": mine") }, "\(spelling)")
            #expect(sent.contains("X-A: 1") && sent.contains("X-B: 2"))
            // With `fill` the client's own goes along, and nothing that only looks like it.
            let filled = try lines(applied(field, .fill), ["\(spelling): mine"]).contains("\(spelling): mine")
            #expect(filled == (spelling.lowercased() == field.lowercased()), "\(spelling)")
        }
        // Its own Authorization is then a field as any other, but for what is only read as it.
        let sent = try lines(applied(field), ["Authorization: Basic x", "Authorization_: y"])
        #expect(sent.contains("Authorization: Basic x") && !sent.contains { $0.hasSuffix(": y") })
    }

    @Test func theFieldWithTheTokenDoesNotComeInTrailers() {
        let body = Array("0\r\nX-Api_Token: 2\r\nAuthorization: 3\r\nX-Sum: 4\r\n\r\n".utf8)
        var reader = BodyReader(.chunked)
        guard case .finished = reader.next(body.span, from: 0) else { return #expect(Bool(false)) }
        #expect(reader.forwardableTrailers(applied("X-Api-Token").trailers) == Array("X-Sum: 4\r\n".utf8))
    }

    @Test func withoutASessionTheClientsAuthorizationPasses() throws {
        let bare = policy { $0.source = .unused }
        #expect(try lines(bare, ["Authorization: Basic x"]).contains("Authorization: Basic x"))
        for overwrite in [true, false] {
            let rule = HeaderRule(name: "Authorization", value: "Token k3y", overwrite: overwrite)
            let headers = policy([rule]) { $0.source = .unused }
            #expect(try lines(headers, []).contains("Authorization: Token k3y"))
            let sent = try lines(headers, ["authorization: Basic x"])
            #expect(sent.contains("Authorization: Token k3y") == overwrite)
            #expect(sent.contains("authorization: Basic x") != overwrite)
        }
    }

    @Test func anAnswerThatIsNotLookedIntoMayBeCompressed() throws {
        let policy = policy { $0.source = .unused }
        let sent = try lines(policy, ["Accept-Encoding: br"], method: "POST", route: .signIn)
        #expect(sent.contains("Accept-Encoding: br") && !sent.contains("Accept-Encoding: identity"))
    }
}
