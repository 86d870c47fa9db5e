extension SessionStatus {
    /// The state in a few words, for people. A token that the upstream rejected is not called usable, although
    /// `state` may be `usable`, because a refresh can still help.
    public var summary: String {
        Self.summary(state, isRejected: isRejected, expiresIn: expiresIn, isExplained: advice != nil)
    }

    /// `isExplained`: `advice` says what happens next.
    public static func summary(_ state: State, isRejected: Bool, expiresIn: Int?, isExplained: Bool) -> String {
        switch state {
        case .usable where isRejected:
            "the API refuses the token" + (isExplained ? "" : "; the next request refreshes it")
        case .usable: (expiresIn ?? 1) > 0 ? "usable" : "expired; the next request refreshes it"
        case .refreshing: "being refreshed"
        case .loginNeeded: "a login is needed"
        case .none: "none"
        case .starting: "starting: the first token is asked for when it is needed"
        case .unused: "not needed"
        }
    }
}

extension SessionRecord {
    /// The state of the session as far as the file tells, and whether the upstream is known to have rejected its token.
    /// `now` is seconds since 1970.
    public func state(now: Int) -> (state: SessionStatus.State, isRejected: Bool) {
        guard token != nil else { return (.none, false) }
        let canRefresh = source != .given
        // One route's rejection leads to a refresh, which was to cure it. Without one, other routes may accept it.
        let isRejected = rejected.map { canRefresh || $0.isWhole } ?? false
        let isOver = isRejected || expiresAt.map { $0 <= now } ?? false
        return (isOver && (isRefreshDenied || !canRefresh) ? .loginNeeded : .usable, isRejected)
    }
}
