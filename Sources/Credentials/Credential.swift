/// Counts tokens: each one that becomes current gets the next number. Zero means none.
package typealias Generation = UInt64

/// The current token, as requests use it.
package struct Credential: Equatable, Sendable {
    package var generation: Generation
    package var token: Token
    /// When it stops being accepted, on `CredentialClock.elapsed()`; nil when it does not say.
    package var expiry: Int64?
    /// The same, seconds since 1970 by this machine's clock.
    package var expiresAt: Int?
    /// When it became ours, seconds since 1970.
    package var receivedAt: Int

    package init(generation: Generation, token: Token, expiry: Int64?, expiresAt: Int?, receivedAt: Int) {
        self.generation = generation
        self.token = token
        self.expiry = expiry
        self.expiresAt = expiresAt
        self.receivedAt = receivedAt
    }
}

/// Why there is no usable token.
package enum CredentialFailure: Error, Equatable, Sendable {
    /// No token, or one that can no longer be refreshed: only a login helps.
    case loginNeeded
    /// Nothing is known about how to refresh.
    case notRefreshable
    /// The refresh failed for now. Seconds until another try is worth it; whether the API could not even be reached.
    case unavailable(retryAfter: Int, isUnreachable: Bool)
    /// Refreshing does not cure the refusals; paused. Seconds until the next try.
    case paused(retryAfter: Int)
    /// The session file cannot be written, so nothing was sent.
    case notWritable(String)
    case shuttingDown
}

package enum RefreshCause: String, Sendable {
    case expiry, rejected, manual, client
}

/// What a successful refresh brought.
package struct RefreshReply: Sendable {
    package var token: Token
    /// The upstream's answer as it came, for a client that called the refresh path itself.
    package var body: [UInt8]
    package var contentType: String

    package init(token: Token, body: [UInt8], contentType: String) {
        self.token = token
        self.body = body
        self.contentType = contentType
    }
}

/// How one attempt to refresh ended.
package enum RefreshOutcome: Sendable {
    case refreshed(RefreshReply)
    /// The upstream refuses this token for good (4xx).
    case refused(status: Int)
    /// Not now: 5xx or 429. Seconds asked for, where known.
    case unavailable(reason: String, retryAfter: Int?)
    /// Nothing was sent.
    case unreachable(reason: String)
    /// Sent, and no whole answer: the upstream may have rotated the token.
    case lost(reason: String)
}

/// Gets tokens. Blocking; called from one thread at a time. It only *gets* one: the cache keeps it, the exchange applies it.
package protocol TokenSource: Sendable {
    func refresh(_ token: Token) -> RefreshOutcome
}
