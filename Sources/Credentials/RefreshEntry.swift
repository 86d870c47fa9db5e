public import Support

/// One refresh in the history.
public struct RefreshEntry: Sendable, Equatable {
    public enum Outcome: String, Sendable, CaseIterable {
        case refreshed
        /// The upstream returned the same token again.
        case unchanged
        /// The upstream refuses to refresh this token, for good.
        case refused
        /// The issuer rejects the form of the request, which says nothing about the token.
        case misconfigured
        /// The refresh failed for now.
        case unavailable
        /// Nothing was sent.
        case unreachable
        /// Sent without a usable response, twice where that is allowed.
        case lost
        /// This program ended before the response came.
        case interrupted
        /// Nothing was sent, because the result could not have been saved.
        case notWritable = "not_writable"
    }

    /// Seconds since 1970.
    public var at: Int
    public var cause: RefreshCause
    public var outcome: Outcome
    /// The fault, in words.
    public var detail: String?
    public var milliseconds: Int?
    /// How many requests waited for the refresh.
    public var waiters: Int?
    /// The status of the upstream's refusal.
    public var status: Int?

    public init(
        at: Int,
        cause: RefreshCause,
        outcome: Outcome,
        detail: String? = nil,
        milliseconds: Int? = nil,
        waiters: Int? = nil,
        status: Int? = nil
    ) {
        self.at = at
        self.cause = cause
        self.outcome = outcome
        self.detail = detail
        self.milliseconds = milliseconds
        self.waiters = waiters
        self.status = status
    }

    init?(_ json: JSONValue) {
        guard let at = json["at"]?.moment, let cause = json["cause"]?.string.flatMap(RefreshCause.init),
            let outcome = json["outcome"]?.string.flatMap(Outcome.init)
        else { return nil }
        self.init(
            at: at,
            cause: cause,
            outcome: outcome,
            detail: json["detail"]?.string,
            milliseconds: json["milliseconds"]?.integer,
            waiters: json["waiters"]?.integer,
            status: json["status"]?.integer
        )
    }

    public var json: JSONValue {
        var members: [JSONValue.Member] = [
            .init("at", .integer(at)), .init("cause", .string(cause.rawValue)),
            .init("outcome", .string(outcome.rawValue)),
        ]
        if let detail { members.append(.init("detail", .string(detail))) }
        if let milliseconds { members.append(.init("milliseconds", .integer(milliseconds))) }
        if let waiters { members.append(.init("waiters", .integer(waiters))) }
        if let status { members.append(.init("status", .integer(status))) }
        return .object(members)
    }
}
