import Platform
import ReverseProxy
import Testing

@testable import Settings

@Suite struct QuantityTests {
    @Test(arguments: [
        ("500ms", 0.5), ("30s", 30), ("24m", 1440), ("2h", 7200), ("30d", 2_592_000), ("1.5s", 1.5), ("0", 0),
    ])
    func durationsHaveUnits(_ text: String, _ seconds: Double) {
        #expect(Quantity.duration(text) == .milliseconds(Int64(seconds * 1000)))
    }

    @Test(arguments: ["", "s", "5", "-1s", "5 s", "5x", "1e9s"]) func otherTextsAreNoDurations(_ text: String) {
        #expect(Quantity.duration(text) == nil)
    }

    @Test(arguments: [("512", 512), ("512B", 512), ("64KiB", 65_536), ("1MiB", 1_048_576), ("2GiB", 2_147_483_648)])
    func sizesAreBytesOrBinaryMultiples(_ text: String, _ bytes: Int) {
        #expect(Quantity.size(text) == bytes)
    }

    @Test(arguments: ["", "-1", "64KB", "64 KiB", "KiB"]) func otherTextsAreNoSizes(_ text: String) {
        #expect(Quantity.size(text) == nil)
    }
}

@Suite struct SpellingTests {
    @Test func theNearestSpellingIsFound() {
        let keys = ["upstream", "listen", "headers", "session"]
        #expect(Spelling.nearest(to: "upstraem", among: keys) == "upstream")
        #expect(Spelling.nearest(to: "Listen", among: keys) == "listen")
        #expect(Spelling.nearest(to: "header", among: keys) == "headers")
        #expect(Spelling.nearest(to: "frobnicate", among: keys) == nil)
    }
}

@Suite struct LoadingTests {
    /// Options and the environment, without a file.
    @Test func optionsAlone() throws {
        let environment = ["HOME": "/nowhere", "SQUIRE_UPSTREAM": "https://a.example", "SQUIRE_WORKERS": "3"]
        var options = ConfigurationOverrides()
        options.upstream = .init("https://b.example", source: "--upstream")
        let loaded = try ConfigurationLoader(environment: environment, overrides: options).load("/dev/null")
        #expect(loaded.configuration.upstream.description == "https://b.example")
        #expect(loaded.configuration.workers == 3)
        #expect(loaded.sessionFile == "/nowhere/.local/state/squire/b.example-095440c9.json")
    }

    /// What the examples show is valid.
    @Test(
        arguments: [
            "api-key", "command", "custom-api", "locked-down", "machine", "menu", "oauth", "refresh-token", "slack",
            "token-file",
        ]
    )
    func example(_ name: String) throws {
        let environment = [
            "HOME": "/nowhere", "EXAMPLE_SECRET": "s", "SLACK_SECRET": "s", "SVC_SECRET": "s", "API_KEY": "k3y",
        ]
        let loaded = try ConfigurationLoader(environment: environment).load("\(Self.examples)/\(name).yaml")
        #expect(loaded.configuration.session.source != .given)
        #expect(loaded.sessionFile.hasPrefix("/nowhere/.local/state/squire/\(loaded.configuration.upstream.host)-"))
    }

    /// It looks into files beside it.
    @Test func exampleOfAService() throws {
        let directory = "/tmp/squire-service-\(getpid())"
        mkdir(directory, 0o700)
        let names = ["service.yaml", "api.key", "api.secret"]
        defer {
            for name in names { unlink("\(directory)/\(name)") }
            rmdir(directory)
        }
        let text = try TextFile.read("\(Self.examples)/service.yaml").get()
        for (name, content) in zip(names, [text, "0123456789abcdef\n", "s3cret\n"]) {
            #expect(PrivateFile.create("\(directory)/\(name)", Array(content.utf8)))
        }
        let loaded = try ConfigurationLoader(environment: ["HOME": "/nowhere"]).load("\(directory)/service.yaml")
        #expect(loaded.sessionFile == "/var/lib/squire/api.json")
        #expect(!loaded.configuration.access.sameUser && loaded.configuration.access.key?.count == 16)
    }

    /// The tests above have all, and `ConfiguredSharedTests` the one that needs a key; one makes a container.
    @Test func everyExampleIsTried() throws {
        let directory = try #require(opendir(Self.examples))
        defer { closedir(directory) }
        var count = 0
        while let entry = readdir(directory) {
            let isHidden = withUnsafePointer(to: entry.pointee.d_name) { name in
                UnsafeRawPointer(name).load(as: UInt8.self) == UInt8(ascii: ".")
            }
            count += isHidden ? 0 : 1
        }
        #expect(count == 13)
    }

    private static let examples =
        #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined() + "/config/examples"

    @Test func exampleWithoutASession() throws {
        let loaded = try ConfigurationLoader(environment: ["HOME": "/nowhere", "API_KEY": "k3y"])
            .load("\(Self.examples)/api-key.yaml")
        #expect(loaded.configuration.session.source == .unused && loaded.configuration.basePath == "/v1")
    }

    @Test func sourcesAreNamed() {
        let environment = ["HOME": "/nowhere", "SQUIRE_UPSTREAM": "ftp://a", "SQUIRE_LISTEN": "x"]
        let error = #expect(throws: ConfigurationError.self) {
            try ConfigurationLoader(environment: environment).load("/dev/null")
        }
        #expect(error?.issues.map(\.source).sorted() == ["SQUIRE_LISTEN", "SQUIRE_UPSTREAM"])
    }
}
