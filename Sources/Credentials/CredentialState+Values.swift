import Platform

/// The values that `CredentialState` holds, returns and receives.
extension CredentialState {
    /// The token and its history. Dies with the token.
    struct Current: Sendable {
        var credential: Credential
        /// The upstream's verdicts on the token.
        var standing = Standing()
        /// The mark in the session file about its standing.
        var mark: SessionRecord.Rejected?
        /// The route whose rejection led to the refresh that brought the token, until that request is back; the
        /// generation that the refresh replaced; and the end of that wait on `CredentialClock.elapsed()`.
        var lead: (route: UInt64, replaced: Generation, until: Int64)?
    }

    /// The answer to a request that needs a credential.
    enum Decision: Equatable, Sendable {
        case use(Credential)
        /// Wait for the refresh that is in flight.
        case join
        /// Wait for the upstream's response to the request that led to the refresh: it shows whether the route rejects
        /// every token, or this one died at once.
        case awaitLead
        /// Start a refresh after that many nanoseconds, and wait for it.
        case start(after: Int64)
        /// Start a refresh, and use the token that it will replace.
        case startAhead(Credential)
        /// The upstream's clock is behind: use the same token again after that many nanoseconds.
        case useAfter(Int64, Credential)
        case fail(CredentialFailure)
    }

    /// How a refresh ended, with regard to the token that it was to replace.
    enum Verdict: Sendable {
        /// It brought a token, or found one that another process had brought. `publish` was called with it.
        case settled
        /// The upstream gave the same token again.
        case unchanged(jitter: Double)
        /// It failed for now. `retryAfter` is seconds, as the upstream asked; `jitter` is 0..<1.
        case failed(BackOff.Setback, retryAfter: Int?, jitter: Double)
        /// The issuer was not asked, because it told another process to wait.
        case paused(BackOff)
        /// The upstream refuses to refresh the token.
        case denied(explanation: String)
    }

    /// Whole seconds, rounded up.
    static func seconds(_ nanoseconds: Int64) -> Int {
        Int(nanoseconds.adding(saturating: second - 1) / second)
    }
}

/// What other processes are told.
extension CredentialState {
    /// The mark that the session file should contain; nil if it already does.
    var unwrittenMark: SessionRecord.Rejected?? {
        guard let current,
            isRefreshDenied || !canRefresh || current.mark != nil || refresh.isWithoutEngine
        else { return nil }
        var mark = current.standing.mark
        // If the token cannot be refreshed, requests are still sent: one route's rejection concerns that route alone.
        if !canRefresh, mark?.isWhole == false { mark = nil }
        // Which of several processes saw it first is no news.
        return current.mark?.isWhole == mark?.isWhole ? nil : .some(mark)
    }
}
