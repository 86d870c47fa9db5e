import EventIO
import Platform
import ReverseProxy
import TestFiles
import Testing
import TokenSources

@testable import Settings

/// Every number of the configuration: what is accepted lies within its bounds, and everything else is an error with a
/// line.
@Suite struct BoundsTests {
    private static let durations = [
        "timeouts.head", "timeouts.idle", "timeouts.connect", "timeouts.first-byte", "timeouts.body",
        "timeouts.shutdown",
        "session.margin", "session.refresh.timeout",
    ]
    private static let sizes = ["limits.head", "limits.replay", "limits.replay-disk"]
    private static let counts = ["limits.fields", "limits.connections", "workers"]

    private static let hostile =
        [
            "", "0", "-0", "-1", "+1", "NaN", "nan", "inf", "-inf", "1e30", "1e9s", "0x10", "1_000", "１０s", "1.2.3s",
            ".5s", "5.s",
            "999999999999999999999999999999d", "9223372036999ms", "9223372036854775807ms", "9223372036854775808s",
            "200000d", "2147483647ms", "2147483648ms", "4294967296s", "9007199254740992ms", "0ms", "0s", "0d",
            "0.0001ms",
            "-1s", "1 s", "s", "1GiB", "2TiB", "1.5TiB", "1TiB", "9223372036854775807", "9223372036854775808",
            "-9223372036854775808", "2147483648", "9007199254740993", "18446744073709551616", "1e400", "30d", "31d",
            "10m",
            "11m", "500ms", "64KiB", "64", "65", "256",
        ] + [String(repeating: "9", count: 400), String(repeating: "9", count: 400) + "s", "\u{0}", "\u{7F}5s"]

    private static func read(_ key: String, _ value: String) throws -> ProxyConfiguration {
        let path = key.split(separator: ".")
        var text = "upstream: https://a.example\n"
        for (depth, part) in path.enumerated() {
            text += String(repeating: "  ", count: depth) + part + ":"
            text += depth == path.count - 1 ? " " : "\n"
        }
        text += "\"" + value.unicodeScalars.map { $0 == "\u{0}" ? "\\0" : String($0) }.joined() + "\"\n"
        if key == "session.refresh.timeout" { text += "    path: /r\n    token: /t\n" }
        return try ConfigurationLoader(environment: ["HOME": "/nowhere"]).read(text, path: "/nowhere/squire.yaml")
            .configuration
    }

    @Test(arguments: durations + sizes + counts) func whateverIsWritten(_ key: String) {
        for value in Self.hostile {
            do {
                let configuration = try Self.read(key, value)
                let timeouts = configuration.timeouts
                for timeout in [timeouts.head, timeouts.idle, timeouts.connect, timeouts.firstByte, timeouts.body] {
                    #expect((.milliseconds(1) ... .seconds(30 * 86_400)).contains(timeout), "\(key): \(value)")
                }
                #expect((.zero ... .seconds(30 * 86_400)).contains(timeouts.shutdown), "\(key): \(value)")
                #expect((.zero ... .seconds(30 * 86_400)).contains(configuration.session.margin), "\(key): \(value)")
                let refresh = configuration.session.refresh?.timeout ?? .seconds(1)
                #expect((.seconds(1) ... .seconds(600)).contains(refresh), "\(key): \(value)")
                let limits = configuration.limits
                #expect(
                    (1024...1 << 20).contains(limits.head) && (8...1000).contains(limits.fields),
                    "\(key): \(value)"
                )
                for size in [limits.replay, limits.replayDisk] {
                    #expect((0...1 << 40).contains(size), "\(key): \(value)")
                }
                #expect((1...100_000).contains(limits.connections), "\(key): \(value)")
                #expect((0...64).contains(configuration.workers), "\(key): \(value)")
            } catch {
                let issues = (error as? ConfigurationError)?.issues ?? []
                #expect(!issues.isEmpty && issues.allSatisfy { $0.line != nil }, "\(key): \(value)")
            }
        }
    }

    @Test(
        arguments: [
            ("session.refresh.timeout", "0", "from 1s to 10m"), ("session.refresh.timeout", "999ms", "from 1s to 10m"),
            ("session.refresh.timeout", "11m", "from 1s to 10m"), ("session.refresh.timeout", "200000d", "a duration"),
            ("session.margin", "9223372036999ms", "a duration"), ("session.margin", "31d", "from 0 to 30d"),
            ("timeouts.head", "0", "from 1ms to 30d"), ("timeouts.idle", "31d", "from 1ms to 30d"),
            ("timeouts.shutdown", "31d", "from 0 to 30d"), ("limits.replay", "2TiB", "a size"),
            ("limits.head", "2MiB", "from 1KiB to 1MiB"), ("workers", "65", "from 0 to 64"),
        ]
    )
    func errorsSayWhatIsAllowed(_ key: String, _ value: String, _ words: String) {
        let error = #expect(throws: ConfigurationError.self) { try Self.read(key, value) }
        #expect(error?.description.contains(words) == true && error?.description.contains(key) == true)
    }

    @Test(
        arguments: [
            ("session.refresh.timeout", "1s"), ("session.refresh.timeout", "10m"), ("session.margin", "0"),
            ("session.margin", "30d"), ("timeouts.head", "1ms"), ("timeouts.idle", "30d"), ("timeouts.shutdown", "0"),
            ("limits.replay", "0"), ("limits.replay", "1TiB"), ("workers", "64"),
        ]
    )
    func theEdgesAreAllowed(_ key: String, _ value: String) {
        #expect(throws: Never.self) { try Self.read(key, value) }
    }

    @Test(arguments: ["300s", "65", "-1", "99999999999999999999", "", "0x1"]) func workersOption(_ text: String) {
        var options = ConfigurationOverrides()
        options.workers = .init(text, source: "--workers")
        let loader = ConfigurationLoader(environment: [:], overrides: options)
        #expect(throws: ConfigurationError.self) {
            try loader.read("upstream: https://a.example", path: "/nowhere/squire.yaml")
        }
    }

    // MARK: Recipes

    @Test(
        arguments: [
            ("/renew?token={token}", nil), ("/{token}/renew?again={token}", nil), ("/renew?t={Token}", "{Token}"),
            ("/renew?t={uuid}", "{uuid}"), ("/renew?t={", "{"), ("/renew?t=}", "}"), ("/renew?t={{token}}", "{}"),
        ] as [(String, String?)]
    )
    func placeholdersInThePath(_ path: String, _ wrong: String?) {
        for place in ["path: \"\(path)\"", "url: \"https://login.example\(path)\""] {
            let text = "upstream: https://a.example\nsession: {refresh: {\(place), token: /t}}\n"
            let read = { try ConfigurationLoader(environment: [:]).read(text, path: "/nowhere/squire.yaml") }
            if let wrong {
                let error = #expect(throws: ConfigurationError.self) { try read() }
                #expect(error?.description.contains("unknown placeholder, \"\(wrong)\"") == true)
            } else {
                #expect(throws: Never.self) { try read() }
            }
        }
    }

    @Test func refusedStatuses() throws {
        let text = """
            upstream: https://a.example
            session: {refresh: {path: /r, token: /t, refused: [400, {status: 403, pointer: /error, equals: x}]}}
            """
        let recipe = try ConfigurationLoader(environment: [:]).read(text, path: "x").configuration.session.refresh
        #expect(
            recipe?.refused == [.init(status: 400), .init(status: 403, body: .init(pointer: "/error", equals: "x"))]
        )
        for wrong in ["[99]", "[{pointer: /x}]", "[{status: 200}]", "5", "[{status: 403, equals: x}]"] {
            let text = "upstream: https://a.example\nsession: {refresh: {path: /r, token: /t, refused: \(wrong)}}\n"
            let error = #expect(throws: ConfigurationError.self) {
                try ConfigurationLoader(environment: [:]).read(text, path: "x")
            }
            #expect(error?.description.contains("session.refresh.refused") == true)
        }
    }

    // MARK: Files

    /// None waits for somebody to write into it.
    @Test(.timeLimit(.minutes(1))) func namedFilesAreLookedAt() throws {
        let directory = TestDirectory.make()
        let fifo = directory + "/fifo"
        mkfifo(fifo, 0o600)
        let loader = ConfigurationLoader(environment: ["HOME": "/nowhere"])
        for path in [fifo, directory, directory + "/none", "/dev/zero"] {
            #expect(throws: ConfigurationError.self) { try loader.load(path) }
            for key in [
                "access: {key: ", "tls: {ca: ", "tls: {certificate: ", "tls: {certificate: \(#filePath), key: ",
            ] {
                let text = "upstream: https://a.example\n\(key)\(path)}\n"
                let error = #expect(throws: ConfigurationError.self) {
                    try loader.read(text, path: directory + "/c.yaml")
                }
                #expect(error?.description.contains("cannot be read: \(path)") == true)
            }
        }
    }

    // MARK: Emptiness

    /// What would mean nothing is said to be wrong, with its key.
    @Test(arguments: [
        ("session.file", "session: {file: \"\"}"), ("access.key", "access: {key: \"\"}"),
        ("tls.ca", "tls: {ca: \"\"}"), ("headers.X-A.value", "headers: {X-A: {value: \"\", secret: true}}"),
        ("headers.X-A.file", "headers: {X-A: {file: \"\"}}"),
        (
            "session.rejected.www-authenticate",
            "session: {rejected: [{status: 401, www-authenticate: \"\"}]}"
        ),
        (
            "account_id",
            "session: {oauth: {token-endpoint: https://x.example/t, grant: account-credentials, client-id: x, "
                + "client-secret: y, parameters: {account_id: \"\"}}}"
        ),
        (
            "session.oauth.parameters: a parameter needs a name",
            "session: {oauth: {token-endpoint: https://x.example/t, client-id: x, parameters: {\"\": y}}}"
        ),
    ]) func emptyTextsAreNamed(_ key: String, _ yaml: String) {
        let error = #expect(throws: ConfigurationError.self) {
            try ConfigurationLoader(environment: [:]).read("upstream: https://a.example\n\(yaml)\n", path: "x")
        }
        #expect(error?.description.contains(key) == true, "\(error?.description ?? "")")
    }

    // MARK: Paths

    /// What bind(2) would refuse, be it the directory before it that makes it too long.
    @Test(arguments: ["listen", "inspector"]) func pathsOfSocketsFit(_ key: String) throws {
        let home = "/" + String(repeating: "h", count: 60)
        let loader = ConfigurationLoader(environment: ["HOME": home])
        for (count, fits) in [(UnixSpelling.maxPath - 62, true), (UnixSpelling.maxPath - 61, false)] {
            let text = "upstream: https://a.example\n\(key): unix:~/\(String(repeating: "s", count: count))\n"
            do throws(ConfigurationError) {
                _ = try loader.read(text, path: "/x/squire.yaml")
                #expect(fits)
            } catch {
                #expect(!fits && error.description.contains("squire.yaml:2: \(key) names a path of"))
            }
        }
    }

    /// There is no shell that would find the home directory.
    @Test func commandsMayBeAtHome() throws {
        let loader = ConfigurationLoader(environment: ["HOME": "/home/me"])
        func command(_ words: String) throws -> [String]? {
            let text = "upstream: https://a.example\nsession: {exec: [\(words)]}\n"
            guard case .exec(let exec) = try loader.read(text, path: "/x/c.yaml").configuration.session.source else {
                return nil
            }
            return exec.command
        }
        #expect(try command("~/bin/t, ~/x") == ["/home/me/bin/t", "~/x"])
        #expect(try command("./t") == ["./t"])
        #expect(throws: ConfigurationError.self) { try command("~root/t") }
    }
}
