public import Credentials
import Upstream

/// What the authorization server answered to one token request.
public struct TokenReply: Sendable {
    public var outcome: TokenOutcome
    /// The answer's `error` word (RFC 6749 section 5.2, RFC 8628 section 3.5), such as `authorization_pending`.
    public var error: String?
    /// Seconds between two questions, where the answer says so (RFC 8628 section 3.2).
    public var interval: Int?

    public init(_ outcome: TokenOutcome, error: String? = nil, interval: Int? = nil) {
        self.outcome = outcome
        self.error = error
        self.interval = interval
    }
}

/// Why an endpoint, or what it was asked for, cannot be had. Says nothing of what is held.
public enum EndpointFailure: Error, Equatable, Sendable {
    /// Something in the configuration, or the server's metadata, is wrong.
    case misconfigured(String)
    /// It failed for now; `retryAfter` is the seconds that the server asked for. `isTimeout`, here and below: it took too
    /// long.
    case unavailable(String, retryAfter: Int? = nil, isTimeout: Bool = false)
    /// Nothing was sent.
    case unreachable(String, isTimeout: Bool = false)

    /// What asking `what` came to.
    init(_ failure: BlockingRequest.Failure, of what: String) {
        switch failure {
        case .notSent(let error):
            self = .unreachable("\(what): \(error.explained)", isTimeout: error.kind == .timeout)
        case .noResponse(let error): self = .unavailable("\(what): \(error.detail)", isTimeout: error.kind == .timeout)
        }
    }

    public var reason: String {
        switch self {
        case .misconfigured(let reason), .unavailable(let reason, _, _), .unreachable(let reason, _): reason
        }
    }

    public var outcome: TokenOutcome {
        switch self {
        case .misconfigured(let reason): .misconfigured(reason: reason)
        case .unavailable(let reason, let retryAfter, let isTimeout):
            .unavailable(reason: reason, retryAfter: retryAfter, isTimeout: isTimeout)
        case .unreachable(let reason, let isTimeout): .unreachable(reason: reason, isTimeout: isTimeout)
        }
    }
}

/// What a token request costs.
public enum TokenPurpose: Equatable, Sendable {
    /// What is sent can be used once: a refresh token, a code, a device code.
    case spend
    /// It can be asked again at any time.
    case mint

    /// For what only the first kind needs.
    var spends: Bool { self == .spend }
}
