public import TokenSources

/// `session.shared`: which engine keeps the session of many machines, and under which name.
public struct SharedConfiguration: Sendable, Equatable {
    /// Keeps the session.
    public enum Engine: Sendable, Equatable {
        case etcd(Etcd)

        /// As the configuration calls it.
        public var name: String {
            switch self {
            case .etcd: "etcd"
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
    /// What stands before `/v1/session/NAME` in the engine.
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

    /// The session's key in the engine.
    public var place: String { "\(prefix)/v1/session/\(name)" }
}
