import Platform
import ReverseProxy
import SharedSession
import TestFiles
import Testing
import TokenSources

@testable import Settings

/// `session.shared`: what it says, what it leaves out, and what is refused where.
@Suite struct ConfiguredSharedTests {
    private let directory = TestDirectory.make()

    init() throws {
        _ = try SharedKeyFile.create("\(directory)/shared.key")
        #expect(PrivateFile.create("\(directory)/etcd.password", Array("engine-secret\n".utf8)))
    }

    private func load(
        _ yaml: String,
        upstream: String = "https://a.example"
    ) throws(ConfigurationError)
        -> LoadedConfiguration
    {
        let loader = ConfigurationLoader(environment: ["HOME": "/nowhere", "ETCD_PASSWORD": "engine-secret"])
        return try loader.read("upstream: \(upstream)\n\(yaml)\n", path: "\(directory)/squire.yaml")
    }

    private func shared(_ yaml: String, upstream: String = "https://a.example") throws -> SharedConfiguration {
        try #require(try load(yaml, upstream: upstream).configuration.session.shared)
    }

    /// Each mistake, without the directory.
    private func mistakes(_ yaml: String, upstream: String = "https://a.example") -> [String] {
        do throws(ConfigurationError) {
            _ = try load(yaml, upstream: upstream)
            return []
        } catch {
            return error.description.replacing("\(directory)/", with: "").split(separator: "\n").map(String.init)
        }
    }

    private static let recipe = "session:\n  refresh: {path: /r, token: /t}\n"

    @Test func theExampleOfAFleet() throws {
        let shared = try shared(
            """
            session:
              refresh: {path: /r, token: /t}
              shared:
                etcd: [https://etcd-1:2379, https://etcd-2:2379, https://etcd-3:2379]
                name: menu-prod
                key: shared.key
                user: squire
                password: {file: etcd.password}
                takeover: 40s
            """
        )
        guard case .etcd(let etcd) = shared.engine else { return }
        #expect(etcd.endpoints.map(\.description) == (1...3).map { "https://etcd-\($0):2379" })
        #expect(shared.name == "menu-prod" && shared.place == "squire/v1/session/menu-prod")
        #expect(shared.keyFile == "\(directory)/shared.key" && shared.takeover == .seconds(40))
        #expect(etcd.user?.name == "squire")
        #expect(etcd.user?.password == SecretValue(.file("\(directory)/etcd.password")))
    }

    /// The file beside the others of `config/examples`, on a machine that has the key and the password.
    @Test func theExampleFile() throws {
        let home = "\(directory)/.config"
        for made in [home, "\(home)/squire"] { #expect(mkdir(made, 0o700) == 0) }
        for name in ["shared.key", "etcd.password"] {
            #expect(rename("\(directory)/\(name)", "\(home)/squire/\(name)") == 0)
        }
        let examples = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined() + "/config/examples"
        let loaded = try ConfigurationLoader(environment: ["HOME": directory]).load("\(examples)/shared.yaml")
        let shared = try #require(loaded.configuration.session.shared)
        #expect(shared.place == "squire/v1/session/menu-prod" && shared.takeover == .seconds(40))
    }

    @Test func theDefaults() throws {
        let text = Self.recipe + "  shared: {etcd: http://127.0.0.1:2379, key: shared.key}"
        let one = try shared(text, upstream: "https://API.example.com:8443/v1")
        guard case .etcd(let etcd) = one.engine else { return }
        #expect(etcd.endpoints.map(\.description) == ["http://127.0.0.1:2379"] && etcd.user == nil)
        #expect(one.name == "api.example.com" && one.takeover == .seconds(40))
        let named = try shared("session:\n  name: alice\n  shared: {etcd: https://e:2379, key: shared.key}")
        #expect(named.name == "alice" && named.takeover == .seconds(40))
        let slow = Self.recipe.replacing("/t}", with: "/t, timeout: 1m}")
        #expect(try shared(slow + "  shared: {etcd: https://e, key: shared.key}").takeover == .seconds(70))
        let placed = try shared(
            "session:\n  shared: {etcd: https://e, key: shared.key, prefix: /team-a/squire, name: x}"
        )
        #expect(placed.place == "/team-a/squire/v1/session/x")
    }

    @Test(arguments: [
        (
            "etcd: https://e",
            "squire.yaml:5: session.shared needs key: a file of the fleet's keys, the same on every machine. "
                + "squire shared key FILE makes one"
        ),
        (
            "key: shared.key",
            "squire.yaml:5: session.shared needs etcd: the URLs of its members, such as [https://etcd-1:2379]; "
                + "or, in a pod, kubernetes: {}"
        ),
        (
            "etcd: https://e\n    key: shared.key\n    takeover: 34s",
            "squire.yaml:7: session.shared.takeover must be at least 35s: a refresh may take 30s, and 5s "
                + "more; a machine that is still at it would be taken for dead, and the token sent twice"
        ),
        (
            "etcd: https://e\n    key: shared.key\n    takeover: 2h",
            "squire.yaml:7: session.shared.takeover must be from 1s to 1h"
        ),
        (
            "etcd: https://e\n    key: shared.key\n    redis: redis://r",
            "squire.yaml:7: session.shared.redis and session.shared.etcd are two engines: one of them keeps "
                + "the session, so give one"
        ),
        (
            "key: shared.key\n    redis: redis://r",
            "squire.yaml:6: session.shared.redis cannot keep a session: it may lose a write that it has "
                + "acknowledged when another server takes over, and with it the login. Use etcd"
        ),
        (
            "key: shared.key\n    consul: x",
            "squire.yaml:6: session.shared.consul is no engine that this Squire knows yet. Use etcd or kubernetes"
        ),
        (
            "etcd: http://etcd-1:2379\n    key: shared.key",
            "squire.yaml:5: session.shared.etcd: http://etcd-1:2379 is http:// to another machine, where "
                + "anybody on the way could read the password and replace the session: use https://"
        ),
        (
            "etcd: [https://e,\n      'https://me:s3cret@f']\n    key: shared.key",
            "squire.yaml:6: session.shared.etcd: what has a user, a query or a fragment must be the URL of a member, "
                + "without a path, such as https://etcd-1:2379"
        ),
        (
            "etcd: [https://e,\n      'https://e/v3']\n    key: shared.key",
            "squire.yaml:6: session.shared.etcd: \"https://e/v3\" must be the URL of a member, without a "
                + "path, such as https://etcd-1:2379"
        ),
        (
            "etcd: [https://e:1, https://E:1]\n    key: shared.key",
            "squire.yaml:5: session.shared.etcd: https://E:1 is named twice"
        ),
        (
            "etcd: []\n    key: shared.key",
            "squire.yaml:5: session.shared.etcd must name 1 to 16 members, such as [https://etcd-1:2379]"
        ),
        (
            "etcd: https://e\n    key: none.key",
            "squire.yaml:6: session.shared.key names a file that is not there: none.key. Copy it from another "
                + "machine of the fleet; for the first one: squire shared key none.key"
        ),
        (
            "etcd: https://e\n    key: etcd.password",
            "squire.yaml:6: session.shared.key names a file that cannot be used: etcd.password line 1: a key "
                + "is 32 octets in base64, as squire shared key makes it"
        ),
        (
            "etcd: https://e\n    key: shared.key\n    name: .x",
            "squire.yaml:7: session.shared.name must be 1 to 64 of A-Z a-z 0-9 . _ -, not beginning with a "
                + "dot, not \".x\""
        ),
        (
            "etcd: https://e\n    key: shared.key\n    name: a/b",
            "squire.yaml:7: session.shared.name must be 1 to 64 of A-Z a-z 0-9 . _ -, not beginning with a "
                + "dot, not \"a/b\""
        ),
        (
            "etcd: https://e\n    key: shared.key\n    prefix: a/",
            "squire.yaml:7: session.shared.prefix must be 1 to 200 of A-Z a-z 0-9 . _ - and /, without a "
                + "slash at its end, such as squire, not \"a/\""
        ),
        (
            "etcd: https://e\n    key: shared.key\n    user: squire",
            "squire.yaml:7: session.shared.user needs session.shared.password beside it, such as {file: "
                + "~/.config/squire/etcd.password}"
        ),
        (
            "etcd: https://e\n    key: shared.key\n    password: x",
            "squire.yaml:7: session.shared.password needs session.shared.user beside it"
        ),
        (
            "etcd: https://e\n    key: shared.key\n    user: u\n    password: {env: NOT_SET}",
            "squire.yaml:8: session.shared.password names a variable that is not set: NOT_SET. "
                + "Export it where squire runs"
        ),
        (
            "etcd: http://localhost:1\n    key: shared.key\n    tls: {ca: x.pem}",
            "squire.yaml:7: session.shared.tls.ca names a file that cannot be read: x.pem: No such file or directory"
        ),
        (
            "etcd: https://e\n    key: shared.key\n    takover: 40s",
            "squire.yaml:7: unknown key \"session.shared.takover\": did you mean \"takeover\"?"
        ),
    ])
    func mistakesSayWhere(_ text: String, _ message: String) {
        let found = mistakes("session:\n  refresh: {path: /r, token: /t}\n  shared:\n    " + text)
        #expect(found.contains(message), "\(found)")
    }

    @Test func sharedAloneSaysNothing() {
        #expect(
            mistakes("session:\n  shared:") == [
                "squire.yaml:3: session.shared says nothing: write below it where the session is kept, or take it out"
            ]
        )
        #expect(
            mistakes("session: {shared: true}") == ["squire.yaml:2: session.shared must be a map of keys and values"]
        )
    }

    @Test func aKeyThatOthersMayReadIsRefused() {
        chmod("\(directory)/shared.key", 0o644)
        let found = mistakes("session:\n  shared:\n    etcd: https://e\n    key: shared.key")
        #expect(
            found == [
                "squire.yaml:5: session.shared.key: other users of this machine may read shared.key. "
                    + "Run: chmod 600 shared.key"
            ]
        )
    }

    @Test func twoSourcesAreStillTwo() {
        let found = mistakes(
            """
            session:
              refresh: {path: /r, token: /t}
              oauth: {token-endpoint: https://l.example/t, authorization-endpoint: https://l.example/a, client-id: x}
              shared: {etcd: https://e, key: shared.key}
            """
        )
        #expect(found == ["squire.yaml:4: session.oauth and session.refresh are two sources of tokens: give one"])
    }

    @Test(arguments: ["exec: [echo, x]", "token-file: /dev/null"])
    func whatEachMachineHasByItselfIsNotShared(_ source: String) {
        let key = source.prefix { $0 != ":" }
        let found = mistakes("session:\n  \(source)\n  shared: {etcd: https://e, key: shared.key}")
        let text =
            "session.shared cannot stand beside session.\(key): each machine asks for a token of its own at any time"
        #expect(found == ["squire.yaml:4: \(text)"])
    }

    @Test func whatIsMintedIsNotShared() {
        let found = mistakes(
            """
            session:
              oauth:
                token-endpoint: https://l.example/t
                client-id: x
                grant: client-credentials
                client-secret: s
              shared: {etcd: https://e, key: shared.key}
            """
        )
        let text =
            "session.shared cannot stand beside the grant client-credentials: each machine asks for a token of its own "
            + "at any time"
        #expect(found == ["squire.yaml:8: \(text)"])
    }

    @Test func anAddressIsNoName() {
        let found = mistakes("session:\n  shared: {etcd: https://e, key: shared.key}", upstream: "https://[::1]:1")
        #expect(found.count == 1 && found[0].hasPrefix("squire.yaml:3: session.shared needs a name: "), "\(found)")
    }

    @Test func noMistakeShowsAPassword() {
        let found = mistakes(
            "session:\n  shared:\n    etcd: ftp://e\n    user: u\n    password: engine-secret\n    key: no"
        )
        #expect(found.count == 2 && !found.joined().contains("engine-secret"), "\(found)")
    }

    @Test func thePasswordIsReadByWhoUsesIt() throws {
        let text = "session:\n  shared: {etcd: https://e, key: shared.key, user: u, password: {env: ETCD_PASSWORD}}"
        var loaded = try load(text)
        let password = { (loaded: LoadedConfiguration) -> String? in
            guard case .etcd(let etcd)? = loaded.configuration.session.shared?.engine else { return nil }
            return etcd.user?.password.text
        }
        #expect(password(loaded) == nil)
        try loaded.readSecrets()
        #expect(password(loaded) == "engine-secret")
        #expect(!"\(loaded.configuration.session.shared as Any)".contains("engine-secret"))
    }

    @Test func itIsGuardedAndCountsAfterARestart() throws {
        let text = Self.recipe + "  shared: {etcd: https://e, key: shared.key}"
        let loaded = try load(text)
        #expect(loaded.guardedKeys.map(\.name) == ["session.shared"])
        #expect(loaded.guardedKeys.map(\.line) == [4])
        #expect(try loaded.keys(differingFrom: load(Self.recipe)) == ["session.shared"])
        #expect(
            try loaded.keys(differingFrom: load(text.replacing("https://e", with: "https://f"))) == ["session.shared"]
        )
        #expect(try loaded.keys(differingFrom: load(text)) == [])
        #expect(LoadedConfiguration.fixedKeys.contains("session.shared"))
    }

    @Test func filesWithSecretsAreLookedAt() throws {
        chmod("\(directory)/etcd.password", 0o644)
        let text = "session:\n  shared: {etcd: https://e, key: shared.key, user: u, password: {file: etcd.password}}"
        let exposures = try load(text).exposures
        #expect(exposures.count == 1 && exposures[0].hasPrefix("session.shared.password: other users"), "\(exposures)")
    }
}
