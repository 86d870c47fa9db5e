public import TokenSources

/// `session.shared`: the engine that keeps the session for many machines, and the session's name there.
public struct SharedConfiguration: Sendable, Equatable {
    /// The store of the session.
    public enum Engine: Sendable, Equatable {
        case etcd(Etcd)
        case kubernetes(Kubernetes)

        /// The engine's name in the configuration.
        public var name: String {
            switch self {
            case .etcd: "etcd"
            case .kubernetes: "kubernetes"
            }
        }
    }

    /// An etcd cluster, given by its members.
    public struct Etcd: Sendable, Equatable {
        /// Not empty, without duplicates.
        public var endpoints: [Origin]
        /// For connections to the members.
        public var tls = TLSConfiguration()
        /// Nil if etcd requires no user, or identifies the client by its certificate.
        public var user: User?

        public init(endpoints: [Origin]) {
            self.endpoints = endpoints
        }
    }

    /// A Secret of a Kubernetes cluster.
    public struct Kubernetes: Sendable, Equatable {
        /// The API server.
        public var server: Origin
        public var namespace: String
        public var secret: String
        /// The file with the bearer token, which its owner replaces from time to time. Nil if a client certificate, or
        /// a proxy on loopback, authenticates us.
        public var tokenFile: String?
        /// For connections to the API server.
        public var tls = TLSConfiguration()

        public init(server: Origin, namespace: String, secret: String, tokenFile: String? = nil) {
            self.server = server
            self.namespace = namespace
            self.secret = secret
            self.tokenFile = tokenFile
        }
    }

    public struct User: Sendable, Equatable {
        public var name: String
        public var password: SecretValue

        public init(name: String, password: SecretValue) {
            self.name = name
            self.password = password
        }
    }

    public var engine: Engine
    /// The session's name, the same on every machine.
    public var name: String
    /// The part before `/v1/session/NAME` in etcd.
    public var prefix: String
    /// The file with the keys that seal the session.
    public var keyFile: String
    /// After a silence of this length another machine takes over a refresh.
    public var takeover: Duration

    public static let usualPrefix = "squire"
    /// How long a refresh may take; `timeout` is the source's limit, if it has one.
    public static func refreshTime(_ timeout: Duration?) -> Duration { timeout ?? .seconds(30) }

    /// The shortest `takeover` if a refresh may take `timeout`: after a shorter one, a machine that still waits for its
    /// answer would be taken for dead, and the token would be sent twice.
    public static func leastTakeover(_ timeout: Duration?) -> Duration { refreshTime(timeout) + .seconds(5) }

    /// The `takeover` without one in the file.
    public static func usualTakeover(_ timeout: Duration?) -> Duration { leastTakeover(timeout) + .seconds(5) }

    public init(
        engine: Engine,
        name: String,
        prefix: String = usualPrefix,
        keyFile: String,
        takeover: Duration
    ) {
        self.engine = engine
        self.name = name
        self.prefix = prefix
        self.keyFile = keyFile
        self.takeover = takeover
    }

    /// The session's place in the engine: etcd's key, or the Secret with its namespace.
    public var place: String {
        switch engine {
        case .etcd: "\(prefix)/v1/session/\(name)"
        case .kubernetes(let kubernetes): "\(kubernetes.namespace)/\(kubernetes.secret)"
        }
    }
}
