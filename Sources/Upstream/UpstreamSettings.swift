/// How connections to the one upstream are made and secured.
public struct UpstreamSettings: Sendable, Equatable {
    public enum Proxy: Sendable, Equatable {
        /// Connect directly, whatever the environment says.
        case none
        /// `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy`, as curl(1) reads them.
        case environment
        /// An explicit proxy, `http://`, `https://`, `socks5://` or `socks5h://`, with credentials where it needs them.
        case url(String)

        /// Whether the configuration may contain credentials for the proxy: those in the environment are not read.
        public var mayHaveCredentials: Bool {
            switch self {
            case .none: false
            case .environment: true
            case .url(let text): text.contains("@")
            }
        }

        /// Whether the proxy is asked with CONNECT (RFC 9110 section 9.3.6), as far as is known.
        var usesConnect: Bool {
            switch self {
            case .none, .environment: false
            case .url(let text): text.hasPrefix("http")
            }
        }

        /// `host:port` of a configured proxy, without credentials; nil if only the environment knows.
        public var name: String? {
            guard case .url(let text) = self else { return nil }
            var rest = text[...]
            if let slashes = rest.utf8.firstIndex(of: UInt8(ascii: "/")) {
                rest = rest[slashes...].drop { $0 == "/" }
            }
            rest = rest.prefix { !"/?#".contains($0) }
            if let at = rest.lastIndex(of: "@") { rest = rest[rest.index(after: at)...] }
            return String(rest)
        }

        /// The URL of a configured proxy, without credentials; nil if only the environment knows.
        public var plainURL: String? {
            guard case .url(let text) = self, let name else { return nil }
            return text.firstIndex(of: "/").map { "\(text[..<$0])//\(name)" } ?? name
        }

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
    /// The proxy's name for display: `host:port`, without credentials. Nil if there is none.
    public var proxyName: String? {
        switch proxy {
        case .none: nil
        case .environment: "of the environment, if it names one"
        case .url: proxy.name
        }
    }

    /// True if the holder of the connected socket talks to the upstream directly.
    var isBare: Bool { !isSecure && !proxy.mayBeSecure }

    /// The descriptors of an established connection: for TLS libcurl keeps it in a handle of its own, which has a pair
    /// of sockets for waking it.
    public var descriptorsPerConnection: Int { isBare ? 1 : 3 }

    public var connectTimeout: Duration
    public var proxy: Proxy
    /// A PEM file of certificate authorities that replaces the system's.
    public var authorities: String?
    /// A PEM file of the client certificate, and one of its key.
    public var certificate: String?
    public var key: String?

    /// Whether connections depend on the contents of files.
    public var namesFiles: Bool { authorities != nil || certificate != nil || key != nil }

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
