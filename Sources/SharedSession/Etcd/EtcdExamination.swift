import Credentials
import Threads

/// Asks each etcd member separately what it can do for a shared session, for `squire check --online`. Writes nothing.
public struct EtcdExamination: Sendable {
    /// A member, and its answer or failure.
    public struct Member: Equatable, Sendable {
        public var endpoint: String
        public var result: Result<Answer, SharedStoreFailure>

        public init(endpoint: String, result: Result<Answer, SharedStoreFailure>) {
            self.endpoint = endpoint
            self.result = result
        }
    }

    /// The result of a linearizable read, which requires a quorum.
    public struct Answer: Equatable, Sendable {
        public var value: StoredValue?
        /// etcd's revision at the time of the read.
        public var revision: Int64
        /// The identifier of the member's cluster.
        public var cluster: String
        public var access: Access
        /// Why the key cannot be written; nil if it can.
        public var writing: SharedStoreFailure?

        public init(
            value: StoredValue?,
            revision: Int64,
            cluster: String,
            access: Access,
            writing: SharedStoreFailure? = nil
        ) {
            self.value = value
            self.revision = revision
            self.cluster = cluster
            self.access = access
            self.writing = writing
        }
    }

    /// Who may read the key.
    public enum Access: Equatable, Sendable {
        /// The user with that name, by its password.
        case user(String)
        /// A client with a certificate that the member trusts.
        case certificate
        /// Anybody who can connect.
        case anybody
    }

    /// A member without a quorum answers after 7 seconds, and its answer says so.
    private static let timeout = Duration.seconds(9)

    private let options: EtcdOptions

    public init(_ options: EtcdOptions) {
        self.options = options
    }

    /// Asks all members at the same time. The results are in the order of the options. Blocks for 30 seconds at most,
    /// plus the time to read the password.
    public func members() -> [Member] {
        var options = options
        // Read the password once for all members: its command may ask a person.
        options.user = options.user.map { user in
            let password = user.password()
            return EtcdOptions.User(name: user.name) { password }
        }
        let asked = options.endpoints.map { endpoint in
            let thread = WorkThread(name: "etcd-member")
            let latch = Latch<Result<Answer, SharedStoreFailure>>()
            let isAsked = thread.execute { [options] in latch.set(Self.ask(endpoint, options)) }
            if !isAsked { latch.set(.failure(SharedStoreFailure(.unavailable, "the system starts no thread"))) }
            return (endpoint, thread, latch)
        }
        return asked.map { endpoint, thread, latch in
            let member = Member(endpoint: endpoint, result: latch.wait())
            _ = thread.finish(timeout: .seconds(1))
            return member
        }
    }

    private static func ask(_ endpoint: String, _ options: EtcdOptions) -> Result<Answer, SharedStoreFailure> {
        let isAuthenticated = Guarded(false)
        let client = EtcdClient(alone(endpoint, options)) { notice in
            if case .authenticated = notice { isAuthenticated.with { $0 = true } }
        }
        guard let client else { return .failure(.stopped) }
        return client.reading().map { reading in
            Answer(
                value: reading.value,
                revision: reading.revision,
                cluster: reading.cluster,
                access: options.user.flatMap { user in isAuthenticated.with { $0 } ? .user(user.name) : nil }
                    ?? accessWithoutUser(endpoint, options),
                writing: writing(client, reading.value)
            )
        }
    }

    private static func alone(_ endpoint: String, _ options: EtcdOptions) -> EtcdOptions {
        var options = options
        options.endpoints = [endpoint]
        options.requestTimeout = timeout
        return options
    }

    /// How a member that answered without a token grants access: to everybody, or only to clients with a certificate.
    private static func accessWithoutUser(_ endpoint: String, _ options: EtcdOptions) -> Access {
        guard options.certificate != nil else { return .anybody }
        var options = alone(endpoint, options)
        options.user = nil
        options.certificate = nil
        options.privateKey = nil
        guard case .success? = EtcdClient(options, observe: { _ in })?.reading() else { return .certificate }
        return .anybody
    }

    /// Why the member does not write; nil if it does. Sends a write that must fail, because it expects a value that
    /// never existed. etcd checks permissions before it compares.
    private static func writing(_ client: EtcdClient, _ value: StoredValue?) -> SharedStoreFailure? {
        let never = StoredValue(bytes: Array("\(SharedID.random())".utf8), revision: StoreRevision(etcd: .max))
        switch client.swap(expecting: never, with: value?.bytes ?? []) {
        case .conflict: return nil
        case .written: return SharedStoreFailure(.damaged, "\(client.member ?? "it") compares nothing before it writes")
        case .failed(let failure), .unclear(let failure): return failure
        }
    }
}
