public import EventIO
import HTTP1
import ReverseProxy

/// The addresses of sockets that a service manager passes to the process. They replace `listen` and `inspector`, and
/// are subject to the same rules.
public struct InheritedAddresses: Sendable, Equatable {
    public struct Address: Sendable, Equatable {
        public var address: ListenAddress
        /// The descriptor, which identifies the socket in messages.
        public var descriptor: Int32
        /// A Unix socket that other users may connect to.
        public var admitsOtherUsers: Bool

        public init(_ address: ListenAddress, descriptor: Int32, admitsOtherUsers: Bool = false) {
            self.address = address
            self.descriptor = descriptor
            self.admitsOtherUsers = admitsOtherUsers
        }
    }

    /// Empty if `listen` applies.
    public var proxy: [Address]
    /// Nil if `inspector` applies.
    public var inspector: Address?

    public init(proxy: [Address] = [], inspector: Address? = nil) {
        self.proxy = proxy
        self.inspector = inspector
    }

    public var isEmpty: Bool { proxy.isEmpty && inspector == nil }

    /// The source of these addresses in messages.
    public static let source = "LISTEN_FDS"
}

extension LoadedConfiguration {
    /// Replaces the configured addresses. Returns a sentence for each one that is replaced. Throws if an address
    /// requires access rules that the configuration lacks.
    @discardableResult
    public mutating func take(_ inherited: InheritedAddresses) throws(ConfigurationError) -> [String] {
        let problems = problems(of: inherited)
        guard problems.isEmpty else {
            throw ConfigurationError(problems.map { .init(source: InheritedAddresses.source, message: $0) })
        }
        var replaced: [String] = []
        if !inherited.proxy.isEmpty {
            let places = askedListeners.map(\.asker).reduce(into: [String]()) { if !$0.contains($1) { $0.append($1) } }
            replaced += inherited.proxy.map { Self.replacement($0, "the proxy", places.joined(separator: " and ")) }
            configuration.listen = inherited.proxy.map(\.address)
            addressSources.listen = inherited.proxy.map { _ in InheritedAddresses.source }
        }
        if let inspector = inherited.inspector {
            replaced.append(Self.replacement(inspector, "the inspector", askedInspector?.asker ?? "inspector: off"))
            configuration.inspector.listen = inspector.address
            addressSources.inspector = InheritedAddresses.source
            inspectorIsDefault = false
        }
        return replaced
    }

    private static func replacement(_ address: InheritedAddresses.Address, _ who: String, _ place: String) -> String {
        "\(who) listens on \(address.address), a socket that the service manager passed, in place of \(place)"
    }

    private func problems(of inherited: InheritedAddresses) -> [String] {
        var problems: [String] = []
        let access = configuration.access
        let all = inherited.proxy + [inherited.inspector].compactMap(\.self)
        for (index, one) in all.enumerated() {
            let name = "descriptor \(one.descriptor), \(one.address),"
            if let other = all[..<index].first(where: { $0.address == one.address }) {
                problems.append("\(name) is the same address as descriptor \(other.descriptor)")
            }
            if one == inherited.inspector {
                if !one.address.isLocal {
                    problems.append("\(name) is the inspector's: it must be of this machine only")
                }
            } else if !one.address.isLocal, !access.admitsMachines {
                problems.append(
                    "\(name) can be reached from other machines, which would use your session: "
                        + "set access.allow-remote: true and access.key, or pass a socket of 127.0.0.1"
                )
            }
            if configuration.isUpstream(one.address) {
                problems.append("\(name) is the upstream's own address: requests would go round in circles")
            }
            if one.admitsOtherUsers, !access.sameUser, access.key == nil {
                problems.append(
                    "\(name) can be opened by other users, who would use your session: "
                        + "set access.key or access.same-user: true, or SocketMode=0600 in the socket's unit"
                )
            }
        }
        return problems
    }

    /// Throws if a listener that other machines can reach would no longer have a key. `listen` must be the actual
    /// addresses, which stay until a restart.
    public func requireAccess() throws(ConfigurationError) {
        let open = configuration.listen.filter { !$0.isLocal }
        guard !configuration.access.admitsMachines, let address = open.first else { return }
        throw ConfigurationError([
            .init(
                source: path ?? "squire",
                message: "\(address) can be reached from other machines until a restart: "
                    + "until then access.allow-remote: true and access.key stay needed"
            )
        ])
    }
}

extension AccessConfiguration {
    /// Whether other machines may connect: then clients need a key.
    var admitsMachines: Bool { allowRemote && key != nil }
}

extension ProxyConfiguration {
    /// Whether the address is also the upstream's, so that the proxy would send requests to itself.
    func isUpstream(_ address: ListenAddress) -> Bool {
        guard case .tcp(let host, let port) = address, port == upstream.port else { return false }
        let own = Authority(host: host, port: nil)
        return own == Authority(host: upstream.authority.host, port: nil)
            || own.isLoopback && upstream.authority.isLoopback
    }
}
