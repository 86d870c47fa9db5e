public import Support

/// A snapshot of the session for people and metrics. Never holds the token.
public struct SessionStatus: Sendable {
    public enum State: String, Sendable {
        case usable, refreshing
        case loginNeeded = "login_needed"
        case none
        /// The source needs no login, and has not provided a token yet.
        case starting
        /// The configuration uses no session.
        case unused
    }

    /// The facts about the refresh token.
    public struct RefreshToken: Sendable {
        /// Seconds since 1970, by this machine's clock; nil if unknown.
        public var expiresAt: Int?
    }

    public var state: State
    public var generation: Generation
    public var subject: String?
    /// Seconds since 1970, by the issuer's clock.
    public var issuedAt: Int?
    /// The time of the login, in seconds since 1970 by this machine's clock.
    public var signedInAt: Int?
    /// When the token was received, seconds since 1970 by this machine's clock.
    public var receivedAt: Int?
    /// Seconds since the token was received.
    public var age: Int?
    /// Seconds since 1970, by this machine's clock.
    public var expiresAt: Int?
    /// Seconds until the token expires; negative once it has.
    public var expiresIn: Int?
    /// Nil if there is none.
    public var refreshToken: RefreshToken?
    /// The scope of the token, as its issuer wrote it.
    public var scope: String?
    public var refreshes: Int
    public var lastRefresh: RefreshEntry?
    /// The last refreshes, oldest first.
    public var history: [RefreshEntry]
    /// Refreshes that failed, by outcome.
    public var failures: [(outcome: String, count: Int)]
    /// How many requests waited for a refresh that another request had started.
    public var coalesced: Int
    /// When and why the answer to a refresh of the token was lost: it may have been replaced. Nil if none was.
    public var lostAnswer: String?
    /// True if the upstream rejected the token.
    public var isRejected: Bool
    /// Seconds until a failed refresh is tried again.
    public var retryIn: Int?
    /// What happened, if the upstream refuses to refresh the token.
    public var explanation: String?
    /// Why the token is in use but not on disk; without a token, why the one on disk could not be removed.
    public var unsaved: String?
    /// The file beside the session file that has that token, or the end of the session; nil if none is known to.
    public var unsavedIn: String?
    /// Why the session file cannot be read.
    public var fileProblem: String?
    /// The upstream that the token in the file belongs to, if it is another one: the token is not sent.
    public var foreignUpstream: String?
    /// The server that may refresh the token, if the configuration names another: the token is not refreshed.
    public var foreignRefresh: String?
    /// The place where machines share the tokens, if this configuration names another.
    public var sharedElsewhere: String?
    /// The source of the session in the file, if it is another one: the session is neither used nor touched.
    public var foreignSource: String?
    /// The source needs no login.
    public var startsAlone = false
    /// The command line that logs in to this session.
    public var login = "squire login"
    /// The source of the session's tokens; nil if unknown.
    public var source: SessionBinding.Source?
    /// How the source obtains a first token; nil if it has only one way.
    public var grant: String?
    /// How many seconds the issuer's clock is ahead of this machine's; nil if unknown.
    public var clockSkew: Int?
    /// What a person can do with the response, or the session, that is kept beside the session file; nil if none is.
    public var keptAdvice: String?
    /// How many seconds the token had when a refresh brought it: another one would live no longer. Nil for a token that
    /// came otherwise, and if that is unknown.
    public var freshLife: Int?
    /// How other machines share the session; nil if they do not.
    public var shared: SharedStatus?

    /// True if requests can be served, now or after a refresh.
    public var isUsable: Bool {
        switch state {
        case .usable, .refreshing, .unused: true
        case .loginNeeded, .none, .starting: false
        }
    }

    /// The source needs no login, and failed to provide a usable token.
    public var isFailing: Bool {
        let isWithout = state == .starting || (expiresIn ?? 1) <= 0 || isRejected
        return startsAlone && isWithout && lastRefresh.map { $0.outcome != .refreshed } ?? false
    }

    /// True if requests can be served and the token is safe on disk.
    public var isReady: Bool {
        // Tokens that the other machines do not know are lost with this one.
        guard unsaved == nil, shared?.unshared == nil, fileProblem == nil || startsAlone else { return false }
        let isLiving = !isRejected && (expiresIn ?? 1) > 0
        let hasToken = expiresAt != nil || receivedAt != nil
        // Without the other machines nothing is refreshed, however often it is tried.
        if shared?.isBarred == true, !startsAlone, isUsable { return isLiving && hasToken }
        switch state {
        case .unused: return true
        case .refreshing: return !startsAlone || hasToken
        case .usable: return retryIn == nil || isLiving
        case .loginNeeded, .none, .starting: return false
        }
    }

    /// The problem and its remedy, in a sentence or two; nil if there is none.
    public var advice: String? {
        let parts = [keptAdvice, problem, shared?.misconfigured.map { "\($0)." }].compactMap(\.self)
        return parts.isEmpty ? nil : parts.joined(separator: " ")
    }

    /// Why it is not ready, for whoever waits for that.
    public var reasonNotReady: String {
        advice ?? (isRejected ? "the API refuses the token" : "the token has expired")
    }

    private var problem: String? {
        if let foreignUpstream {
            return "The session is for \(foreignUpstream) and is not sent elsewhere. Name another session.file, "
                + "or replace it: \(login) --replace"
        }
        if let foreignSource, !startsAlone {
            return "The session in the file was made by \(foreignSource), and is not used with this configuration. "
                + "Run: \(login)"
        }
        if let unsaved, state == .none {
            let what = unsavedIn == nil ? "another Squire would use it" : "no Squire uses it any more"
            return "The session has ended, but the session file still has its token (\(unsaved)); \(what). It is "
                + "removed by itself once that is possible. For another session, run: \(login)"
        }
        if let unsaved, let unsavedIn {
            return "The token in use is kept in \(unsavedIn), not in the session file: \(unsaved). It is put there by "
                + "itself once that is possible; until then no token can be refreshed."
        }
        if let unsaved {
            return "The token is in use but not saved (\(unsaved)): free some space or restore the permissions; "
                + "until then a crash costs the login. Saving is tried again by itself."
        }
        if let shared, shared.unshared != nil || shared.problem != nil && shared.isReachable != false {
            guard shared.unshared?.what == .logout, let advice = shared.advice else { return shared.advice }
            return "\(advice) For a new session, run: \(login)"
        }
        switch state {
        case .unused: return nil
        case .starting:
            guard let detail = lastRefresh?.detail, lastRefresh?.outcome != .refreshed else { return nil }
            let next = retryIn.map { "; the next try is due in \($0) s" } ?? ""
            return "No token could be obtained (\(detail))\(next)."
        case .none:
            if let fileProblem { return "The session file cannot be used: \(fileProblem)." }
            if let shared, shared.isReachable != true { return shared.adviceWithoutToken }
            return "There is no session. Run: \(login)"
        case .loginNeeded:
            let elsewhere = foreignRefresh.map {
                "The token has expired, and is refreshed at \($0) only, which session.refresh does not name any more."
            }
            let withOthers = sharedElsewhere.map { Self.sharedElsewhere($0) }
            let what =
                withOthers ?? explanation ?? elsewhere
                ?? "The token has expired or was rejected, and there is nothing to refresh it with."
            return "\(what) Run: \(login)"
        case .usable, .refreshing: break
        }
        if let fileProblem { return "The session file cannot be used, the token in memory can: \(fileProblem)." }
        if let explanation {
            // What was spent may be dead.
            let life = lastRefresh?.outcome == .lost ? "may work" : "works"
            return "\(explanation) The token \(life) until it expires. Before that, run: \(login)"
        }
        if let sharedElsewhere {
            return "\(Self.sharedElsewhere(sharedElsewhere)) The token works until it ends. For a session of this "
                + "configuration's own, run: \(login)"
        }
        if let foreignRefresh {
            return "The token is refreshed at \(foreignRefresh) only, and session.refresh names another server. "
                + "It works until it expires. To allow the other one, run: \(login)"
        }
        if let lastRefresh, lastRefresh.outcome == .misconfigured, let detail = lastRefresh.detail, retryIn != nil {
            let isOfUse = (expiresIn ?? 1) > 0 && !isRejected
            return "No other token could be obtained (\(detail)); "
                + (isOfUse ? "the current one works until it expires." : "the next try is due in \(retryIn ?? 0) s.")
        }
        if isRejected, retryIn == nil, let detail = lastRefresh?.detail, lastRefresh?.outcome != .refreshed {
            return withLoginAdvice(
                "The API refuses the token, and it could not be refreshed (\(detail)); the next request tries again."
            )
        }
        guard let retryIn, let detail = lastRefresh?.detail, isRejected || lastRefresh?.outcome != .unchanged else {
            return shared?.advice
        }
        let story = "The last refresh failed (\(detail)); the token is kept, and the next try is due in \(retryIn) s."
        return withLoginAdvice(story)
    }

    private func withLoginAdvice(_ story: String) -> String {
        guard hasFailedForLong else { return story }
        return "\(story) None of the last \(Self.maximumTemporaryFailures) gave a token: if that goes on, run: \(login)"
    }

    /// How many answers in a row without a token count as temporary, although none says that a login is needed.
    private static let maximumTemporaryFailures = 10

    private var hasFailedForLong: Bool {
        let last = history.suffix(Self.maximumTemporaryFailures)
        return !startsAlone && last.count == Self.maximumTemporaryFailures
            && last.allSatisfy { $0.outcome == .unavailable || $0.outcome == .misconfigured }
    }

    private static func sharedElsewhere(_ place: String) -> String {
        "The token is one that machines share in \(place), and session.shared does not name that place: a refresh from "
            + "here would end it for all of them, and is not made."
    }

    /// The `session` object of `/api/status` and of `squire status --json`.
    public var json: JSONValue {
        let number = { (value: Int?) in value.map(JSONValue.integer) ?? .null }
        var members: [JSONValue.Member] = [
            .init("state", .string(state.rawValue)), .init("generation", .number("\(generation)")),
            .init("subject", subject.map(JSONValue.string) ?? .null), .init("issued_at", number(issuedAt)),
            .init("received_at", number(receivedAt)),
            .init("signed_in_at", signedInAt.map { .string(UTCTime.rfc3339($0)) } ?? .null), .init("age", number(age)),
            .init("expires_at", number(expiresAt)), .init("expires_in", number(expiresIn)),
            .init("refreshes", .integer(refreshes)), .init("last_refresh", lastRefresh?.json ?? .null),
            .init("history", .array(history.map(\.json))),
            .init("failures", .object(failures.map { .init($0.outcome, .integer($0.count)) })),
            .init("coalesced", .integer(coalesced)), .init("saved", .bool(unsaved == nil)),
            .init("source", source.map { .string($0.rawValue) } ?? .null),
            .init("grant", grant.map(JSONValue.string) ?? .null), .init("clock_skew", number(clockSkew)),
            .init("scope", scope.map(JSONValue.string) ?? .null),
            .init(
                "refresh_token",
                refreshToken.map {
                    .object([.init("present", .bool(true)), .init("expires_at", number($0.expiresAt))])
                } ?? .null
            ),
            .init("rejected", .bool(isRejected)), .init("advice", advice.map(JSONValue.string) ?? .null),
        ]
        if let shared { members.append(.init("shared", shared.json)) }
        return .object(members)
    }
}
