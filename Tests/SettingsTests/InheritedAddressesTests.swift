import EventIO
import Platform
import ReverseProxy
import Settings
import Testing

@Suite struct InheritedAddressesTests {
    /// A configuration with these rules of access; `key` is a file.
    private func loaded(_ text: String, _ rest: String = "") throws -> LoadedConfiguration {
        let path = "/tmp/squire-key-\(getpid())-\(UInt64.random(in: 0 ... .max))"
        _ = PrivateFile.create(path, Array(repeating: UInt8(ascii: "k"), count: 32))
        defer { unlink(path) }
        let access = text.replacing("KEY", with: path)
        return try ConfigurationLoader(environment: [:])
            .read("upstream: http://127.0.0.1:9\naccess: {\(access)}\n\(rest)", path: "squire.yaml")
    }

    private func inherited(_ addresses: [String], admitsOthers: Bool = false) -> InheritedAddresses {
        InheritedAddresses(
            proxy: addresses.enumerated().map { index, text in
                .init(ListenAddress(text)!, descriptor: Int32(3 + index), admitsOtherUsers: admitsOthers)
            }
        )
    }

    private func problems(_ access: String, _ inherited: InheritedAddresses) throws -> [ConfigurationError.Issue] {
        var loaded = try loaded(access)
        do throws(ConfigurationError) {
            try loaded.take(inherited)
            return []
        } catch {
            #expect(loaded.configuration.listen == ProxyConfiguration(upstream: loaded.configuration.upstream).listen)
            return error.issues
        }
    }

    @Test func theyTakeTheConfiguredPlaces() throws {
        var loaded = try loaded("same-user: true", "listen: [127.0.0.1:1, 127.0.0.1:2]\ninspector: off\n")
        var passed = inherited(["127.0.0.1:8080", "[::1]:8080"])
        passed.inspector = .init(ListenAddress("127.0.0.1:8081")!, descriptor: 5)
        let said = try loaded.take(passed)
        #expect(loaded.configuration.listen.map(\.description) == ["127.0.0.1:8080", "[::1]:8080"])
        #expect(loaded.configuration.inspector.listen?.description == "127.0.0.1:8081")
        #expect(loaded.askedListeners.map(\.asker) == ["LISTEN_FDS", "LISTEN_FDS"])
        #expect(!loaded.inspectorIsDefault)
        #expect(
            said == [
                "the proxy listens on 127.0.0.1:8080, a socket that the service manager passed, in place of "
                    + "squire.yaml:3 (listen)",
                "the proxy listens on [::1]:8080, a socket that the service manager passed, in place of "
                    + "squire.yaml:3 (listen)",
                "the inspector listens on 127.0.0.1:8081, a socket that the service manager passed, in place of "
                    + "inspector: off",
            ]
        )
    }

    @Test func withoutOneTheConfiguredCounts() throws {
        var loaded = try loaded("same-user: true", "inspector: 127.0.0.1:7\n")
        let listen = loaded.configuration.listen
        let unsaid = try loaded.take(InheritedAddresses())
        #expect(unsaid == [])
        #expect(loaded.configuration.listen == listen)
        let said = try loaded.take(
            InheritedAddresses(inspector: .init(ListenAddress("unix:/run/i.sock")!, descriptor: 3))
        )
        #expect(said.count == 1 && said[0].hasSuffix("in place of squire.yaml:3 (inspector)"))
        #expect(loaded.configuration.listen == listen)
    }

    @Test(arguments: ["0.0.0.0:80", "[::]:80", "192.0.2.1:80", "[2001:db8::1]:80"])
    func othersMachinesNeedAWordAndAKey(_ address: String) throws {
        for access in ["same-user: true", "allow-remote: true", "key: KEY"] {
            let found = try problems(access, inherited([address]))
            #expect(found.map(\.source) == ["LISTEN_FDS"])
            #expect(found[0].message.hasPrefix("descriptor 3, \(address), can be reached from other machines"))
        }
        #expect(try problems("allow-remote: true, key: KEY", inherited([address])) == [])
    }

    @Test func theInspectorIsForThisMachineOnly() throws {
        let passed = InheritedAddresses(inspector: .init(ListenAddress("0.0.0.0:80")!, descriptor: 4))
        let found = try problems("allow-remote: true, key: KEY", passed)
        #expect(found.count == 1 && found[0].message.contains("descriptor 4"))
    }

    @Test func otherUsersNeedAKeyOrAreRefused() throws {
        let open = inherited(["unix:/run/squire.sock"], admitsOthers: true)
        #expect(try problems("same-user: false", open).count == 1)
        #expect(try problems("same-user: true", open) == [])
        #expect(try problems("same-user: false, key: KEY", open) == [])
        #expect(try problems("same-user: false", inherited(["unix:/run/squire.sock"])) == [])
    }

    @Test func twoOfOneAddressAreRefused() throws {
        let found = try problems("same-user: true", inherited(["127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:1"]))
        #expect(found.map(\.message) == ["descriptor 5, 127.0.0.1:1, is the same address as descriptor 3"])
    }

    @Test func theUpstreamsOwnIsRefused() throws {
        let found = try problems("same-user: true", inherited(["[::1]:9"]))
        #expect(found.count == 1 && found[0].message.contains("circles"))
    }

    /// A reload keeps the listeners, and with them what they need.
    @Test func aKeyStaysWhereItIsNeeded() throws {
        var loaded = try loaded("same-user: true")
        try loaded.requireAccess()
        loaded.configuration.listen.append(ListenAddress("0.0.0.0:80")!)
        let error = #expect(throws: ConfigurationError.self) { try loaded.requireAccess() }
        #expect(error?.issues.first?.source == "squire.yaml")
        loaded = try self.loaded("allow-remote: true, key: KEY", "listen: 0.0.0.0:80\n")
        try loaded.requireAccess()
    }
}
