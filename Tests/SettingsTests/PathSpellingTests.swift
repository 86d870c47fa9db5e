import EventIO
import Platform
import ReverseProxy
import Testing

@testable import Settings

/// Paths as people write them: `~` is their home directory, and nobody else's is looked up.
@Suite struct PathSpellingTests {
    private func issues(_ yaml: String, _ change: (inout ConfigurationOverrides) -> Void = { _ in }) -> [String] {
        var overrides = ConfigurationOverrides()
        change(&overrides)
        do throws(ConfigurationError) {
            _ = try ConfigurationLoader(environment: ["HOME": "/home/me"], overrides: overrides)
                .read("upstream: https://api.example.com\n\(yaml)", path: "/nowhere/squire.yaml")
            return []
        } catch {
            return error.issues.map { "\($0.source):\($0.line ?? 0): \($0.message)" }
        }
    }

    @Test(
        arguments: [
            ("listen: unix:~root/x\n", "listen names a path that begins with ~root"),
            ("listen: [8080, unix:~root/x]\n", "listen names a path that begins with ~root"),
            ("inspector: unix:~root/x\n", "inspector names a path that begins with ~root"),
            ("access: {key: ~root/x}\n", "access.key begins with ~root"),
            ("tls: {ca: ~root/x}\n", "tls.ca begins with ~root"), ("session: {file: ~root/x}\n", "session.file begins"),
            ("session: {file: ~root}\n", "session.file begins with ~root:"),
            ("session: {token-file: ~root/x}\n", "session.token-file begins"),
            ("session: {token-file: {path: ~root/x}}\n", "session.token-file.path begins"),
            ("headers: {X-A: {file: ~root/x}}\n", "headers.X-A.file begins with ~root"),
            ("session: {shared: {etcd: https://etcd:2379, key: ~root/x}}\n", "session.shared.key begins"),
        ]
    )
    func anotherUsersHomeIsNotLookedUp(_ yaml: String, _ text: String) {
        let found = issues(yaml)
        #expect(found.contains { $0.contains(":2: \(text)") && $0.contains("./~root") }, "\(found)")
        // Said once: nothing is looked for at such a place.
        #expect(!found.contains { $0.contains("/nowhere/~root") }, "\(found)")
    }

    @Test func optionsAreHeldToTheSame() {
        let listen = issues("") { $0.listen = .init("unix:~root/x", source: "--listen") }
        #expect(
            listen.count == 1 && listen[0].hasPrefix("--listen:0: names a path that begins with ~root"),
            "\(listen)"
        )
        let session = issues("") { $0.session = .init("~root/x", source: "--session") }
        #expect(session.count == 1 && session[0].hasPrefix("--session:0: begins with ~root"), "\(session)")
        #expect(ListenAddress("unix:~root/x", expanding: [:]) == nil)
        #expect(ListenAddress.problem("unix:~root/x")?.contains("~root") == true)
    }

    @Test func onesOwnHomeAndAFileOfThatNameAreMeant() throws {
        #expect(issues("listen: unix:~/x\nsession: {file: ./~root/x}\n") == [])
        let loaded = try ConfigurationLoader(environment: ["HOME": "/home/me"])
            .read("upstream: https://a.example\nlisten: [unix:~/x, unix:./~root/x]\n", path: "/nowhere/squire.yaml")
        #expect(loaded.configuration.listen.map(\.description) == ["unix:/home/me/x", "unix:/nowhere/./~root/x"])
    }

    @Test(arguments: ["rel", "", "./x"]) func aHomeThatIsNoAbsolutePathIsTheAccounts(_ home: String) {
        #expect(TextFile.home(["HOME": home]) == TextFile.home([:]))
        #expect(TextFile.home(["HOME": "/home/me"]) == "/home/me")
    }

    /// Whoever may put another socket there gets what clients send.
    @Test func aSocketsDirectoryThatOthersMayWriteIsSaid() throws {
        let directory = "/tmp/squire-open-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        mkdir(directory, 0o700)
        defer { rmdir(directory) }
        let loaded = try ConfigurationLoader(environment: [:]).read(
            "upstream: https://a.example\nlisten: unix:\(directory)/s\ninspector: unix:\(directory)/i\n",
            path: "/nowhere/squire.yaml"
        )
        #expect(loaded.exposures == [])
        chmod(directory, 0o770)
        let end = "other users may replace files in \(directory): run chmod go-w \(directory)"
        #expect(
            loaded.exposures == [
                "listen: another user's socket may take the place of unix:\(directory)/s: \(end)",
                "inspector: another user's socket may take the place of unix:\(directory)/i: \(end)",
            ]
        )
        // With the sticky bit others may not.
        chmod(directory, 0o1777)
        #expect(loaded.exposures == [])
    }
}
