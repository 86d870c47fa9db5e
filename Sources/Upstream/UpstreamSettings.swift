/// How connections to the one upstream are made and secured.
public struct UpstreamSettings: Sendable, Equatable {
    public enum Proxy: Sendable, Equatable {
        /// Connect directly, whatever the environment says.
        case none
        /// `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy`, as curl(1) reads them.
        case environment
        /// An explicit proxy, `http://`, `https://`, `socks5://` or `socks5h://`, with credentials where it needs them.
        case url(String)

        /// Whether connections to it may be TLS: for `environment` it is not looked up.
        var mayBeSecure: Bool {
            switch self {
            case .none: false
            case .environment: true
            case .url(let text): text.hasPrefix("https:")
            }
        }
    }

    /// `https://host[:port]`, without a path.
    public var origin: String
    public var isSecure: Bool
    /// Nothing but the kernel is between the upstream and whoever has the connected socket.
    var isBare: Bool { !isSecure && !proxy.mayBeSecure }
    public var connectTimeout: Duration
    public var proxy: Proxy
    /// A PEM file of certificate authorities that replaces the system's.
    public var authorities: String?
    /// A PEM file of the client certificate, and one of its key.
    public var certificate: String?
    public var key: String?

    public init(
        origin: String,
        connectTimeout: Duration = .seconds(10),
        proxy: Proxy = .none,
        authorities: String? = nil,
        certificate: String? = nil,
        key: String? = nil
    ) {
        self.origin = origin
        isSecure = origin.hasPrefix("https:")
        self.connectTimeout = connectTimeout
        self.proxy = proxy
        self.authorities = authorities
        self.certificate = certificate
        self.key = key
    }
}
