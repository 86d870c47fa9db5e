/// What `CredentialState` holds, what it answers, and what it is told of a refresh.
extension CredentialState {
    /// The token and what happened to it. Dies with the token.
    struct Current: Sendable {
        var credential: Credential
        /// What the upstream said of it.
        var standing = Standing()
        /// What the session file says of its standing.
        var mark: SessionRecord.Rejected?
        /// The route whose rejection led to the refresh that brought it, while the request that led is not back; and
        /// until when, on `CredentialClock.elapsed()`, that is waited for.
        var lead: (route: UInt64, until: Int64)?
    }

    /// What becomes of a request that needs a credential.
    enum Decision: Equatable, Sendable {
        case use(Credential)
        /// Wait for the refresh that is in flight.
        case join
        /// Wait for what the upstream says to the request that led to the refresh: it tells whether the route rejects
        /// every token, or this one died at once.
        case awaitLead
        /// Start a refresh after so many nanoseconds, and wait for it.
        case start(after: Int64)
        /// Start a refresh, and use the token that it is to replace.
        case startAhead(Credential)
        /// The upstream's clock is behind: use the same token again after so many nanoseconds.
        case useAfter(Int64, Credential)
        case fail(CredentialFailure)
    }

    /// How a refresh ended, as far as the token that it was to replace is concerned.
    enum Verdict: Sendable {
        /// It brought a token, or found one that somebody else had brought. `publish` has said which.
        case settled
        /// The upstream gave the same token again.
        case unchanged(jitter: Double)
        /// It failed for now. `retryAfter` is seconds, as the upstream asked; `jitter` is 0..<1.
        case failed(BackOff.Setback, retryAfter: Int?, jitter: Double)
        /// The upstream refuses to refresh the token.
        case denied(explanation: String)
    }
}
