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
    /// What to do about it, a sentence or two.
    public var advice: String
    /// The engine wants a client certificate, or another one.
    public var wantsCertificate = false

    /// `advice` where more is known than its kind.
    public init(_ kind: Kind, _ detail: String, advice: String? = nil) {
        self.kind = kind
        self.detail = detail
        self.advice = advice ?? kind.advice
    }

    /// The two, for people, without the last full stop.
    public var words: String {
        "\(detail). \(advice.hasSuffix(".") ? String(advice.dropLast()) : advice)"
    }

    static let stopped = SharedStoreFailure(.stopped, "this Squire ended before it answered")
}

extension SharedStoreFailure.Kind {
    /// What helps where no more is known.
    fileprivate var advice: String {
        switch self {
        case .unreachable: "Is it running, is this its address, and is nothing in between that cuts the connection?"
        case .unavailable: "That may pass by itself. If it stays, its own log and health tell more."
        case .denied: "Look at user, password and tls of session.shared, and at what they are allowed there."
        case .configuration: "Look at session.shared, and at how what it names is set up."
        case .damaged: "Is this its address? Something in between may answer in its place."
        case .stopped: "What waits for it, the next Squire here shares."
        }
    }
}
