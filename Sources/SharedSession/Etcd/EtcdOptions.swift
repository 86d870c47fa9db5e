public import Upstream

/// Which etcd keeps the shared value, and how it is reached.
public struct EtcdOptions: Sendable {
    /// `https://host:port` of each member, without a path.
    public var endpoints: [String]
    /// The whole key, as `squire/v1/session/NAME`.
    public var key: String
    /// Nil for an etcd without authentication, or with client certificates only.
    public var user: User?
    /// PEM files: authorities instead of the system's; the client certificate and its key.
    public var authorities: String?
    public var certificate: String?
    public var privateKey: String?
    public var proxy = UpstreamSettings.Proxy.none
    /// How long one member may take before the next is asked.
    public var patience = Duration.seconds(2)
    /// How often the value is read besides the watch, give or take half of it.
    public var readInterval = Duration.seconds(10)

    public struct User: Sendable {
        public var name: String
        /// Reads the password. Blocking; called once for each authentication.
        public var password: @Sendable () -> Result<String, SharedStoreFailure>

        public init(name: String, password: @escaping @Sendable () -> Result<String, SharedStoreFailure>) {
            self.name = name
            self.password = password
        }
    }

    public init(endpoints: [String], key: String, user: User? = nil) {
        self.endpoints = endpoints
        self.key = key
        self.user = user
    }
}

/// What happens between the store and etcd that people may want to know of.
public enum EtcdNotice: Equatable, Sendable {
    case authenticated(endpoint: String)
    /// A user is configured, and this etcd asks for none.
    case authenticationIsOff(endpoint: String)
    /// The next member is asked.
    case left(endpoint: String, SharedStoreFailure)
    /// Another cluster answers than before, by its number.
    case clusterChanged(from: String, to: String)
    /// A member is of another cluster than the others, and is not asked.
    case otherCluster(SharedStoreFailure)
    /// The watch ended or was refused; the value is read instead until it is open again.
    case watchEnded(SharedStoreFailure)
}
