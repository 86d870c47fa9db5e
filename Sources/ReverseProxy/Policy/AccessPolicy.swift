public import EventIO
public import HTTP1

/// Decides who may use the proxy: web pages, other users and rebound names must not get the credential.
public final class AccessPolicy: Sendable {
    private let hosts: [Authority]
    private let origins: [[UInt8]]
    private let key: [UInt8]?
    private let upstream: Authority?
    private let upstreamPort: Int
    private let ownPorts: [Int]

    /// `ownHosts` are the names of the listeners, in addition to the loopback names, which are always accepted;
    /// `ownPorts` are their ports. `upstream` is nil for a server without one: no name is the upstream's then.
    public init(_ access: AccessConfiguration, upstream: Origin?, ownHosts: [Authority], ownPorts: [Int] = []) {
        hosts = access.hosts.compactMap(Authority.init) + ownHosts
        origins = access.origins.map { Array($0.lowercased().utf8) }
        key = access.key
        self.upstream = upstream?.authority
        upstreamPort = upstream?.port ?? 0
        self.ownPorts = ownPorts
    }

    /// The policy of a proxy with that configuration and those listeners.
    public convenience init(_ configuration: ProxyConfiguration, listeners: [ListenAddress]) {
        self.init(
            configuration.access,
            upstream: configuration.upstream,
            ownHosts: listeners.compactMap(\.ownName),
            ownPorts: listeners.compactMap(\.port)
        )
    }

    /// The facts in a head about its sender. Nil values are absent fields; the values of a repeated field are joined
    /// with a comma (RFC 9110 section 5.3), which no rule accepts as proof.
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
    /// - Parameter isPreflight: The request is a browser's preflight, which Squire answers itself and which carries no
    /// key (Fetch section 4.8).
    public func denial(_ request: Request, isPreflight: Bool = false) -> Problem? {
        if let problem = nameDenial(request) ?? pageDenial(request) { return problem }
        // Squire answers a preflight itself.
        return isPreflight ? nil : keyDenial(request)
    }

    /// Why the request is not for this server, judged by its Host and by the authority of an absolute-form target.
    public func nameDenial(_ request: Request) -> Problem? {
        if let target = request.targetAuthority, !isOwn(target, isTarget: true) { return .misdirected }
        if let host = request.host, !isOwn(host) { return .misdirected }
        return nil
    }

    /// Why the page that caused the request may not send it.
    public func pageDenial(_ request: Request) -> Problem? {
        if let purpose = request.purpose?.lowercased(), purpose.contains("prefetch") || purpose.contains("prerender") {
            // Browsers send it with `Sec-Fetch-Site: none`, as if the person had typed the address, whichever page
            // caused it.
            return .speculative
        }
        if let origin = request.origin {
            let isOwnPage =
                isServedHere(origin, host: request.host) && request.fetchSite ?? "same-origin" == "same-origin"
            guard isConfigured(origin) || isOwnPage else { return .forbiddenOrigin }
        } else if let site = request.fetchSite {
            // Every other value, including future ones, means that another site caused the request.
            guard site == "none" || site == "same-origin" else { return .forbiddenOrigin }
        }
        return nil
    }

    /// Why the request needs a key, or a different one.
    public func keyDenial(_ request: Request) -> Problem? {
        if let key {
            guard let given = request.key, Self.areEqual(given, key) else { return .wrongKey }
        } else if request.fetchSite == nil, Self.isBrowser(request.userAgent), !isSecureContext(request) {
            return .unprovenPage
        }
        return nil
    }

    /// Whether browsers tell which page a request comes from: without https they do so for loopback names only (Fetch
    /// Metadata section 2).
    private func isSecureContext(_ request: Request) -> Bool {
        [request.host, request.targetAuthority].allSatisfy { name in
            guard let name else { return true }
            guard let authority = Authority(name) else { return false }
            return authority.isLoopbackAddress || authority.host == "localhost"
        }
    }

    /// The User-Agent of every browser begins with this, and that of hardly any tool does.
    private static func isBrowser(_ userAgent: String?) -> Bool {
        guard let userAgent else { return false }
        // The values of a repeated field are joined with a comma and a blank.
        return " \(userAgent)".utf8.split(separator: UInt8(ascii: ",")).contains { $0.starts(with: " Mozilla/".utf8) }
    }

    /// Whether `access.origins` lists `origin`: its pages may read responses, too.
    public func isConfigured(_ origin: String) -> Bool {
        origins.contains(Array(origin.lowercased().utf8))
    }

    /// Each request must present a key, so the fast path, which only remembers the last accepted Host, does not apply.
    public var needsKey: Bool { key != nil }

    /// Whether the authority of an absolute-form target is the upstream's and not Squire's own.
    func isUpstream(_ text: String) -> Bool {
        guard let authority = Authority(text), authority.host == upstream?.host else { return false }
        if let port = authority.port { return port == upstreamPort }
        // If both servers run on this machine, an authority without a port means the upstream only if its URL has no
        // port either.
        return !authority.isLoopback || upstreamPort == 80 || upstreamPort == 443
    }

    /// Whether the name is Squire's or the upstream's.
    ///
    /// - Parameter isTarget: The name is the authority of an absolute-form target. Another port of this machine there
    /// means another server, for a client that uses Squire as its HTTP proxy. In Host, another port may be the origin
    /// of a port forwarding.
    private func isOwn(_ text: String, isTarget: Bool = false) -> Bool {
        guard let authority = Authority(text) else { return false }
        if authority.host == upstream?.host, (authority.port ?? upstreamPort) == upstreamPort { return true }
        // Excludes names under `localhost.`: whether they stay on this machine depends on the browser's resolver.
        if authority.isLoopbackAddress || authority.host == "localhost" {
            return !isTarget || authority.port.map(ownPorts.contains) ?? true
        }
        return hosts.contains { $0.host == authority.host && ($0.port == nil || $0.port == authority.port) }
    }

    /// The page itself was served through the proxy, which checked its Host.
    private func isServedHere(_ origin: String, host: String?) -> Bool {
        host.map { origin.lowercased() == "http://\($0.lowercased())" } ?? false
    }

    /// Takes the same time wherever the first difference is.
    static func areEqual(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        var difference = left.count ^ right.count
        for index in 0..<right.count { difference |= Int(right[index] ^ (index < left.count ? left[index] : 0)) }
        return difference == 0
    }
}
