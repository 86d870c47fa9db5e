import EventIO
import ReverseProxy
import Settings
import Testing

@Suite struct ConfiguredInspectorTests {
    private func load(_ text: String) throws(ConfigurationError) -> LoadedConfiguration {
        try ConfigurationLoader(environment: [:]).read("upstream: https://a.example\n\(text)", path: "squire.yaml")
    }

    private func settings(_ text: String) throws(ConfigurationError) -> InspectorSettings {
        try load(text).configuration.inspector
    }

    @Test func aMapSaysAll() throws {
        let text = "inspector:\n  listen: localhost:9001\n  keep: 256KiB\n  body: 1MiB\n  record: failures\n"
        var expected = InspectorSettings()
        expected.listen = .tcp(host: "127.0.0.1", port: 9001)
        (expected.keep, expected.body, expected.record) = (256 * 1024, 1024 * 1024, .failures)
        #expect(try settings(text) == expected)
    }

    @Test func whatAMapLeavesOutIsTheDefault() throws {
        let loaded = try load("inspector: {keep: 1GiB}\n")
        #expect(loaded.inspectorIsDefault)
        #expect(loaded.configuration.inspector.listen == InspectorSettings().listen)
        #expect(loaded.configuration.inspector.record == .auto)
    }

    @Test(arguments: [
        ("inspector: unix:/run/i.sock", ListenAddress.unix(path: "/run/i.sock")),
        ("inspector: {listen: 'unix:/run/i.sock'}", .unix(path: "/run/i.sock")),
        ("inspector: off", nil), ("inspector: {listen: off}", nil), ("inspector: {listen: \"off\"}", nil),
    ])
    func bothFormsNameTheAddress(_ text: String, _ expected: ListenAddress?) throws {
        let loaded = try load(text + "\n")
        #expect(loaded.configuration.inspector.listen == expected)
        #expect(!loaded.inspectorIsDefault)
    }

    /// YAML 1.1 reads a bare `off` as false.
    @Test(arguments: ["off", "'off'", "false"])
    func recordingMayBeOff(_ word: String) throws {
        #expect(try settings("inspector: {record: \(word)}\n").record == .off)
    }

    @Test(arguments: [
        ("inspector: {keep: 255KiB}", "squire.yaml:2: inspector.keep must be from 256KiB to 1GiB"),
        ("inspector: {keep: 2GiB}", "squire.yaml:2: inspector.keep must be from 256KiB to 1GiB"),
        ("inspector: {body: 1023}", "squire.yaml:2: inspector.body must be from 1KiB to 1MiB"),
        ("inspector: {body: 2MiB}", "squire.yaml:2: inspector.body must be from 1KiB to 1MiB"),
        ("inspector: {keep: much}", "squire.yaml:2: inspector.keep must be a size such as 64KiB or 1MiB, not \"much\""),
        (
            "inspector: {record: some}",
            "squire.yaml:2: inspector.record must be one of auto, all, failures, off, not \"some\""
        ),
        ("inspector:\n  keeps: 1MiB", "squire.yaml:3: unknown key \"inspector.keeps\": did you mean \"keep\"?"),
        (
            "inspector: {listen: nowhere}",
            "squire.yaml:2: inspector.listen must be HOST:PORT, a port, unix:PATH or \"off\", not \"nowhere\""
        ),
        ("inspector: {listen: '0.0.0.0:1'}", "squire.yaml:2: inspector must be an address of this machine only"),
        ("inspector: [a]", "squire.yaml:2: inspector must be a single value"),
    ])
    func mistakesSayWhere(_ text: String, _ message: String) {
        do throws(ConfigurationError) {
            _ = try load(text + "\n")
            Issue.record("\(text) was taken")
        } catch {
            #expect(error.description == message)
        }
    }

    @Test func anOptionNamesTheAddressAlone() throws {
        var overrides = ConfigurationOverrides()
        overrides.inspector = .init("127.0.0.1:7", source: "--inspector")
        let loader = ConfigurationLoader(environment: [:], overrides: overrides)
        let text = "upstream: https://a.example\ninspector: {listen: 127.0.0.1:8, record: all}\n"
        let settings = try loader.read(text, path: "squire.yaml").configuration.inspector
        #expect(settings.listen == .tcp(host: "127.0.0.1", port: 7))
        #expect(settings.record == .all)
    }
}
