public import EventIO
import HTTP1
public import LocalServer
public import ReverseProxy

/// Decides who may use the inspector. Its rules are stricter than the proxy's: neither the upstream's name nor
/// `access.origins` is accepted. Pure.
public struct InspectorAccess: Sendable {
    private let policy: AccessPolicy
    /// The socket's port; nil for a Unix socket, which no page can reach.
    private let port: Int?
    private let key: [UInt8]?

    /// `address` is that of the inspector's socket.
    public init(_ access: AccessConfiguration, address: ListenAddress) {
        var access = access
        access.origins = []
        key = access.key
        switch address {
        case .tcp(let host, let port):
            self.port = port
            policy = AccessPolicy(
                access,
                upstream: nil,
                ownHosts: [Authority(host: host, port: port)],
                ownPorts: [port]
            )
        case .unix:
            port = nil
            policy = AccessPolicy(access, upstream: nil, ownHosts: [])
        }
    }

    /// Whether requests must present a key that `former` did not ask for.
    func asksAnotherKey(than former: InspectorAccess) -> Bool { key != nil && key != former.key }

    /// Whether a key is configured, which requests must present that show or change anything.
    public var needsKey: Bool { policy.needsKey }

    /// Why the request is refused regardless of its purpose, judged by its Host and target, then by the page that sent
    /// it; nil if it is not.
    public func denial(of request: LocalRequest) -> Problem? {
        guard request["Host"] != nil || port == nil else { return .hostMissing }
        let asked = Self.asked(request)
        if let origin = request.origin, !isOwn(origin) { return .inspectorMisdirected }
        if policy.nameDenial(asked) != nil { return .inspectorMisdirected }
        if let problem = policy.pageDenial(asked) { return problem == .forbiddenOrigin ? .foreignPage : problem }
        // If there is a key, requests without it show nothing.
        return needsKey ? nil : policy.keyDenial(asked)
    }

    /// Why the request needs a key, or a different one; nil if it does not.
    public func keyDenial(of request: LocalRequest) -> Problem? {
        needsKey && policy.keyDenial(Self.asked(request)) != nil ? .inspectorKey : nil
    }

    /// Whether the target's scheme and authority are this server's.
    private func isOwn(_ origin: String) -> Bool {
        guard let name = origin.lowercased().hasPrefix("http://") ? Authority(String(origin.dropFirst(7))) : nil else {
            return false
        }
        // The default port is 80 (RFC 9110 section 4.2.1), which is accepted for Unix sockets only.
        return (name.port ?? 80) == (port ?? 80)
    }

    private static func asked(_ request: LocalRequest) -> AccessPolicy.Request {
        AccessPolicy.Request(
            host: request.joined("Host"),
            targetAuthority: request.origin.map { String($0.drop { $0 != "/" }.dropFirst(2)) },
            origin: request.joined("Origin"),
            fetchSite: request.joined("Sec-Fetch-Site"),
            purpose: ["Sec-Purpose", "Purpose"].compactMap(request.joined).joined(separator: ", "),
            userAgent: request.joined("User-Agent"),
            key: key(request).map { Array($0.utf8) }
        )
    }

    /// The key in the request: `X-Squire-Key`, or else the bearer, for clients that can send no other field. Never a
    /// Basic password, which browsers add by themselves.
    private static func key(_ request: LocalRequest) -> String? {
        if let key = request.joined("X-Squire-Key") { return key }
        guard let given = request.joined("Authorization"), given.lowercased().hasPrefix("bearer ") else { return nil }
        return String(given.dropFirst(7).drop { $0 == " " })
    }
}

extension Problem {
    static let hostMissing = Problem(.badRequest, detail: "Host is missing: it says which server is meant.")
    static let inspectorMisdirected = Problem(
        .misdirectedRequest,
        detail: "The Host, or the target's host, is not the inspector's. Use localhost or 127.0.0.1 and its port, "
            + "or list the name in access.hosts."
    )
    static let foreignPage = Problem(
        .forbiddenOrigin,
        detail: "A web page of another origin may not ask the inspector, not even one that access.origins names."
    )
    static let inspectorKey = Problem(
        .wrongKey,
        detail: "The key of access.key is missing or wrong: send it as X-Squire-Key, or as Authorization: Bearer KEY."
    )
}
