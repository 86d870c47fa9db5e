import EventIO
import HTTP1
import ReverseProxy
import Testing

@testable import Settings

@Suite struct ConfigurationDifferenceTests {
    private static let base = """
        upstream: https://api.example.com
        headers: {A: "1", B: "2"}
        session: {file: /tmp/s.json, refresh: {path: /r, token: /t}}

        """

    private static func load(_ text: String) throws -> LoadedConfiguration {
        try ConfigurationLoader(environment: [:]).read(text, path: "squire.yaml")
    }

    private static func keys(_ text: String) throws -> [String] {
        try load(text).keys(differingFrom: load(base))
    }

    @Test func sameFileHasNoDifference() throws {
        #expect(try Self.keys(Self.base) == [])
        // Where something is written makes none either.
        #expect(try Self.keys("# a comment\n\n" + Self.base) == [])
    }

    @Test(arguments: [
        ("listen: 127.0.0.1:9000\n", ["listen"]), ("workers: 2\n", ["workers"]),
        ("inspector: off\n", ["inspector.listen"]), ("inspector: 127.0.0.1:9001\n", ["inspector.listen"]),
        ("inspector: {keep: 1MiB, record: all}\n", ["inspector.keep", "inspector.record"]),
        ("inspector: {body: 1KiB}\n", ["inspector.body"]),
        ("inspector: {listen: 127.0.0.1:8081}\n", []),
        ("timeouts: {first-byte: 1s, idle: 61s}\n", ["timeouts.first-byte", "timeouts.idle"]),
        ("limits: {replay-disk: 1MiB}\n", ["limits.replay-disk"]), ("authorization: fill\n", ["authorization"]),
        ("access: {hosts: [x.test], same-user: false}\n", ["access.hosts", "access.same-user"]),
        ("proxy: environment\n", ["proxy"]),
    ])
    func keyIsNamedAsInTheFile(_ addition: String, _ expected: [String]) throws {
        #expect(try Self.keys(Self.base + addition) == expected)
    }

    /// Whatever a reload names can be looked up: no property of a section is called differently in the file.
    @Test(arguments: [
        "refresh: {path: /r, token: /t}", "retry-lost: never", "token-file: /t", "exec: {command: [/bin/true]}",
        "oauth: {client-id: c, token-endpoint: https://a.test/t, authorization-endpoint: https://a.test/a}",
    ])
    func everyNameIsAKey(_ session: String) throws {
        let loaded = try Self.load("upstream: https://api.example.com\nsession: {\(session)}\n")
        let known = Set(try ConfigurationReference().entries.map(\.name))
        // Where the file lies, which it does not say itself.
        let other = ["session.exec.directory"]
        let unknown = Self.names(in: loaded.configuration, "").filter { !known.contains($0) && !other.contains($0) }
        #expect(unknown == [])
    }

    private static func names(in value: Any, _ path: String) -> [String] {
        let children = Mirror(reflecting: value).children
        if let source = value as? SessionConfiguration.Source {
            let path = path.replacing("source", with: LoadedConfiguration.key(of: source))
            return children.first.map { names(in: $0.value, path) } ?? []
        }
        if LoadedConfiguration.isSection(value) {
            return children.flatMap { names(in: $0.value, LoadedConfiguration.path(of: $0.label ?? "", in: path)) }
        }
        return [LoadedConfiguration.name(of: path)]
    }

    @Test func headersAreNamedOneByOne() throws {
        let changed = Self.base.replacing("{A: \"1\", B: \"2\"}", with: "{b: \"3\", C: \"4\"}")
        #expect(try Self.keys(changed) == ["headers.A", "headers.C", "headers.b"])
        let kept = Self.base.replacing("A: \"1\"", with: "A: {value: \"1\", overwrite: true}")
        #expect(try Self.keys(kept) == ["headers.A"])
    }

    @Test func sessionIsNamedInDetail() throws {
        #expect(try Self.keys(Self.base.replacing("/tmp/s.json", with: "/tmp/t.json")) == ["session.file"])
        #expect(try Self.keys(Self.base.replacing("path: /r", with: "path: /q")) == ["session.refresh.path"])
        #expect(
            try Self.keys(Self.base.replacing("path: /r", with: "url: https://x.test/r")) == ["session.refresh.url"]
        )
        #expect(try Self.keys(Self.base.replacing(", refresh: {path: /r, token: /t}", with: "")) == ["session.refresh"])
        #expect(try Self.keys(Self.base.replacing("file:", with: "tokens: jwt, file:")) == ["session.tokens"])
        let withRefreshToken = Self.base.replacing("path: /r", with: "path: '/r?{refresh-token}', refresh-token: /n")
        #expect(
            try Self.keys(withRefreshToken) == ["session.refresh.path", "session.refresh.refresh-token"]
        )
    }

    /// The place needs a restart; how long a silence is another machine's does not, because a refresh may take longer now.
    @Test func theSilenceOfOtherMachinesIsNamedByItself() throws {
        func shared(_ place: String, timeout: String = "30s") throws -> LoadedConfiguration {
            var loaded = try Self.load(Self.base.replacing("token: /t", with: "token: /t, timeout: \(timeout)"))
            let kubernetes = SharedConfiguration.Kubernetes(
                server: Origin(isSecure: true, authority: Authority(host: "10.0.0.1", port: nil)),
                namespace: place,
                secret: "s"
            )
            let least = SharedConfiguration.leastTakeover(loaded.configuration.session.timeout)
            loaded.configuration.session.shared = SharedConfiguration(
                engine: .kubernetes(kubernetes),
                name: "n",
                keyFile: "/k",
                takeover: least
            )
            return loaded
        }
        let running = try shared("a")
        #expect(try shared("b").keys(differingFrom: running) == ["session.shared"])
        #expect(
            try shared("a", timeout: "60s").keys(differingFrom: running)
                == ["session.refresh.timeout", "session.shared.takeover"]
        )
        #expect(
            try shared("b", timeout: "60s").keys(differingFrom: running)
                == ["session.refresh.timeout", "session.shared", "session.shared.takeover"]
        )
        #expect(!LoadedConfiguration.fixedKeys.contains("session.shared.takeover"))
    }

    @Test(arguments: [
        "listen: [127.0.0.1:9000, localhost:9000]\n", "listen: 127.0.0.1:9000\ninspector: 0.0.0.0:9000\n",
        "listen: 127.0.0.1:9000\ninspector: 127.0.0.1:9000\n", "listen: ['unix:/tmp/x', 'unix:/tmp/x']\n",
    ])
    func ownAddressesMustDiffer(_ addition: String) {
        #expect(throws: ConfigurationError.self) { try Self.load(Self.base + addition) }
    }

    @Test(arguments: [
        "listen: [127.0.0.1:0, 127.0.0.1:0]\n", "listen: 127.0.0.1:8081\n", "listen: [127.0.0.1:9, '[::1]:9']\n",
    ])
    func otherAddressesMay(_ addition: String) throws {
        _ = try Self.load(Self.base + addition)
    }

    @Test func severalConfigurationsNeedAddressesOfTheirOwn() throws {
        let (first, second) = (try Self.load(Self.base), try Self.load(Self.base + "listen: localhost:8080\n"))
        #expect(throws: ConfigurationError.self) {
            try LoadedConfiguration.requireDistinctAddresses([first, second])
        }
        try LoadedConfiguration.requireDistinctAddresses([first])
        #expect(LoadedConfiguration.fixedPorts([first, second]) == [8080])
    }
}
