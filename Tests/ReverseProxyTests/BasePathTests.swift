import EventIO
import HTTP1
import ReverseProxy
import Testing

@Suite struct BasePathTests {
    private static let upstream = Origin(isSecure: true, authority: Authority(host: "up.example", port: nil))

    /// What `target` becomes, or the status that it is refused with.
    private func sent(
        _ target: String,
        method: String = "GET",
        upstream: Origin = upstream,
        basePath: String = "/v1"
    ) throws -> String {
        let bytes = Array("\(method) \(target) HTTP/1.1\r\nHost: localhost\r\n\r\n".utf8)
        var parser = RequestParser(limits: HeadLimits())
        var head = RequestHead()
        #expect(parser.parse(bytes.span, into: &head) == .complete(bytes.count))
        var configuration = ProxyConfiguration(upstream: upstream)
        configuration.basePath = basePath
        let access = AccessPolicy(configuration.access, upstream: upstream, ownHosts: [], ownPorts: [8080])
        let output = ByteBuffer(capacity: 64)
        var identifiers = IdentifierGenerator()
        return bytes.withUnsafeBytes { bytes in
            var admission = Admission(head, bytes, access)
            if let basePath = BasePath(basePath) { admission.locate(head, bytes, under: basePath, access) }
            if case .refuse(let problem) = admission.decision { return "\(problem.status)" }
            let rendered = HeaderPolicy(configuration).render(
                head,
                bytes,
                route: .ordinary,
                place: admission.place,
                keepsExpectation: false,
                identifiers: &identifiers,
                into: output
            )
            let line = String(decoding: output.readable, as: UTF8.self).prefix { $0 != "\r\n" }
            let shown = output.readable[rendered.targetOffset...].prefix(rendered.targetLength)
            // What the client sees is what goes out without the base path.
            let isBelow = head.form != .asterisk && line.contains(" \(basePath)")
            let start = method.utf8.count + 1 + (isBelow ? basePath.utf8.count : 0)
            #expect(String(decoding: shown, as: UTF8.self) == line.dropFirst(start).prefix { $0 != " " })
            return String(line.split(separator: " ")[1])
        }
    }

    @Test(arguments: [
        ("/", "/v1/"), ("/x?y=/../..", "/v1/x?y=/../.."), ("/a/../b", "/v1/a/../b"), ("/a//b", "/v1/a//b"),
        ("/a%2fb", "/v1/a%2fb"), ("/..a/...", "/v1/..a/..."), ("/caf%C3%A9;v=1", "/v1/caf%C3%A9;v=1"),
        ("/%E0%A4%AA%C0", "/v1/%E0%A4%AA%C0"), ("/%", "/v1/%"),
        ("/a/%2e%2e/b", "/v1/a/%2e%2e/b"), ("/a/b/../..", "/v1/a/b/../.."), ("/.", "/v1/."),
        ("http://localhost:8080/x", "/v1/x"), ("http://localhost:8080", "/v1/"), ("http://localhost?q", "/v1/?q"),
    ])
    func theBasePathGoesBeforeEachTarget(_ target: String, _ expected: String) throws {
        #expect(try sent(target) == expected)
    }

    /// Whole URLs of the upstream have it already.
    @Test(arguments: [
        ("https://up.example/v1/x?y", "/v1/x?y"), ("http://UP.example/v1", "/v1"),
        ("https://up.example:443/v1?q", "/v1?q"),
        ("https://up.example/v1/a/../b", "/v1/a/../b"), ("https://up.example/v2/x", "421"),
        ("https://up.example", "421"),
        ("https://up.example/v1x", "421"), ("https://up.example/V1/x", "421"), ("https://up.example/v1/../x", "400"),
        ("https://up.example/v1/%2e%2e/x", "400"), ("https://other.test/v1/x", "421"),
    ])
    func aWholeURLOfTheUpstreamGoesOutAsItIs(_ target: String, _ expected: String) throws {
        #expect(try sent(target) == expected)
    }

    @Test func ofTwoServersOnThisMachineThePortTells() throws {
        let upstream = Origin(isSecure: false, authority: Authority(host: "localhost", port: 9000))
        for (target, expected) in [
            ("http://localhost:9000/v1/x", "/v1/x"), ("http://localhost:9000/x", "421"),
            ("http://localhost:8080/x", "/v1/x"), ("http://localhost/x", "/v1/x"),
        ] {
            #expect(try sent(target, upstream: upstream) == expected, "\(target)")
        }
    }

    @Test func optionsOfTheServerStay() throws {
        #expect(try sent("*", method: "OPTIONS") == "*")
        #expect(try sent("http://localhost:8080", method: "OPTIONS") == "*")
        #expect(try sent("/x", method: "OPTIONS") == "/v1/x")
    }

    @Test(arguments: [
        "/..", "/../x", "/a/../../x", "/%2e%2e/x", "/%2E./x", "/.%2e", "/..%2fx", "/a/..%2F..%2fx", "/%2e%2e%2fx",
        "/..\\x",
        "/\\..\\x", "/..%5cx", "/a%5c..%5C..%5cx", "/%252e%252e/x", "/..%252fx", "/..%255cx", "/%25%32%65%25%32%65/x",
        "/%c0%ae%c0%ae/x", "/.%C0%AE%c0%afx", "/..%c1%9cx", "/%e0%80%ae./x", "/..%25c0%25afx", "//../x",
        "/a/.//..//../x", "/./../x", "/..;a=1/x", "/%2e%2e;/x", "/..%3b/x", "/..%00/x", "/..%3fx", "/..%23x",
        "/..%20/x", "/..%09", "/a/..%20/%2e%2e%20/x", "/..%2520/x", "/.../x", "/..%20./x", "/%20/../x", "/.%20/../x",
        "/a%2fb/%2e%2e/%2e%2e/x", "/a%2f..%2f..%2fx", "/a/b%5c..%5c..%5c../x", "/a/..%2f%2e%2e", "/..?x", "/a/../..",
    ])
    func nothingClimbsAboveIt(_ target: String) throws {
        #expect(try sent(target) == "400")
        // Without a base path targets stay byte for byte.
        #expect(try sent(target, basePath: "") == target)
    }

    @Test(arguments: ["", "/v1", "/v1/b-c_d.e~f", "/a%20b", "/a:b@c", "/v1/é".replacing("é", with: "%C3%A9")])
    func whatABasePathMayBe(_ text: String) {
        #expect(BasePath.problem(text) == nil)
    }

    @Test(arguments: [
        "/", "//", "/v1//a", "/v1/", "/.", "/a/..", "/%2e%2e", "/a%2fb", "/a%5cb", "/a\\b", "/a;b", "/%zz", "/%",
        "/a b", "/{id}",
        "/a%00", "/%25", "/é",
    ])
    func whatItMayNotBe(_ text: String) {
        #expect(BasePath.problem(text) != nil)
    }
}
