/// How one attempt to get a token ended.
public enum TokenOutcome: Sendable {
    case obtained(TokenSet, response: RefreshReply? = nil)
    /// The same token came again, and with it perhaps how many seconds it lives from now.
    case unchanged(expiresIn: Int? = nil, response: RefreshReply? = nil)
    /// The issuer refuses what was spent, for good. `status` is its answer's.
    case refused(reason: String, status: Int? = nil)
    /// The issuer refuses how it was asked, which says nothing of what is held. `tokens` were given all the same and
    /// cannot be used: they are saved, since what was held has been spent.
    case misconfigured(reason: String, tokens: UnusableTokens? = nil)
    /// It failed for now. `retryAfter` is the seconds that the issuer asked for. `mayHaveRotated` says that the issuer
    /// may have rotated what was spent before it failed; `status` is its answer's. `isTimeout`, here and below: it took
    /// too long.
    case unavailable(
        reason: String,
        retryAfter: Int? = nil,
        mayHaveRotated: Bool = false,
        status: Int? = nil,
        isTimeout: Bool = false
    )
    /// Nothing was sent.
    case unreachable(reason: String, isTimeout: Bool = false)
    /// It was asked, and no answer with a token came: what was spent may have been rotated. `response` is the body of a
    /// complete answer in which no token was found, to be kept for a person.
    case lost(reason: String, response: [UInt8]? = nil, isTimeout: Bool = false)
}

/// What an answer gave, of which no session can be made as it is.
public struct UnusableTokens: Equatable, Sendable {
    public var accessToken: Token?
    /// What the next refresh spends: what was held is gone.
    public var refreshToken: Token?
    /// Seconds that the refresh token lives from its receipt; nil if nobody says.
    public var refreshExpiresIn: Int?

    public init(accessToken: Token? = nil, refreshToken: Token? = nil, refreshExpiresIn: Int? = nil) {
        self.accessToken = accessToken
        self.refreshToken = refreshToken
        self.refreshExpiresIn = refreshExpiresIn
    }

    public init(_ tokens: TokenSet) {
        self.init(
            accessToken: tokens.accessToken,
            refreshToken: tokens.refreshToken,
            refreshExpiresIn: tokens.refreshExpiresIn
        )
    }
}

/// The answer to a refresh as it came, for a client that called the refresh path itself.
public struct RefreshReply: Equatable, Sendable {
    public var body: [UInt8]
    public var contentType: String

    public init(body: [UInt8], contentType: String) {
        self.body = body
        self.contentType = contentType
    }
}
