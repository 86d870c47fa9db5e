/// What a session file holds. Members this version does not know are kept.
public struct SessionRecord: Sendable, Equatable {
    /// How the current token came.
    public enum Source: String, Sendable {
        /// Given by hand, so that its age is unknown.
        case given
        case signIn = "sign-in"
        case refresh
    }

    /// A refresh was sent with the current token, and no answer came: the upstream may have rotated it.
    public struct Unanswered: Sendable, Equatable {
        /// Seconds since 1970.
        public var at: Int
        public var reason: String

        public init(at: Int, reason: String) {
            self.at = at
            self.reason = reason
        }
    }

    private(set) var document: JSONValue

    public init() {
        document = .object([.init("version", .integer(1))])
    }

    public init?(parsing bytes: [UInt8]) {
        guard let value = JSONValue(parsing: bytes), case .object = value else { return nil }
        document = value
    }

    /// Nil when there is none, and when `hasBadToken`.
    public private(set) var token: Token? {
        get { document["token"]?.string.flatMap { Token($0) ?? (try? Token(pasted: $0)) } }
        set { document["token"] = newValue.map { .string($0.value) } }
    }
    /// Something stands where the token belongs that is none: not a logout, but damage.
    var hasBadToken: Bool {
        switch document["token"] {
        case nil, .null: false
        default: token == nil
        }
    }
    public private(set) var receivedAt: Int? {
        get { isOurs ? document["received_at"]?.moment : nil }
        set { document["received_at"] = newValue.map(JSONValue.integer) }
    }
    /// Seconds since 1970 by this machine's clock; nil when the token does not say, or says what cannot be.
    public private(set) var expiresAt: Int? {
        get { isOurs ? document["expires_at"]?.moment : token?.claims?.expiresAt }
        set { document["expires_at"] = newValue.map(JSONValue.integer) }
    }
    /// The origin of the upstream that issued the token; nil for one given by hand, which says nothing about that.
    public private(set) var upstream: String? {
        get { isOurs ? document["upstream"]?.string : nil }
        set { document["upstream"] = newValue.map(JSONValue.string) }
    }
    /// The upstream refused to refresh this token.
    public var isRefreshDenied: Bool {
        get { isOurs && document["refused"]?.bool ?? false }
        set { document["refused"] = newValue ? .bool(true) : nil }
    }
    public var unanswered: Unanswered? {
        get {
            guard isOurs, let value = document["unanswered"], let at = value["at"]?.moment else { return nil }
            return Unanswered(at: at, reason: value["reason"]?.string ?? "")
        }
        set {
            document["unanswered"] = newValue.map {
                .object([.init("at", .integer($0.at)), .init("reason", .string($0.reason))])
            }
        }
    }
    /// The token that this one replaced, as `Token.fingerprint`.
    private(set) var replaced: String? {
        get { document["replaced"]?.string }
        set { document["replaced"] = newValue.map(JSONValue.string) }
    }

    /// What is said beside the token belongs to it. An editor, or another tool, may have replaced the token alone.
    private var isOurs: Bool {
        guard let known = document["fingerprint"]?.string else { return true }
        return known == token?.fingerprint
    }

    /// Names the login that the token descends from: it stays through refreshes and changes with every login. Nil without a token.
    public var lineage: String? {
        guard let token else { return nil }
        if document["fingerprint"]?.string == token.fingerprint, let known = document["login"]?.string { return known }
        return token.fingerprint
    }

    public var principal: Principal? { lineage.map { Principal(lineage: $0, subject: token?.claims?.subject) } }

    // MARK: Changes

    /// Puts a new token in. A token that was made for us just now lives `lifetime`, else `exp - nbf`, from its receipt, whatever the
    /// issuer's clock says; of one given by hand only `exp` is known. One that was made dead by its own word has no known end: the
    /// upstream decides. `upstream` is whom the session is for; `lifetime` is seconds, where the answer said so.
    public mutating func put(
        _ token: Token,
        source: Source,
        upstream: String? = nil,
        lifetime: Int? = nil,
        now: Int
    ) {
        let now = UTCTime.clamped(now)
        let login = source == .refresh ? lineage : nil
        replaced = self.token?.fingerprint
        self.token = token
        document["fingerprint"] = .string(token.fingerprint)
        document["login"] = .string(login ?? token.fingerprint)
        self.upstream = source == .given ? nil : upstream
        receivedAt = now
        isRefreshDenied = false
        unanswered = nil
        expiresAt = Self.expiry(of: token, source: source, lifetime: lifetime, now: now)
        document["origin"] = .string(source.rawValue)
    }

    private static func expiry(of token: Token, source: Source, lifetime: Int?, now: Int) -> Int? {
        let claims = token.claims
        if source == .given { return claims?.expiresAt }
        if let life = lifetime ?? claims?.lifetime { return now + min(max(life, 0), Claims.longestLife) }
        guard let end = claims?.expiresAt, claims?.start == nil, end > now else { return nil }
        return end
    }

    public mutating func forgetToken() {
        token = nil
        replaced = nil
        for name in [
            "fingerprint", "login", "upstream", "received_at", "expires_at", "refused", "unanswered", "origin",
        ] {
            document[name] = nil
        }
    }

    // MARK: Refreshes

    public private(set) var refreshes: Int {
        get { document["refreshes"]?.integer ?? 0 }
        set { document["refreshes"] = .integer(newValue) }
    }
    /// Refreshes that failed, by outcome.
    public var failures: [(outcome: String, count: Int)] {
        guard case .object(let members) = document["failures"] else { return [] }
        return members.compactMap { member in member.value.integer.map { (member.name, $0) } }
    }
    public var lastRefresh: RefreshEntry? { document["last_refresh"].flatMap(RefreshEntry.init) }
    /// The last refreshes, oldest first.
    public var history: [RefreshEntry] {
        guard case .array(let entries) = document["history"] else { return [] }
        return entries.compactMap(RefreshEntry.init)
    }

    private static let maxHistory = 10

    public mutating func record(_ entry: RefreshEntry) {
        document["last_refresh"] = entry.json
        document["history"] = .array((history + [entry]).suffix(Self.maxHistory).map(\.json))
        if entry.outcome == .refreshed {
            refreshes = Self.next(refreshes)
        } else {
            var counts = document["failures"] ?? .object([])
            counts[entry.outcome.rawValue] = .integer(Self.next(counts[entry.outcome.rawValue]?.integer ?? 0))
            document["failures"] = counts
        }
    }

    /// A file may say anything.
    private static func next(_ count: Int) -> Int { min(max(count, 0), Int.max - 1) + 1 }

    func serialized() -> [UInt8] { Array((document.serialized(pretty: true) + "\n").utf8) }
}

/// One refresh, as it is remembered and shown.
public struct RefreshEntry: Sendable, Equatable {
    public enum Outcome: String, Sendable, CaseIterable {
        case refreshed
        /// The upstream refuses this token (4xx).
        case refused
        /// Not now (5xx, 429), or no token in the answer.
        case unavailable
        /// Nothing was sent.
        case unreachable
        /// Sent, and no whole answer came, twice.
        case lost
        /// This program ended before the answer came.
        case interrupted
        /// The result could not have been saved: nothing was sent.
        case notWritable = "not_writable"
    }

    /// Seconds since 1970.
    public var at: Int
    public var cause: RefreshCause
    public var outcome: Outcome
    /// What went wrong.
    public var detail: String?
    public var milliseconds: Int?
    /// The requests that waited for it.
    public var waiters: Int?

    public init(
        at: Int,
        cause: RefreshCause,
        outcome: Outcome,
        detail: String? = nil,
        milliseconds: Int? = nil,
        waiters: Int? = nil
    ) {
        self.at = at
        self.cause = cause
        self.outcome = outcome
        self.detail = detail
        self.milliseconds = milliseconds
        self.waiters = waiters
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
            waiters: json["waiters"]?.integer
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
        return .object(members)
    }
}
