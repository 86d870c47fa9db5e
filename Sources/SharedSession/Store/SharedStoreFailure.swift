/// Why the engine did not do what it was asked for.
public struct SharedStoreFailure: Error, Equatable, Sendable {
    public enum Kind: String, Sendable {
        /// No member answers.
        case unreachable
        /// A member answers that the engine cannot: no quorum, no leader, no room.
        case unavailable
        /// The user, the password, the role or the certificate is not enough.
        case denied
        /// Something is set up in a way that cannot work, here or there.
        case configuration
        /// The answer is none that the engine gives.
        case damaged
        /// The store was stopped.
        case stopped
    }

    public var kind: Kind
    /// One sentence for people, without its full stop. Holds no secret.
    public var detail: String
    /// What to do about it, a sentence; nil when nobody can tell.
    public var advice: String?

    public init(_ kind: Kind, _ detail: String, advice: String? = nil) {
        self.kind = kind
        self.detail = detail
        self.advice = advice
    }

    static let stopped = SharedStoreFailure(.stopped, "the store was stopped")
}
