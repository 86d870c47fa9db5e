/// How one attempt to get a token ended.
public enum TokenOutcome: Sendable {
    case obtained(TokenSet, response: IssuerResponse? = nil)
    /// The same token came again, possibly with a new lifetime in seconds from now.
    case unchanged(expiresIn: Int? = nil, response: IssuerResponse? = nil)
    /// The issuer refuses the spent tokens, for good. `status` is that of its answer.
    case refused(reason: String, status: Int? = nil)
    /// The issuer rejects the form of the request, which says nothing about the held tokens. `tokens` came with the
    /// answer but cannot be used: they are saved, because the held ones were spent.
    case misconfigured(reason: String, tokens: UnusableTokens? = nil)
    /// It failed for now. `retryAfter` is the seconds that the issuer asked for. `mayHaveRotated` says that the issuer
    /// may have rotated what was spent before it failed; `status` is its answer's. `isTimeout`, here and below: it took
    /// too long. `told` is what clients may read of it, the rest of a sentence; nil if nothing in particular.
    case unavailable(
        reason: String,
        retryAfter: Int? = nil,
        mayHaveRotated: Bool = false,
        status: Int? = nil,
        isTimeout: Bool = false,
        told: String? = nil
    )
    /// Nothing was sent.
    case unreachable(reason: String, isTimeout: Bool = false)
    /// It was asked, and no answer with a token came: what was spent may have been rotated. `response` is the body of an
    /// answer in which no token was found, or the part of it that arrived, to be kept for a person.
    case lost(reason: String, response: [UInt8]? = nil, isTimeout: Bool = false)
}

/// The tokens in an answer that does not make a session.
public struct UnusableTokens: Equatable, Sendable {
    public var accessToken: Token?
    /// The token that the next refresh spends: the former one is gone.
    public var refreshToken: Token?
    /// The refresh token's lifetime in seconds from its receipt; nil if unknown.
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

/// The unchanged answer to a refresh, for a client that called the refresh path itself.
public struct IssuerResponse: Equatable, Sendable {
    public var body: [UInt8]
    public var contentType: String

    public init(body: [UInt8], contentType: String) {
        self.body = body
        self.contentType = contentType
    }
}
