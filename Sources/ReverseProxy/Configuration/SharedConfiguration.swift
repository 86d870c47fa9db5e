public import TokenSources

/// `session.shared`: which engine keeps the session of many machines, and under which name.
public struct SharedConfiguration: Sendable, Equatable {
    /// Keeps the session.
    public enum Engine: Sendable, Equatable {
        case etcd(Etcd)
        case kubernetes(Kubernetes)

        /// As the configuration calls it.
        public var name: String {
            switch self {
            case .etcd: "etcd"
            case .kubernetes: "kubernetes"
            }
        }
    }

    /// An etcd, by its members.
    public struct Etcd: Sendable, Equatable {
        /// Not empty, and none twice.
        public var endpoints: [Origin]
        /// Towards the members.
        public var tls = TLSConfiguration()
        /// Nil where etcd asks for none, or knows the client by its certificate.
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
        /// The file of the bearer token, which whoever put it there replaces. Nil where a client certificate says who we
        /// are, or something on loopback says it for us.
        public var tokenFile: String?
        /// Towards the API server.
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
    /// The session's, the same on every machine.
    public var name: String
    /// What stands before `/v1/session/NAME` in etcd.
    public var prefix: String
    /// The file with the keys that the session is sealed with.
    public var keyFile: String
    /// After that long a silence another machine takes over a refresh.
    public var takeover: Duration

    public static let usualPrefix = "squire"

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
