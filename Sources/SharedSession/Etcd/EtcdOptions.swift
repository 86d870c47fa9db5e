public import Upstream

/// The etcd that keeps the shared value, and how to reach it.
public struct EtcdOptions: Sendable {
    /// `https://host:port` of each member, without a path.
    public var endpoints: [String]
    /// The full key, such as `squire/v1/session/NAME`.
    public var key: String
    /// Nil for an etcd without authentication, or with client certificates only.
    public var user: User?
    /// Paths of PEM files: authorities to trust instead of the system's, and the client certificate with its key.
    public var authorities: String?
    public var certificate: String?
    public var privateKey: String?
    public var proxy = UpstreamSettings.Proxy.none
    /// The time limit of a request to one member, before the next one is asked.
    public var requestTimeout = Duration.seconds(2)
    /// The interval of the reads beside the watch, randomized by half of it in both directions.
    public var readInterval = Duration.seconds(10)

    public struct User: Sendable {
        public var name: String
        /// Reads the password. Blocks; called for each authentication.
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

/// Events in the store that people may want to know about.
public enum EtcdNotice: Equatable, Sendable {
    case authenticated(endpoint: String)
    /// A user is configured, but this etcd has authentication switched off.
    case authenticationIsOff(endpoint: String)
    /// The endpoint failed, and the next member is asked.
    case left(endpoint: String, SharedStoreFailure)
    /// Another cluster answers than before. The values are the clusters' identifiers.
    case clusterChanged(from: String, to: String)
    /// A member belongs to another cluster than the others, and is not asked.
    case otherCluster(SharedStoreFailure)
    /// The watch ended, or was refused. Until it is open again, the value is read at intervals.
    case watchEnded(SharedStoreFailure)
}
