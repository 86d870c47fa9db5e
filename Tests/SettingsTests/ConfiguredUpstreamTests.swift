import EventIO
import ReverseProxy
import Testing

@testable import Settings

/// What `upstream`, `listen`, `cookies` and the rules on bodies take.
@Suite struct ConfiguredUpstreamTests {
    private func read(_ yaml: String) throws(ConfigurationError) -> ProxyConfiguration {
        try ConfigurationLoader(environment: ["HOME": "/nowhere"]).read(yaml, path: "squire.yaml").configuration
    }

    private func messages(_ yaml: String) -> [String] {
        do throws(ConfigurationError) {
            _ = try read(yaml)
            return []
        } catch {
            return error.issues.map(\.message)
        }
    }

    @Test(arguments: [
        ("https://a.example", "https://a.example", ""), ("https://a.example/", "https://a.example", ""),
        ("HTTPS://A.example:8443/v1", "https://a.example:8443", "/v1"),
        ("https://a.example/v1/x/", "https://a.example", "/v1/x"),
        ("http://[::1]:9/a%20b", "http://[::1]:9", "/a%20b"),
    ])
    func anUpstreamMayHaveAPath(_ url: String, _ origin: String, _ basePath: String) throws {
        let configuration = try read("upstream: \"\(url)\"\n")
        #expect(configuration.upstream.description == origin && configuration.basePath == basePath)
        #expect(configuration.upstreamURL == origin + basePath)
    }

    @Test(arguments: [
        "https://a.example?x", "https://a.example/v1#f", "https://a.example//", "https://a.example/v1//",
        "https://a.example/..",
        "https://u@a.example/v1", "ftp://a.example/v1", "https:///v1", "https://a.example:0/v1", "/v1",
        "https://a.example\\v1",
    ])
    func whatIsNoneIsRefusedOnce(_ url: String) {
        let found = messages("upstream: '\(url)'\n")
        #expect(found.count == 1 && found[0].hasPrefix("upstream "), "\(found)")
    }

    @Test func aPortAloneIsLocalhosts() throws {
        #expect(try read("upstream: https://a.example\n").listen == [.tcp(host: "localhost", port: 8080)])
        #expect(
            try read("upstream: https://a.example\nlisten: [9000, 0]\ninspector: 9001\n").listen
                == [.tcp(host: "localhost", port: 9000), .tcp(host: "localhost", port: 0)]
        )
        // The inspector has one address.
        for inspector in ["9001", "localhost:9001"] {
            let configuration = try read("upstream: https://a.example\ninspector: \(inspector)\n")
            #expect(configuration.inspector.listen == .tcp(host: "127.0.0.1", port: 9001))
        }
        for listen in ["65536", "-1", "''", "8080x", "123456789012345678901"] {
            #expect(messages("upstream: https://a.example\nlisten: \(listen)\n").count == 1, "\(listen)")
        }
    }

    @Test func localhostIsBothFamilies() {
        for listen in ["[localhost:9, '[::1]:9']", "[9, 127.0.0.1:9]", "[localhost:9, 0.0.0.0:9]"] {
            #expect(messages("upstream: https://a.example\nlisten: \(listen)\n").count >= 1, "\(listen)")
        }
        #expect(messages("upstream: https://a.example\nlisten: [localhost:0, localhost:0]\n").isEmpty)
    }

    @Test func cookiesAreLocalOrKept() throws {
        #expect(try read("upstream: https://a.example\n").cookies == .local)
        #expect(try read("upstream: https://a.example\ncookies: keep\n").cookies == .keep)
        #expect(messages("upstream: https://a.example\ncookies: drop\n").count == 1)
    }

    @Test(
        arguments: [
            ("x", ["x"]), ("124", ["124"]), ("true", ["true"]), ("[a, 124, false, \"\"]", ["a", "124", "false", ""]),
        ] as [(String, [String])]
    )
    func equalsTakesOneOrMore(_ equals: String, _ expected: [String]) throws {
        let rule = "[{status: 200, pointer: /e, equals: \(equals)}]"
        let session = try read("upstream: https://a.example\nsession: {rejected: \(rule)}\n").session
        #expect(session.rejected == [.init(status: 200, body: .init(pointer: "/e", equals: expected))])
    }

    @Test(arguments: [("401", [401]), ("{status: 403}", [403]), ("[401, {status: 403}]", [401, 403])])
    func oneRuleNeedsNoList(_ rule: String, _ statuses: [Int]) throws {
        let session = try read("upstream: https://a.example\nsession: {rejected: \(rule)}\n").session
        #expect(session.rejected == statuses.map { .init(status: $0) })
    }

    @Test(arguments: ["[]", "{a: b}", "[[a]]", "[~]", "~", "[{a: b}]"]) func equalsTakesNothingElse(_ equals: String) {
        let rule = "[{status: 200, pointer: /e, equals: \(equals)}]"
        #expect(!messages("upstream: https://a.example\nsession: {rejected: \(rule)}\n").isEmpty)
    }
}
