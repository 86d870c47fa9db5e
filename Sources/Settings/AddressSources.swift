public import EventIO
import HTTP1
import ReverseProxy

/// The options, variables or lines that configure the addresses of a proxy: `--listen`, `SQUIRE_LISTEN`,
/// `squire.yaml:4`.
public struct AddressSources: Sendable, Equatable {
    /// One for each address of `listen`; empty for the default.
    public var listen: [String] = []
    /// Nil for the default.
    public var inspector: String?
    /// The configuration file, if it is one of several in this process: no option sets an address of one of them.
    public var oneOfSeveral: String?

    public init() {}
}

/// A configured address, and where it is configured.
public struct AskedAddress: Sendable {
    public var address: ListenAddress
    /// `listen` or `inspector`.
    public var key: String
    /// An option, a variable or `FILE:LINE`; nil for the default.
    public var source: String?
    /// The configuration file, if it is one of several in this process.
    public var oneOfSeveral: String?

    /// `squire.yaml:4 (inspector)`, `--listen`.
    public var asker: String {
        guard let source else {
            return "the default of \(key)" + (oneOfSeveral.map { " in \($0)" } ?? "")
        }
        return source.contains(":") ? "\(source) (\(key))" : source
    }

    /// Whether both need the same port or path.
    public func conflicts(with other: AskedAddress) -> Bool {
        switch (address, other.address) {
        case (.unix(let left), .unix(let right)): left == right
        case (.tcp(let left, let port), .tcp(let right, let otherPort)):
            port == otherPort && port != 0 && Self.overlap(left, right)
        default: false
        }
    }

    /// `localhost` stands for both loopback addresses.
    private static func addresses(of host: String) -> Set<String> {
        host.lowercased() == "localhost" ? ["127.0.0.1", "::1"] : [host.lowercased()]
    }

    private static func overlap(_ left: String, _ right: String) -> Bool {
        let everything = ["0.0.0.0", "::"]
        return everything.contains(left) || everything.contains(right)
            || !addresses(of: left).isDisjoint(with: addresses(of: right))
    }
}

extension LoadedConfiguration {
    /// The addresses in `listen`.
    public var askedListeners: [AskedAddress] {
        configuration.listen.enumerated().map { index, address in
            let sources = addressSources.listen
            return AskedAddress(
                address: address,
                key: "listen",
                source: index < sources.count ? sources[index] : nil,
                oneOfSeveral: addressSources.oneOfSeveral
            )
        }
    }

    /// The address in `inspector`; nil if it is off.
    public var askedInspector: AskedAddress? {
        configuration.inspector.listen.map {
            AskedAddress(
                address: $0,
                key: "inspector",
                source: addressSources.inspector,
                oneOfSeveral: addressSources.oneOfSeveral
            )
        }
    }

    /// The addresses that cannot move to another port.
    private var fixedAddresses: [AskedAddress] {
        askedListeners + (inspectorIsDefault ? [] : [askedInspector].compactMap { $0 })
    }

    /// The ports that a default address must not take when it searches for a free one.
    public static func fixedPorts(_ all: [LoadedConfiguration]) -> Set<Int> {
        Set(all.flatMap(\.fixedAddresses).compactMap { if case .tcp(_, let port) = $0.address { port } else { nil } })
    }

    /// Throws if several configurations need the same address. Each configuration was checked on its own when it was
    /// loaded.
    public static func requireDistinctAddresses(_ all: [LoadedConfiguration]) throws(ConfigurationError) {
        var issues: [ConfigurationError.Issue] = []
        for (index, one) in all.enumerated() {
            for mine in one.fixedAddresses {
                for other in all[..<index].flatMap(\.fixedAddresses) where mine.conflicts(with: other) {
                    let message =
                        "\(mine.address) is asked for by \(other.asker), too: two proxies need two addresses"
                    guard mine.source == nil, let path = one.path else {
                        issues.append(.init(source: mine.source ?? mine.asker, message: message))
                        continue
                    }
                    issues.append(.init(source: path, message: "\(mine.key) is not set, and its default, \(message)"))
                }
            }
        }
        if !issues.isEmpty { throw ConfigurationError(issues) }
    }
}

extension ConfigurationSections {
    /// Refuses addresses that conflict with each other, before anything is bound.
    func checkAddresses(_ map: MapReader, _ configuration: ProxyConfiguration) {
        var seen: [AskedAddress] = []
        let add = { (asked: AskedAddress) in
            if let other = seen.first(where: { asked.conflicts(with: $0) }) {
                let place = other.source == asked.source ? "" : ", by \(other.asker)"
                let message = "\(asked.address) is asked for twice\(place): choose another address"
                fail(asked, message, map)
            }
            seen.append(asked)
        }
        for (index, address) in configuration.listen.enumerated() {
            let sources = addressSources.listen
            add(AskedAddress(address: address, key: "listen", source: index < sources.count ? sources[index] : nil))
        }
        guard !inspectorIsDefault, let address = configuration.inspector.listen else { return }
        let inspector = AskedAddress(address: address, key: "inspector", source: addressSources.inspector)
        add(inspector)
        let upstream = configuration.upstream
        let target = AskedAddress(
            address: .tcp(host: upstream.authority.host, port: upstream.port),
            key: "upstream",
            source: nil
        )
        if inspector.conflicts(with: target) {
            fail(inspector, "\(address) is the upstream's own address: choose another address", map)
        }
    }

    private func fail(_ asked: AskedAddress, _ message: String, _ map: MapReader) {
        guard let source = asked.source, !source.contains(":") else {
            return issues.add("\(asked.key): \(message)", at: map.node(asked.key))
        }
        issues.add(message, source: source)
    }
}
