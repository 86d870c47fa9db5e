/// The answer to a request for a credential. Every request gets exactly one.
public enum Grant: Equatable, Sendable {
    /// `hasWaited`: for a refresh that brought no other token. The request waits for no other refresh.
    case use(Credential, hasWaited: Bool)
    /// The upstream's clock is behind: use the same token after this many nanoseconds.
    case useAfter(nanoseconds: Int64, Credential)
    case failed(CredentialFailure)
}

/// What a question for a token waits for, as far as is known when it is asked.
public enum Awaited: UInt8, Sendable, BitwiseCopyable {
    /// Nothing: the answer is known.
    case nothing
    /// A refresh that the question started.
    case ownRefresh
    /// A refresh in flight.
    case refresh
    /// The response to the request that led to the last refresh.
    case lead
    /// A look at the session file or at the other machines.
    case news
}

/// Why there is no usable token.
public enum CredentialFailure: Error, Equatable, Sendable {
    /// Only a login helps: there is no token, or it can no longer be refreshed. The sentence says what happened, if
    /// that is known.
    case loginNeeded(String? = nil)
    /// No way to refresh is configured.
    case notRefreshable
    /// The refresh brought the same token again. `retryAfter` is seconds until the next try.
    case unchanged(retryAfter: Int)
    /// The refresh failed for now. `retryAfter` is seconds until the next try; `isUnreachable` says that not even a
    /// connection was made. `because` is what clients may read of the cause, the rest of a sentence.
    case unavailable(retryAfter: Int, isUnreachable: Bool, because: String? = nil)
    /// The issuer rejects the form of the refresh, for the given reason; the held tokens are kept. `retryAfter` is
    /// seconds until the next try.
    case misconfigured(String, retryAfter: Int)
    /// Refreshing does not cure the rejections on this route, so it is paused. `retryAfter` is seconds.
    case paused(retryAfter: Int)
    /// The token that a refresh just brought was rejected too: the cause is the request.
    case refreshDidNotHelp
    /// Nothing was sent, because the session file cannot be written.
    case notWritable(String)
    /// Too many requests already wait for the refresh in flight.
    case overloaded
    case shuttingDown

    public var needsLogin: Bool { if case .loginNeeded = self { true } else { false } }
}
