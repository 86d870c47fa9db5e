import EventIO
import Inspector
import LocalServer
import ReverseProxy
import Testing

@Suite struct InspectorAccessTests {
    private static func access(_ change: (inout AccessConfiguration) -> Void = { _ in }) -> InspectorAccess {
        var configuration = AccessConfiguration()
        change(&configuration)
        return InspectorAccess(configuration, address: .tcp(host: "127.0.0.1", port: 8081))
    }

    private static func request(_ fields: [String: String], origin: String? = nil) -> LocalRequest {
        let fields = fields.map { (name: $0.key, value: $0.value) }
        return LocalRequest(number: 1, method: "GET", target: "/", path: "/", origin: origin, fields: fields)
    }

    private static func code(_ access: InspectorAccess, _ fields: [String: String], origin: String? = nil) -> String {
        access.denial(of: request(fields, origin: origin))?.code.rawValue ?? "-"
    }

    @Test(arguments: [
        ("localhost:8081", "-"), ("127.0.0.1:8081", "-"), ("[::1]:8081", "-"), ("localhost:9000", "-"),
        ("api.example.com", "misdirected_request"), ("evil.test:8081", "misdirected_request"), ("named.test", "-"),
    ])
    func hostIsItsOwn(_ host: String, _ expected: String) {
        #expect(Self.code(Self.access { $0.hosts = ["named.test"] }, ["Host": host]) == expected)
    }

    @Test func hostIsNeeded() {
        #expect(Self.code(Self.access(), [:]) == "bad_request")
        let unix = InspectorAccess(AccessConfiguration(), address: .unix(path: "/s"))
        #expect(Self.code(unix, [:]) == "-" && Self.code(unix, ["Host": "evil.test"]) == "misdirected_request")
        #expect(Self.code(unix, ["Host": "localhost"], origin: "http://localhost") == "-")
    }

    @Test(arguments: [
        ("http://127.0.0.1:8081", "-"), ("HTTP://LOCALHOST:8081", "-"), ("http://evil.test", "misdirected_request"),
        ("http://127.0.0.1:8080", "misdirected_request"), ("http://127.0.0.1", "misdirected_request"),
        ("https://127.0.0.1:8081", "misdirected_request"), ("http://evil.test:8081", "misdirected_request"),
    ])
    func absoluteTargetIsItsOwn(_ origin: String, _ expected: String) {
        #expect(Self.code(Self.access(), ["Host": "127.0.0.1:8081"], origin: origin) == expected)
    }

    @Test(arguments: [
        (["Origin": "http://127.0.0.1:8081"], "-"), (["Origin": "null"], "forbidden_origin"),
        (["Origin": "http://evil.test"], "forbidden_origin"), (["Origin": "http://app.test"], "forbidden_origin"),
        (["Origin": "http://127.0.0.1:8080"], "forbidden_origin"), (["Sec-Fetch-Site": "none"], "-"),
        (["Sec-Fetch-Site": "same-origin"], "-"), (["Sec-Fetch-Site": "same-site"], "forbidden_origin"),
        (["Sec-Fetch-Site": "cross-site"], "forbidden_origin"), (["Sec-Fetch-Site": "new"], "forbidden_origin"),
        (["Sec-Purpose": "prefetch;prerender", "Sec-Fetch-Site": "none"], "forbidden_origin"),
        (["Purpose": "prefetch"], "forbidden_origin"), (["User-Agent": "Mozilla/5.0"], "-"),
    ])
    func pagesOfOthersMayNot(_ fields: [String: String], _ expected: String) {
        let access = Self.access { $0.origins = ["http://app.test"] }
        #expect(Self.code(access, fields.merging(["Host": "127.0.0.1:8081"]) { $1 }) == expected)
    }

    /// Browsers do not say which page asks when the name is not the machine's own.
    @Test func unprovenPageNeedsTheKey() {
        let fields = ["Host": "named.test", "User-Agent": "Mozilla/5.0"]
        #expect(Self.code(Self.access { $0.hosts = ["named.test"] }, fields) == "forbidden_origin")
        let keyed = Self.access {
            $0.hosts = ["named.test"]
            $0.key = Array("0123456789abcdef".utf8)
        }
        #expect(Self.code(keyed, fields) == "-")
        #expect(keyed.keyDenial(of: Self.request(fields))?.code == .wrongKey)
    }

    @Test(arguments: [
        (["X-Squire-Key": "0123456789abcdef"], true), (["Authorization": "Bearer 0123456789abcdef"], true),
        (["authorization": "bEARER  0123456789abcdef"], true), (["X-Squire-Key": "0123456789abcdee"], false),
        (["Authorization": "Basic MDEyMzQ1Njc4OWFiY2RlZg=="], false), ([:], false),
        (["X-Squire-Key": "", "Authorization": "Bearer 0123456789abcdef"], false),
    ])
    func keyIsAFieldOrABearer(_ fields: [String: String], _ isRight: Bool) {
        let access = Self.access { $0.key = Array("0123456789abcdef".utf8) }
        #expect(access.needsKey && (access.keyDenial(of: Self.request(fields)) == nil) == isRight)
        #expect(!Self.access().needsKey && Self.access().keyDenial(of: Self.request(fields)) == nil)
    }
}
