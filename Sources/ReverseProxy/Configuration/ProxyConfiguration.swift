public import Credentials
public import EventIO
public import HTTP1
public import TokenSources
public import Upstream

/// The whole configuration of one proxy: immutable, and validated by whoever creates it.
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

    /// The configured headers that a refresh does not send, because their values are secret and `session.refresh.url` is
    /// not the upstream's server. `session.refresh.headers` may name them.
    public var headersWithheldFromRefresh: [HeaderRule] {
        guard let recipe = session.refresh, let origin = recipe.origin, !origin.isSame(as: upstream) else { return [] }
        let named = Set(recipe.headers.map { $0.name.lowercased() })
        return headers.filter { $0.isSecret && !named.contains($0.name.lowercased()) }
    }

    /// The URL of the proxy that the configuration names, without credentials, and whether it has any; nil without one.
    public var plainProxy: (url: String, hasLogin: Bool)? { proxy.plainURL.map { ($0, proxy.mayHaveCredentials) } }

    /// The settings for libcurl's connections.
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

/// Which of the two fields with a credential is sent.
public enum AuthorizationRule: String, Sendable, CaseIterable {
    /// The session's replaces the client's.
    case replace
    /// The client's takes precedence.
    case fill
}

/// How the upstream's cookies are treated on their way to a client at a loopback name.
public enum CookieRule: String, Sendable, CaseIterable {
    /// They are made usable there. See `CookieMapping`.
    case local
    /// They stay as they are.
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

    /// Whether both are the same origin, however they are written (RFC 9110 section 4.3.1).
    func isSame(as other: Origin) -> Bool {
        isSecure == other.isSecure && port == other.port
            && authority.host.lowercased() == other.authority.host.lowercased()
    }

    /// What the Host field says: without the scheme's own port.
    public var host: String {
        let name = authority.host.contains(":") ? "[\(authority.host)]" : authority.host
        guard let port = authority.port, port != (isSecure ? 443 : 80) else { return name }
        return "\(name):\(port)"
    }

    public var description: String { (isSecure ? "https://" : "http://") + host }
}

/// A configured request header.
public struct HeaderRule: Sendable, Equatable {
    public var name: String
    /// `{uuid}` stands for a fresh UUID in each request, except in a secret that is kept elsewhere. Such a secret is
    /// empty here until it is read.
    public var value: String
    /// Takes precedence over the client's field.
    public var overwrite: Bool
    /// The place in the configuration, for `squire explain`.
    public var source: String
    /// The place of the value, if it is a secret; nil if it may be shown.
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

    /// The replacement for the value wherever it would be shown; nil if the value may be shown.
    public var shown: String? { secret?.shown ?? (isSecret ? SecretField.mark : nil) }

    /// The value contains no placeholders of Squire's.
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
    /// The file that it was read from.
    public var keyFile: String?
    public var sameUser = true
    public var allowRemote = false

    public init() {}
}

public struct Limits: Sendable, Equatable {
    public var head = 64 * 1024
    public var fields = 128
    /// Request bodies up to this size are kept in memory for a replay.
    public var replay = 1024 * 1024
    /// Larger bodies, up to this size, are kept in an unlinked temporary file.
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
    /// The answer to a request that needs a token when there is none.
    public enum Missing: String, Sendable, CaseIterable {
        case refuse, forward
    }

    /// The source of the session's tokens.
    public enum Source: Sendable, Equatable {
        /// A person provides them, and nothing refreshes them.
        case given
        /// There are none: only headers are added.
        case unused
        case recipe(Refresh)
        case oauth(OAuthConfiguration)
        case exec(ExecConfiguration)
        case tokenFile(TokenFileConfiguration)

        /// Its tokens are kept in the session file. Tokens that a command or a file can provide at any time are not.
        public var isKept: Bool {
            switch self {
            case .given, .recipe, .oauth: true
            case .unused, .exec, .tokenFile: false
            }
        }

        /// It provides a token at any time, without a login.
        public var startsAlone: Bool {
            switch self {
            case .given, .unused, .recipe: false
            case .oauth(let oauth): !oauth.grant.spends
            case .exec, .tokenFile: true
            }
        }
    }

    /// The recipe, if it is the source of tokens.
    public var refresh: Refresh? {
        get { if case .recipe(let recipe) = source { recipe } else { nil } }
        set { source = newValue.map(Source.recipe) ?? .given }
    }

    /// Whether the token in the answer to a sign-in becomes the session's: not if it would replace a pair, or tokens of
    /// another source.
    public var learnsTokens: Bool {
        switch source {
        case .given: true
        case .recipe(let recipe): recipe.refreshToken == nil
        case .unused, .oauth, .exec, .tokenFile: false
        }
    }

    /// The time limit for one attempt to get a token.
    public var timeout: Duration? {
        switch source {
        case .given, .unused, .tokenFile: nil
        case .recipe(let recipe): recipe.timeout
        case .oauth(let oauth): oauth.timeout
        case .exec(let exec): exec.timeout
        }
    }

    /// The refresh of a token: one request, and the place of the new token in its answer.
    public struct Refresh: Sendable, Equatable {
        public var method: String
        /// A path of the upstream, or of the server in `url`. `{token}` stands for the current token, percent-encoded.
        public var path: String
        /// A server other than the upstream, which then receives the token as well.
        public var origin: Origin?
        /// Take precedence over the configured headers. `{token}` stands for the current token. An empty value removes
        /// the field, so that an empty Authorization keeps the bearer out.
        public var headers: [HeaderRule] = []
        /// `{token}` stands for the current token, percent-encoded if the headers say that the body is a form.
        public var body: String?
        /// A JSON Pointer into the answer.
        public var token: String
        /// A JSON Pointer to the refresh token, if there is a separate one; the body or a header contains
        /// `{refresh-token}`.
        public var refreshToken: String?
        /// The place of the refresh token's lifetime in seconds.
        public var refreshExpiresIn: ExpiryReader.Place?
        /// The place of the token's lifetime in seconds.
        public var expiresIn: ExpiryReader.Place?
        /// The place of the token's end, in seconds since 1970 by the issuer's clock.
        public var expiresAt: String?
        public var timeout: Duration
        /// The responses after which the token can never be refreshed; nil for the usual ones. See `RecipeSource`.
        public var refused: [Rejection]?

        public init(method: String, path: String, token: String, timeout: Duration = .seconds(30)) {
            self.method = method
            self.path = path
            self.token = token
            self.timeout = timeout
        }
    }

    public var file: String?
    /// Configurations with the same name for the same upstream share the session.
    public var name: String?
    /// The engine that keeps the session for many machines; nil if the session is this machine's own.
    public var shared: SharedConfiguration?
    /// Text that is not a JSON Web Token does not count as a token.
    public var tokensAreJWTs = false
    /// The source of tokens.
    public var source = Source.given
    /// How a token is applied to a request.
    public var apply = CredentialApplication()
    public var margin = Duration.seconds(30)
    /// The token is refreshed once in this time, even if no request needs it.
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

    /// How long a request may wait for the session in all: one refresh, which is tried twice, and a margin.
    var waitLimit: Duration {
        guard let timeout else { return .seconds(20) }
        return timeout + timeout + .seconds(1)
    }
}
