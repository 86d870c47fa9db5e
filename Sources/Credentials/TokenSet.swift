import Platform

/// The result of a grant: tokens, and what the issuer said about them (RFC 6749 section 5.1).
public struct TokenSet: Equatable, Sendable {
    public var accessToken: Token
    public var refreshToken: Token?
    /// The access token's lifetime in seconds from its receipt; nil if unknown.
    public var expiresIn: Int?
    /// The same for the refresh token.
    public var refreshExpiresIn: Int?
    /// The scope, as the issuer wrote it.
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

    /// The token that the next refresh spends: it distinguishes rotations.
    public var spent: Token { refreshToken ?? accessToken }

    /// Adds the lifetime by the issuer's own clock, which showed `date` (seconds since 1970) when it answered, if
    /// neither the answer nor the token's claims specify it.
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

    /// The token that the next refresh spends; nil if there is none.
    public var spent: Token? { refreshToken ?? accessToken }
}
