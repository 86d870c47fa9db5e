public import Credentials

/// How much is told of an exchange on its way: nothing costs nothing.
public enum ExchangeDetail: Int, Comparable, Sendable {
    /// Only how it ended.
    case ends
    /// What was decided and sent.
    case steps
    /// What came back and what was waited for, too.
    case everything

    public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}

/// One thing that happened on an exchange's way. Names, numbers and decisions only: never a field's value.
public enum ExchangeStep: Sendable {
    /// The request was understood.
    case routed(RouteKind, pattern: String?, Bearer)
    /// What the request's head became.
    case requestEdited(HeadEdits)
    /// No connection is idle: one is waited for, a new one or one that another exchange gives back.
    case connecting
    /// An attempt got a connection.
    case attempt(Int, generation: Generation, Link)
    /// The head of the upstream's response is here; `protocolVersion` is of TLS, where there is any.
    case answered(status: Int, Verdict, protocolVersion: String?)
    /// The client got an interim response.
    case interim(status: Int)
    /// What the head of the response became.
    case responseEdited(HeadEdits)
    /// A token is waited for.
    case waits(Wait)
    /// The wait is over: with a token of that generation, or without one.
    case resumed(Generation?)

    /// Who puts the bearer on the request.
    public enum Bearer: Sendable {
        case session
        /// The client's own goes along.
        case client
        /// None, because of the route.
        case none
    }

    /// What an attempt's bytes go over.
    public struct Link: Sendable {
        /// It served other exchanges before.
        public var isReused: Bool
        public var isSecure: Bool
        /// `host:port` of the proxy in between, without credentials; nil without one.
        public var proxy: String?
    }

    public enum Verdict: Sendable {
        case accepted
        /// The API does not accept the token.
        case rejected
        /// The body decides that.
        case undecided
    }

    public enum Wait: Sendable {
        /// For the first token.
        case needsToken
        /// For another token than the one that was rejected.
        case needsAnother
    }

    /// From which detail on it is told.
    public var detail: ExchangeDetail {
        switch self {
        case .routed, .requestEdited, .connecting, .attempt, .answered: .steps
        case .interim, .responseEdited, .waits, .resumed: .everything
        }
    }
}
