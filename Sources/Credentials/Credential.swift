import Platform

/// Numbers the tokens in the order in which they became current. Zero means none.
public typealias Generation = UInt64

/// The current token, in the form for requests.
public struct Credential: Equatable, Sendable {
    public var generation: Generation
    public let token: Token
    /// The token's lifetime in seconds by its own claims. Stored, because decisions under the session's lock need it.
    private let claimedLifetime: Int?
    public var principal: Principal
    /// When the token expires, on `CredentialClock.elapsed()`; nil if that is unknown.
    public var expiry: Int64?
    /// When the token expires, seconds since 1970 by this machine's clock.
    public var expiresAt: Int?
    /// When the token was received, seconds since 1970.
    public var receivedAt: Int
    /// True if a refresh of this process brought the token, so that it was valid a moment ago. Another process's token
    /// may be dead already.
    public var isRefreshed: Bool

    public init(
        generation: Generation,
        token: Token,
        principal: Principal,
        expiry: Int64?,
        expiresAt: Int?,
        receivedAt: Int,
        isRefreshed: Bool = false
    ) {
        self.generation = generation
        self.token = token
        claimedLifetime = token.claims?.lifetime
        self.principal = principal
        self.expiry = expiry
        self.expiresAt = expiresAt
        self.receivedAt = receivedAt
        self.isRefreshed = isRefreshed
    }
}

extension Credential {
    /// The token's whole lifetime in nanoseconds: by its own claims, or else from its receipt to its end; zero if it is
    /// unknown.
    var life: Int64 {
        let known = claimedLifetime ?? expiresAt.map { $0.subtracting(saturating: receivedAt) } ?? 0
        return Int64(min(max(known, 0), Claims.longestLife)) * 1_000_000_000
    }
}
