/// Why a refresh is made.
public enum RefreshCause: String, Sendable {
    case expiry, rejected, manual, client
}

/// The response to a successful refresh.
public struct RefreshResponse: Sendable {
    public var token: Token
    /// Seconds that the token lives from now, where the response says so beside the token.
    public var lifetime: Int?
    /// The upstream's response as it came, for a client that called the refresh path itself.
    public var body: [UInt8]
    public var contentType: String

    public init(token: Token, lifetime: Int? = nil, body: [UInt8], contentType: String) {
        self.token = token
        self.lifetime = lifetime
        self.body = body
        self.contentType = contentType
    }
}

/// How one attempt to refresh ended.
public enum RefreshOutcome: Sendable {
    case refreshed(RefreshResponse)
    /// The upstream gave the same token again, and says perhaps how long it lives from now.
    case unchanged(RefreshResponse)
    /// The upstream refuses to refresh this token, for good.
    case refused(status: Int)
    /// The refresh failed for now. `retryAfter` is the seconds that the upstream asked for. `mayHaveRotated` says that
    /// the upstream may have rotated the token before it failed.
    case unavailable(reason: String, retryAfter: Int?, mayHaveRotated: Bool = false)
    /// Nothing was sent.
    case unreachable(reason: String)
    /// The request was sent, and no response with a token came: the upstream may have rotated it. `response` is the
    /// body of a complete response in which no token was found, to be kept for a person.
    case lost(reason: String, response: [UInt8]? = nil)
}

/// Fetches tokens. Blocking; called from one thread at a time. The session keeps the token, and the exchange applies
/// it.
public protocol TokenSource: Sendable {
    func refresh(_ token: Token) -> RefreshOutcome
}
