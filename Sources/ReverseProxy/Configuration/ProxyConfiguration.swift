public import Credentials
import EventIO
public import HTTP1
public import TokenSources
public import Upstream

/// Everything one proxy is told: immutable, checked by whoever makes it.
public struct ProxyConfiguration: Sendable, Equatable {
    public var upstream: Origin
    /// The path of the upstream's URL, such as `/v1`, without a slash at its end; empty without one. See `BasePath`.
    public var basePath = ""
    public var cookies = CookieRule.local
    public var listen: [ListenAddress] = [.tcp(host: "localhost", port: 8080)]
    public var headers: [HeaderRule] = []
    public var authorization = AuthorizationRule.replace
    public var session = SessionConfiguration()
    public var tls = TLSConfiguration()
    public var proxy = UpstreamSettings.Proxy.none
    public var access = AccessConfiguration()
    public var limits = Limits()
    public var timeouts = Timeouts()
    public var inspector = InspectorSettings()
    /// Event loops; 0 means one for each core.
    public var workers = 1

    public init(upstream: Origin) {
        self.upstream = upstream
    }

    /// Where requests go: scheme, host, port and base path.
    public var upstreamURL: String { upstream.description + basePath }

    /// How libcurl is to connect.
    public var upstreamSettings: UpstreamSettings {
        UpstreamSettings(
            origin: upstream.description,
            connectTimeout: timeouts.connect,
            proxy: proxy,
            authorities: tls.authorities,
            certificate: tls.certificate,
            key: tls.key
        )
    }
}

/// Whose field goes along, of the two that carry a credential.
public enum AuthorizationRule: String, Sendable, CaseIterable {
    /// The session's replaces the client's.
    case replace
    /// The client's wins.
    case fill
}

/// What becomes of the upstream's cookies on their way to a client at a loopback name.
public enum CookieRule: String, Sendable, CaseIterable {
    /// They are made usable there. See `CookieMapping`.
    case local
    /// Nothing.
    case keep
}

/// Scheme, host and port of the upstream.
public struct Origin: Sendable, Equatable, CustomStringConvertible {
    public var isSecure: Bool
    public var authority: Authority

    public init(isSecure: Bool, authority: Authority) {
        self.isSecure = isSecure
        self.authority = authority
    }

    public var port: Int { authority.port ?? (isSecure ? 443 : 80) }

    /// What the Host field says: without the scheme's own port.
    public var host: String {
        let name = authority.host.contains(":") ? "[\(authority.host)]" : authority.host
        guard let port = authority.port, port != (isSecure ? 443 : 80) else { return name }
        return "\(name):\(port)"
    }

    public var description: String { (isSecure ? "https://" : "http://") + host }
}

/// Where to accept connections.
public enum ListenAddress: Sendable, Equatable, CustomStringConvertible {
    case tcp(host: String, port: Int)
    case unix(path: String)

    /// `HOST:PORT`, `unix:PATH`, or a port of this machine.
    public init?(_ text: String) {
        if !text.isEmpty, text.utf8.allSatisfy(Octet.isDigit) {
            guard let port = Int(text), port <= 65_535 else { return nil }
            self = .tcp(host: "localhost", port: port)
            return
        }
        if let path = UnixSpelling.path(text) {
            // Addresses are printed, a line each.
            guard !path.isEmpty, path.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else { return nil }
            self = .unix(path: path)
            return
        }
        guard let authority = Authority(text), let port = authority.port else { return nil }
        self = .tcp(host: authority.host, port: port)
    }

    public var description: String {
        switch self {
        case .tcp(let host, let port): SocketAddress(host: host, port: port).description
        case .unix(let path): UnixSpelling.text(path)
        }
    }

    /// Only this machine can connect.
    public var isLocal: Bool {
        switch self {
        case .tcp(let host, _): Authority(host: host, port: nil).isLoopback
        case .unix: true
        }
    }
}

/// A configured request header.
public struct HeaderRule: Sendable, Equatable {
    public var name: String
    /// `{uuid}` stands for a fresh UUID in each request, but not in a secret that is kept elsewhere. Of such a one it is
    /// empty until that is read.
    public var value: String
    /// Wins over the client's.
    public var overwrite: Bool
    /// Where it was configured, for `squire explain`.
    public var source: String
    /// Where the value is kept, if it is a secret; nil if it may be shown.
    public var secret: SecretReference?

    public init(
        name: String,
        value: String,
        overwrite: Bool = false,
        source: String = "",
        secret: SecretReference? = nil
    ) {
        self.name = name
        self.value = value
        self.overwrite = overwrite
        self.source = source
        self.secret = secret
    }

    /// The value must not be shown.
    public var isSecret: Bool { secret != nil || SecretField.isNamed(name) }

    /// What stands for the value where it would be shown; nil if that may be shown itself.
    public var shown: String? { secret?.shown ?? (isSecret ? SecretField.mark : nil) }

    /// Placeholders in the value are its own.
    var isLiteral: Bool {
        switch secret {
        case nil, .plain: false
        case .environment, .file, .command: true
        }
    }
}

public struct TLSConfiguration: Sendable, Equatable {
    public var authorities: String?
    public var certificate: String?
    public var key: String?

    public init() {}
}

public struct AccessConfiguration: Sendable, Equatable {
    public var hosts: [String] = []
    public var origins: [String] = []
    /// The secret that clients must send as `X-Squire-Key`.
    public var key: [UInt8]?
    /// Where it was read from.
    public var keyFile: String?
    public var sameUser = true
    public var allowRemote = false

    public init() {}
}

public struct Limits: Sendable, Equatable {
    public var head = 64 * 1024
    public var fields = 128
    /// Request bodies up to this are kept in memory to be sent again.
    public var replay = 1024 * 1024
    /// Beyond `replay`, up to this, in an unlinked temporary file.
    public var replayDisk = 64 * 1024 * 1024
    public var connections = 1024

    public init() {}

    var heads: HeadLimits { HeadLimits(head: head, fields: fields, target: max(head / 2, 1)) }
}

public struct Timeouts: Sendable, Equatable {
    public var head = Duration.seconds(10)
    public var idle = Duration.seconds(60)
    public var connect = Duration.seconds(10)
    public var firstByte = Duration.seconds(300)
    public var body = Duration.seconds(60)
    public var shutdown = Duration.seconds(10)

    public init() {}
}

public struct SessionConfiguration: Sendable, Equatable {
    /// What a request without a usable token gets.
    public enum Missing: String, Sendable, CaseIterable {
        case refuse, forward
    }

    /// Where the session's tokens come from.
    public enum Source: Sendable, Equatable {
        /// A person gives them, and nothing refreshes them.
        case given
        /// There are none: only headers are added.
        case unused
        case recipe(Refresh)
        case oauth(OAuthConfiguration)
        case exec(ExecConfiguration)
        case tokenFile(TokenFileConfiguration)

        /// Its tokens are kept in the session file. What a command or a file gives at any time is not.
        public var isKept: Bool {
            switch self {
            case .given, .recipe, .oauth: true
            case .unused, .exec, .tokenFile: false
            }
        }

        /// It gives a token at any time, and needs nobody's login.
        public var startsAlone: Bool {
            switch self {
            case .given, .unused, .recipe: false
            case .oauth(let oauth): !oauth.grant.spends
            case .exec, .tokenFile: true
            }
        }
    }

    /// The recipe, if that is where tokens come from.
    public var refresh: Refresh? {
        get { if case .recipe(let recipe) = source { recipe } else { nil } }
        set { source = newValue.map(Source.recipe) ?? .given }
    }

    /// Whether the token in the answer to a sign-in becomes the session's: not where it would take the place of a pair, or
    /// of what another source gives.
    public var learnsTokens: Bool {
        switch source {
        case .given: true
        case .recipe(let recipe): recipe.refreshToken == nil
        case .unused, .oauth, .exec, .tokenFile: false
        }
    }

    /// How long one try to get a token may take.
    public var timeout: Duration? {
        switch source {
        case .given, .unused, .tokenFile: nil
        case .recipe(let recipe): recipe.timeout
        case .oauth(let oauth): oauth.timeout
        case .exec(let exec): exec.timeout
        }
    }

    /// How a token is refreshed: one request, and where its answer holds the new token.
    public struct Refresh: Sendable, Equatable {
        public var method: String
        /// Of the upstream; with `url`, of that. `{token}` stands for the current token, percent-encoded.
        public var path: String
        /// Another server than the upstream, which the token then goes to as well.
        public var origin: Origin?
        /// Win over the configured headers. `{token}` stands for the current token. An empty value means "not at all",
        /// so that an empty Authorization keeps the bearer out.
        public var headers: [HeaderRule] = []
        /// `{token}` stands for the current token, percent-encoded when the headers say that this is a form.
        public var body: String?
        /// A JSON Pointer into the answer.
        public var token: String
        /// The same for the refresh token, where there is one of its own; the body or a header says `{refresh-token}`.
        public var refreshToken: String?
        /// The same for how many seconds that lives.
        public var refreshExpiresIn: ExpiryReader.Place?
        /// The same for how many seconds the token lives.
        public var expiresIn: ExpiryReader.Place?
        /// The same for when it ends, seconds since 1970 by the issuer's clock.
        public var expiresAt: String?
        public var timeout: Duration
        /// Which responses say that the token can never be refreshed; nil for the usual ones. See `RecipeSource`.
        public var refused: [Rejection]?

        public init(method: String, path: String, token: String, timeout: Duration = .seconds(30)) {
            self.method = method
            self.path = path
            self.token = token
            self.timeout = timeout
        }
    }

    public var file: String?
    /// Configurations that say the same name for the same upstream share the session.
    public var name: String?
    /// The engine that keeps the session for many machines; nil where it is this machine's own.
    public var shared: SharedConfiguration?
    /// What is no JSON Web Token is not taken for a token.
    public var tokensAreJWTs = false
    /// Where tokens come from.
    public var source = Source.given
    /// How a token goes onto a request.
    public var apply = CredentialApplication()
    public var margin = Duration.seconds(30)
    /// A token is refreshed once in that time, though nobody asks.
    public var keepAlive: Duration?
    /// A refresh whose answer was lost is tried once more with the same token.
    public var retriesLost = true
    public var signIn: [RoutePattern] = []
    public var signOut: [RoutePattern] = []
    public var anonymous: [RoutePattern] = []
    public var missing = Missing.refuse
    public var rejected = [Rejection(status: 401)]
    public var probe: Probe?

    public init() {}

    /// How long a request may wait for the session, in all: one refresh, which is tried twice, and a moment.
    var waitLimit: Duration {
        guard let timeout else { return .seconds(20) }
        return timeout + timeout + .seconds(1)
    }
}
