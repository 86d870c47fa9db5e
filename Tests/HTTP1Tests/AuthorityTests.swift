import HTTP1
import Testing

@Suite struct AuthorityTests {
    @Test(
        arguments: [
            ("localhost", "localhost", nil), ("LocalHost:80", "localhost", 80), ("[::1]:9", "::1", 9),
            ("a.b.", "a.b.", nil),
            ("h:", "h", nil),
        ] as [(String, String, Int?)]
    )
    func hostIsLowerCaseAndPortANumber(_ text: String, _ host: String, _ port: Int?) {
        #expect(Authority(text) == Authority(host: host, port: port))
    }

    @Test(arguments: ["", ":80", "[::1", "h:x", "h:99999", "h:1:2", "[::1]x"]) func otherTextIsNoAuthority(
        _ text: String
    ) {
        #expect(Authority(text) == nil)
    }

    @Test func dnsHasNamesOfSoManyLettersOnly() {
        let label = String(repeating: "a", count: 63)
        let longest = [label, label, label, String(repeating: "a", count: 61)].joined(separator: ".")
        for name in ["localhost", "a.example.", "[::1]", "127.0.0.1", longest, longest + "."] {
            #expect(Authority(name)?.fitsDNS == true, "\(name)")
        }
        for name in ["\(label)a.example", "a\(longest)", String(repeating: "a.", count: 4500) + "example"] {
            #expect(Authority(name)?.fitsDNS == false, "\(name)")
        }
    }

    @Test func onlyExactLoopbackNamesCount() {
        for name in ["localhost", "127.0.0.1", "127.9.9.9", "[::1]", "x.localhost"] {
            #expect(Authority(name)?.isLoopback == true)
        }
        #expect(Authority("x.localhost")?.isLoopbackAddress == false)
        for name in [
            "127.0.0.1.evil.example", "localhost.", "127.0.0.01", "127.0.0.+1", "127.0.0.256", "localhost.evil.example",
            "128.0.0.1", "127.1",
        ] {
            #expect(Authority(name)?.isLoopback == false)
        }
    }
}
