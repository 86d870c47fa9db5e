package import HTTP1

/// Decides who may use the proxy: the credential must not serve web pages, other users or rebound names.
package struct AccessPolicy: Sendable {
    private let hosts: [Authority]
    private let origins: [[UInt8]]
    private let key: [UInt8]?
    private let upstream: Authority
    private let upstreamPort: Int

    /// `ownHosts` are the names of the listeners, beside the loopback names, which are always accepted.
    package init(_ access: AccessConfiguration, upstream: Origin, ownHosts: [Authority]) {
        hosts = access.hosts.compactMap(Authority.init) + ownHosts
        origins = access.origins.map { Array($0.lowercased().utf8) }
        key = access.key
        self.upstream = upstream.authority
        upstreamPort = upstream.port
    }

    /// What a head says about who sends it. Nil values are absent fields.
    package struct Request {
        package var host: String?
        package var targetAuthority: String?
        package var origin: String?
        package var fetchSite: String?
        package var key: [UInt8]?

        package init(
            host: String?,
            targetAuthority: String? = nil,
            origin: String? = nil,
            fetchSite: String? = nil,
            key: [UInt8]? = nil
        ) {
            self.host = host
            self.targetAuthority = targetAuthority
            self.origin = origin
            self.fetchSite = fetchSite
            self.key = key
        }
    }

    /// Why the request is refused; nil lets it through.
    package func refusal(_ request: Request) -> Failure? {
        for name in [request.targetAuthority ?? request.host, request.host].compactMap(\.self) {
            // An empty Host is what HTTP/1.0 tools and `curl -H Host:` send.
            guard name.isEmpty || isOwn(name) else { return .misdirected }
        }
        if let origin = request.origin, !isAllowed(origin, host: request.host) { return .forbiddenOrigin }
        if request.origin == nil, let site = request.fetchSite {
            guard site != "cross-site", site != "same-site" else { return .forbiddenOrigin }
        }
        if let key {
            guard let given = request.key, Self.areEqual(given, key) else { return .wrongKey }
        }
        return nil
    }

    /// Each request must show a key: the fast path, which remembers the Host it accepted last, does not apply.
    package var needsKey: Bool { key != nil }

    private func isOwn(_ text: String) -> Bool {
        guard let authority = Authority(text) else { return false }
        if authority.isLoopback { return true }
        if authority.host == upstream.host { return (authority.port ?? upstreamPort) == upstreamPort }
        return hosts.contains { $0.host == authority.host && ($0.port == nil || $0.port == authority.port) }
    }

    private func isAllowed(_ origin: String, host: String?) -> Bool {
        let name = Array(origin.lowercased().utf8)
        if origins.contains(name) { return true }
        // A page that was itself served through the proxy; its Host was checked above.
        guard let host, !host.isEmpty else { return false }
        return name == Array("http://\(host.lowercased())".utf8)
    }

    /// Takes the same time wherever the difference is.
    static func areEqual(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        var difference = left.count ^ right.count
        for index in 0..<right.count { difference |= Int(right[index] ^ (index < left.count ? left[index] : 0)) }
        return difference == 0
    }
}
