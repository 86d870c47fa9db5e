import ReverseProxy
import Testing

@testable import Settings

/// What `squire init` writes.
@Suite struct NewConfigurationTests {
    private func read(_ new: NewConfiguration) throws -> LoadedConfiguration {
        try ConfigurationLoader(environment: [:]).read(new.text, path: "/nowhere/squire.yaml")
    }

    @Test func withoutAnythingItHoldsAndNamesWhatIsMissing() throws {
        let new = try NewConfiguration()
        #expect(try read(new).configuration.upstreamURL == "https://api.example.com")
        #expect(new.blanks.map(\.name) == ["upstream"])
        let lines = new.text.split(separator: "\n", omittingEmptySubsequences: false)
        #expect(lines[new.blanks[0].line - 1].hasPrefix("upstream: https://api.example.com "))
        #expect(try read(new).blanks.map(\.line) == new.blanks.map(\.line))
    }

    @Test(arguments: Profile.names) func withEachPresetItHolds(_ name: String) throws {
        let new = try NewConfiguration(upstream: "https://api.test/v1", profile: Profile.named(name))
        let loaded = try read(new)
        #expect(loaded.configuration.upstreamURL == "https://api.test/v1")
        #expect(!new.blanks.isEmpty && new.blanks.allSatisfy { $0.name != "upstream" })
        let lines = new.text.split(separator: "\n", omittingEmptySubsequences: false)
        for blank in new.blanks { #expect(lines[blank.line - 1].contains("CHANGE-ME"), "\(blank.name)") }
        // What nobody has filled in is found again.
        #expect(loaded.blanks.map { "\($0.name):\($0.line)" } == new.blanks.map { "\($0.name):\($0.line)" })
        // Whoever means it takes it with its comments.
        #expect(loaded.guardedKeys.isEmpty)
        #expect(lines.allSatisfy { $0.utf8.count <= 120 })
    }

    /// Each of the lines that say where tokens come from holds when it is uncommented by itself.
    @Test func eachSourceIsALineToUncomment() throws {
        let text = try NewConfiguration(upstream: "https://a.example").text
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        let starts = lines.indices.filter { lines[$0].hasPrefix("#session") }
        #expect(starts.count == 6)
        for start in starts {
            let known = lines
            // A line that ends in `session:` goes on below it.
            var index = start
            repeat {
                lines[index].removeFirst()
                index += 1
            } while index < lines.count && lines[index].hasPrefix("#  ")
            let loader = ConfigurationLoader(environment: ["HOME": "/nowhere", "CLIENT_SECRET": "s"])
            let loaded = try loader.read(lines.joined(separator: "\n"), path: "squire.yaml")
            #expect(loaded.configuration.session.source != .given, "\(lines[start])")
            lines = known
        }
    }

    @Test func aPresetTellsTheScopeOfARefreshToken() throws {
        let new = try NewConfiguration(profile: Profile.named("xero"))
        #expect(new.text.contains("#scope: read offline_access"))
    }

    @Test func aPresetsOwnUpstreamStays() throws {
        let new = try NewConfiguration(profile: Profile.named("slack"))
        #expect(try read(new).configuration.upstreamURL == "https://slack.com")
        #expect(new.blanks.map(\.name) == ["session.oauth.client-id", "session.oauth.client-secret"])
    }

    @Test(arguments: [
        ("ftp://a.example", "must be a URL of scheme"), ("", "must be a URL of scheme"),
        ("https://a.example/?q", "holds a query or a fragment"), ("http://a.example", "use https://"),
        ("https://a.example\nsession: {exec: [id]}", "must be a URL of scheme"),
        ("api.example.com:8443", "did you mean https://api.example.com:8443?"),
        ("https://u:secret@a.example", "take out what stands before the @"), ("https://b\u{FC}cher.example", "xn--"),
        ("https://\(String(repeating: "a.", count: 127))example", "at most 253 characters"),
        ("https://\(String(repeating: "a", count: 64)).example/v1", "63 between two dots"),
        ("https://a.example #", "must be a URL of scheme"), ("https://u:secret@a.example", "must be a URL of scheme"),
    ])
    func whatIsNoUpstreamIsRefused(_ upstream: String, _ reason: String) {
        #expect {
            try NewConfiguration(upstream: upstream)
        } throws: { error in
            guard let refused = error as? NewConfiguration.Refused else { return false }
            return refused.reason.contains(reason) && !refused.reason.contains("secret")
        }
    }

    @Test(arguments: ["https://a.example/a%20b", "http://127.0.0.1:9/v1", "https://[::1]:8443", "https://a.example/~x"])
    func anUpstreamIsWrittenSoThatItIsReadAsItIs(_ upstream: String) throws {
        #expect(try read(try NewConfiguration(upstream: upstream)).configuration.upstreamURL == upstream)
    }

    @Test func theSchemaIsNamedFirst() throws {
        let new = try NewConfiguration(schema: "/usr/share/squire/squire.schema.json")
        #expect(
            new.text.hasPrefix("# yaml-language-server: $schema=/usr/share/squire/squire.schema.json\n# Squire's")
        )
        #expect(!(try NewConfiguration().text.hasPrefix("# yaml-language-server")))
    }
}
