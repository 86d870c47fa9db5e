public import Credentials
import Upstream

/// The authorization server's response to one token request.
public struct TokenReply: Sendable {
    public var outcome: TokenOutcome
    /// The response's error code (RFC 6749 section 5.2, RFC 8628 section 3.5), such as `authorization_pending`.
    public var error: String?
    /// The polling interval in seconds that the response names (RFC 8628 section 3.2).
    public var interval: Int?

    public init(_ outcome: TokenOutcome, error: String? = nil, interval: Int? = nil) {
        self.outcome = outcome
        self.error = error
        self.interval = interval
    }
}

/// Why a request to an endpoint failed, other than because of the held tokens.
public enum EndpointFailure: Error, Equatable, Sendable {
    /// The configuration or the server's metadata are wrong.
    case misconfigured(String)
    /// It failed for now; `retryAfter` is what the server asked for, in seconds. `isTimeout`, here and below, means
    /// that it took too long.
    case unavailable(String, retryAfter: Int? = nil, isTimeout: Bool = false)
    /// Nothing was sent.
    case unreachable(String, isTimeout: Bool = false)

    /// `what` names the endpoint in the message.
    init(_ failure: BlockingRequest.Failure, of what: String) {
        switch failure {
        case .notSent(let error):
            self = .unreachable("\(what): \(error.explained)", isTimeout: error.kind == .timeout)
        case .noResponse(let error, _):
            self = .unavailable("\(what): \(error.detail)", isTimeout: error.kind == .timeout)
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

/// Whether a token request can be repeated.
public enum TokenPurpose: Equatable, Sendable {
    /// It sends a secret that works once: a refresh token, a code, a device code.
    case spend
    /// It can be repeated at any time.
    case mint

    /// Whether it spends a secret.
    var spends: Bool { self == .spend }
}
