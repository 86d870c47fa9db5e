/// Why the engine did not do what it was asked for.
public struct SharedStoreFailure: Error, Equatable, Sendable {
    public enum Kind: String, Sendable {
        /// No member answers.
        case unreachable
        /// A member answers, but the engine cannot serve: no quorum, no leader, no space.
        case unavailable
        /// The user, password, role or certificate does not permit it.
        case denied
        /// Something is misconfigured, on this machine or in the engine.
        case configuration
        /// The answer is not one that the engine gives.
        case damaged
        /// The store was stopped.
        case stopped
    }

    public var kind: Kind
    /// One sentence for people, without its full stop. Contains no secret.
    public var detail: String
    /// What to do about it, in one or two sentences.
    public var advice: String
    /// The engine wants a client certificate, or another one.
    public var wantsCertificate = false

    /// `advice` replaces the general advice for `kind`.
    public init(_ kind: Kind, _ detail: String, advice: String? = nil) {
        self.kind = kind
        self.detail = detail
        self.advice = advice ?? kind.advice
    }

    /// Detail and advice for people, without the last full stop.
    public var words: String {
        "\(detail). \(advice.hasSuffix(".") ? String(advice.dropLast()) : advice)"
    }

    static let stopped = SharedStoreFailure(.stopped, "this Squire ended before it answered")
}

extension SharedStoreFailure.Kind {
    /// General advice for this kind of failure.
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
