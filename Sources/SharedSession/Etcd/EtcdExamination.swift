import Credentials
import Threads

/// Asks each member of an etcd by itself what it can do for a shared session, for whoever sets it up. Writes nothing.
public struct EtcdExamination: Sendable {
    /// A member, and what it said, or why it did not.
    public struct Member: Equatable, Sendable {
        public var endpoint: String
        public var result: Result<Answer, SharedStoreFailure>

        public init(endpoint: String, result: Result<Answer, SharedStoreFailure>) {
            self.endpoint = endpoint
            self.result = result
        }
    }

    /// What a linearizable read brought, which takes a quorum.
    public struct Answer: Equatable, Sendable {
        public var value: StoredValue?
        /// The engine's.
        public var revision: Int64
        /// The number of the cluster that it is a member of.
        public var cluster: String
        public var access: Access
        /// Why the key cannot be written; nil where it can.
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

    /// Whom it answers.
    public enum Access: Equatable, Sendable {
        /// A user with a password.
        case user(String)
        /// Whoever has a client certificate that it knows.
        case certificate
        /// Whoever reaches it.
        case anybody
    }

    /// Without a quorum a member answers after 7 seconds, and that is worth hearing.
    private static let patience = Duration.seconds(9)

    private let options: EtcdOptions

    public init(_ options: EtcdOptions) {
        self.options = options
    }

    /// What all members say, asked at the same time, in the order of the options. Blocking: 30 seconds at most, and more
    /// where a password is slow to come.
    public func members() -> [Member] {
        var options = options
        // A command may ask somebody for it: once will do.
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
        options.patience = patience
        return options
    }

    /// It answered without a token: whether it does so without a certificate, too.
    private static func accessWithoutUser(_ endpoint: String, _ options: EtcdOptions) -> Access {
        guard options.certificate != nil else { return .anybody }
        var options = alone(endpoint, options)
        options.user = nil
        options.certificate = nil
        options.privateKey = nil
        guard case .success? = EtcdClient(options, observe: { _ in })?.reading() else { return .certificate }
        return .anybody
    }

    /// Asks for a write that cannot happen: what it compares with was never there. Rights are looked at before.
    private static func writing(_ client: EtcdClient, _ value: StoredValue?) -> SharedStoreFailure? {
        let never = StoredValue(bytes: Array("\(SharedID.random())".utf8), revision: StoreRevision(etcd: .max))
        switch client.swap(expecting: never, with: value?.bytes ?? []) {
        case .conflict: return nil
        case .written: return SharedStoreFailure(.damaged, "\(client.member ?? "it") compares nothing before it writes")
        case .failed(let failure), .unclear(let failure): return failure
        }
    }
}
