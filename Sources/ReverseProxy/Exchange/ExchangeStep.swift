public import Credentials

/// How much is reported of an exchange in progress. The lowest level costs nothing.
public enum ExchangeDetail: Int, Comparable, Sendable {
    /// Only the end.
    case ends
    /// Decisions, and what was sent.
    case steps
    /// Responses and waits, too.
    case everything

    public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}

/// One step of an exchange. Contains names, numbers and decisions only, never the value of a field.
public enum ExchangeStep: Sendable {
    /// The request was parsed.
    case routed(RouteKind, pattern: String?, Bearer)
    /// The edits to the request's head.
    case requestEdited(HeadEdits)
    /// No connection is idle: the exchange waits for a new one, or for one that another exchange returns.
    case connecting
    /// An attempt got a connection.
    case attempt(Int, generation: Generation, Link)
    /// The head of the upstream's response arrived; `protocolVersion` is the version of TLS, if TLS is used.
    case answered(status: Int, Verdict, protocolVersion: String?)
    /// The client got an interim response.
    case interim(status: Int)
    /// The edits to the response's head.
    case responseEdited(HeadEdits)
    /// The exchange waits for a token.
    case waits(Wait)
    /// The wait is over: with a token of that generation, or without one.
    case resumed(Generation?)

    /// Who provides the request's credential.
    public enum Bearer: Sendable {
        case session
        /// The client's own credential is sent.
        case client
        /// None is sent, because of the route.
        case none
    }

    /// The connection of an attempt.
    public struct Link: Sendable {
        /// It served other exchanges before.
        public var isReused: Bool
        public var isSecure: Bool
        /// `host:port` of the proxy in between, without credentials; nil if there is none.
        public var proxy: String?
    }

    public enum Verdict: Sendable {
        case accepted
        /// The API does not accept the token.
        case rejected
        /// The body decides.
        case undecided
        /// A rule on bodies concerns the response, and its body is not examined.
        case unknown
    }

    public enum Wait: Sendable {
        /// For the first token.
        case needsToken
        /// For a token other than the rejected one.
        case needsAnother
    }

    /// The lowest detail that includes the step.
    public var detail: ExchangeDetail {
        switch self {
        case .routed, .requestEdited, .connecting, .attempt, .answered: .steps
        case .interim, .responseEdited, .waits, .resumed: .everything
        }
    }
}
