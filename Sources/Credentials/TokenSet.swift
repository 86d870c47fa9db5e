import Platform

/// What a grant gave: tokens, and what was said of them (RFC 6749 section 5.1).
public struct TokenSet: Equatable, Sendable {
    public var accessToken: Token
    public var refreshToken: Token?
    /// Seconds that the access token lives from its receipt; nil if nobody says.
    public var expiresIn: Int?
    /// The same for the refresh token.
    public var refreshExpiresIn: Int?
    /// What it is good for, as the issuer wrote it.
    public var scope: String?
    public var tokenType: String?

    public init(
        accessToken: Token,
        refreshToken: Token? = nil,
        expiresIn: Int? = nil,
        refreshExpiresIn: Int? = nil,
        scope: String? = nil,
        tokenType: String? = nil
    ) {
        self.accessToken = accessToken
        self.refreshToken = refreshToken
        self.expiresIn = expiresIn
        self.refreshExpiresIn = refreshExpiresIn
        self.scope = scope
        self.tokenType = tokenType
    }

    /// What the next refresh spends: rotations are told apart by it.
    public var spent: Token { refreshToken ?? accessToken }

    /// With how long it lives by the issuer's own clock, which said `date` (seconds since 1970) when it answered, where
    /// neither the answer nor the token's claims say it otherwise.
    public func dated(_ date: Int?) -> TokenSet {
        guard expiresIn == nil, let date, let claims = accessToken.claims, claims.notBefore == nil,
            let end = claims.expiresAt, let life = TokenLife.believed(end.subtracting(saturating: date))
        else { return self }
        var tokens = self
        tokens.expiresIn = life
        return tokens
    }
}

/// The tokens that a session holds. Either may be missing.
public struct HeldTokens: Equatable, Sendable {
    public var accessToken: Token?
    public var refreshToken: Token?

    public init(accessToken: Token? = nil, refreshToken: Token? = nil) {
        self.accessToken = accessToken
        self.refreshToken = refreshToken
    }

    /// What the next refresh spends; nil if there is nothing.
    public var spent: Token? { refreshToken ?? accessToken }
}
