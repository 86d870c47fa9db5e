public import HTTP1

/// Decides who may use the proxy: the credential must not serve web pages, other users or rebound names.
public final class AccessPolicy: Sendable {
    private let hosts: [Authority]
    private let origins: [[UInt8]]
    private let key: [UInt8]?
    private let upstream: Authority?
    private let upstreamPort: Int
    private let ownPorts: [Int]

    /// `ownHosts` are the names of the listeners, beside the loopback names, which are always accepted; `ownPorts`
    /// their ports. `upstream` is nil for what is served without one: its name is nobody's then.
    public init(_ access: AccessConfiguration, upstream: Origin?, ownHosts: [Authority], ownPorts: [Int] = []) {
        hosts = access.hosts.compactMap(Authority.init) + ownHosts
        origins = access.origins.map { Array($0.lowercased().utf8) }
        key = access.key
        self.upstream = upstream?.authority
        upstreamPort = upstream?.port ?? 0
        self.ownPorts = ownPorts
    }

    /// What a head says about who sends it. Nil values are absent fields; a field that is given twice has its values
    /// joined with a comma (RFC 9110 section 5.3), which no rule takes for proof.
    public struct Request {
        public var host: String?
        public var targetAuthority: String?
        public var origin: String?
        public var fetchSite: String?
        /// `Sec-Purpose` and `Purpose`.
        public var purpose: String?
        public var userAgent: String?
        public var key: [UInt8]?

        public init(
            host: String?,
            targetAuthority: String? = nil,
            origin: String? = nil,
            fetchSite: String? = nil,
            purpose: String? = nil,
            userAgent: String? = nil,
            key: [UInt8]? = nil
        ) {
            self.host = host
            self.targetAuthority = targetAuthority
            self.origin = origin
            self.fetchSite = fetchSite
            self.purpose = purpose
            self.userAgent = userAgent
            self.key = key
        }
    }

    /// Why the request is refused; nil lets it through.
    ///
    /// - Parameter isPreflight: A browser asks whether a page may send such a request, which Squire answers itself. It
    ///   carries no key (Fetch section 4.8).
    public func denial(_ request: Request, isPreflight: Bool = false) -> Problem? {
        if let problem = nameDenial(request) ?? pageDenial(request) { return problem }
        // Squire answers a preflight itself.
        return isPreflight ? nil : keyDenial(request)
    }

    /// Why the request is not for this server: by its Host, and by the authority of an absolute-form target.
    public func nameDenial(_ request: Request) -> Problem? {
        if let target = request.targetAuthority, !isOwn(target, isTarget: true) { return .misdirected }
        if let host = request.host, !isOwn(host) { return .misdirected }
        return nil
    }

    /// Why the page that has a browser send the request may not.
    public func pageDenial(_ request: Request) -> Problem? {
        if let purpose = request.purpose?.lowercased(), purpose.contains("prefetch") || purpose.contains("prerender") {
            // Sent with `Sec-Fetch-Site: none`, as if the person had typed the address, whichever page asked for it.
            return .speculative
        }
        if let origin = request.origin {
            let isOwnPage =
                isServedHere(origin, host: request.host) && request.fetchSite ?? "same-origin" == "same-origin"
            guard isConfigured(origin) || isOwnPage else { return .forbiddenOrigin }
        } else if let site = request.fetchSite {
            // Everything else, and whatever browsers may come to say, is another site's doing.
            guard site == "none" || site == "same-origin" else { return .forbiddenOrigin }
        }
        return nil
    }

    /// Why the request needs a key, or another one.
    public func keyDenial(_ request: Request) -> Problem? {
        if let key {
            guard let given = request.key, Self.areEqual(given, key) else { return .wrongKey }
        } else if request.fetchSite == nil, Self.isBrowser(request.userAgent), !isSecureContext(request) {
            return .unprovenPage
        }
        return nil
    }

    /// Whether browsers say which page a request comes from: they do it for loopback names only, but for https (Fetch
    /// Metadata section 2).
    private func isSecureContext(_ request: Request) -> Bool {
        [request.host, request.targetAuthority].allSatisfy { name in
            guard let name else { return true }
            guard let authority = Authority(name) else { return false }
            return authority.isLoopbackAddress || authority.host == "localhost"
        }
    }

    /// Every browser's name begins so, and hardly any tool's.
    private static func isBrowser(_ userAgent: String?) -> Bool {
        userAgent.map { $0.hasPrefix("Mozilla/") || $0.contains(", Mozilla/") } ?? false
    }

    /// Whether pages of `origin` are named in `access.origins`: they may read answers, too.
    public func isConfigured(_ origin: String) -> Bool {
        origins.contains(Array(origin.lowercased().utf8))
    }

    /// Each request must show a key: the fast path, which remembers the Host it accepted last, does not apply.
    public var needsKey: Bool { key != nil }

    /// Whether the authority of an absolute-form target is the upstream's, not Squire's own.
    func isUpstream(_ text: String) -> Bool {
        guard let authority = Authority(text), authority.host == upstream?.host else { return false }
        if let port = authority.port { return port == upstreamPort }
        // Of two servers on this machine, one without a port is meant only if the upstream's URL has none either.
        return !authority.isLoopback || upstreamPort == 80 || upstreamPort == 443
    }

    /// Whether the name is Squire's or the upstream's.
    ///
    /// - Parameter isTarget: It is the authority of an absolute-form target. There another port of this machine is
    ///   another server, which a client means that takes Squire for its HTTP proxy. In Host it may be what a port was
    ///   forwarded from.
    private func isOwn(_ text: String, isTarget: Bool = false) -> Bool {
        guard let authority = Authority(text) else { return false }
        if authority.host == upstream?.host, (authority.port ?? upstreamPort) == upstreamPort { return true }
        // Not names under `localhost.`: that they stay on this machine is up to the browser's resolver.
        if authority.isLoopbackAddress || authority.host == "localhost" {
            return !isTarget || authority.port.map(ownPorts.contains) ?? true
        }
        return hosts.contains { $0.host == authority.host && ($0.port == nil || $0.port == authority.port) }
    }

    /// A page that was itself served through the proxy; its Host was checked.
    private func isServedHere(_ origin: String, host: String?) -> Bool {
        host.map { origin.lowercased() == "http://\($0.lowercased())" } ?? false
    }

    /// Takes the same time wherever the difference is.
    static func areEqual(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        var difference = left.count ^ right.count
        for index in 0..<right.count { difference |= Int(right[index] ^ (index < left.count ? left[index] : 0)) }
        return difference == 0
    }
}
