import Support

/// The contents of a session file. Keeps members that this version does not know.
public struct SessionRecord: Sendable, Equatable {
    /// How the current token came.
    public enum Source: String, Sendable {
        /// Given by hand, so that its age is unknown.
        case given
        case signIn = "sign-in"
        case refresh
    }

    /// A refresh of the current token got no usable response, so the upstream may have rotated it.
    public struct Unanswered: Sendable, Equatable {
        /// Seconds since 1970.
        public var at: Int
        public var reason: String

        public init(at: Int, reason: String) {
            self.at = at
            self.reason = reason
        }
    }

    /// The upstream rejected requests that carried the token.
    public struct Rejected: Sendable, Equatable {
        /// Seconds since 1970.
        public var at: Int
        /// False while only one route is known to reject it: others may accept it.
        public var isWhole: Bool

        public init(at: Int, isWhole: Bool) {
            self.at = at
            self.isWhole = isWhole
        }
    }

    /// Changed by this type's own files only.
    var document: JSONValue

    public init() {
        document = .object([.init("version", .integer(1))])
    }

    public init?(parsing bytes: [UInt8]) {
        guard let value = JSONValue(parsing: bytes), case .object = value else { return nil }
        document = value
    }

    /// Nil if there is none, and if `hasBadToken`.
    public private(set) var token: Token? {
        get { document["token"]?.string.flatMap { Token($0) ?? (try? Token(pasted: $0)) } }
        set { document["token"] = newValue.map { .string($0.value) } }
    }
    /// True if the member `token` holds something else than a token: the file is damaged, and that is no logout.
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
    /// Seconds since 1970 by this machine's clock; nil if the token does not say, or cannot be right.
    public private(set) var expiresAt: Int? {
        get { isOurs ? document["expires_at"]?.moment : token?.claims?.expiresAt }
        set { document["expires_at"] = newValue.map(JSONValue.integer) }
    }
    /// True if the upstream refused to refresh this token.
    public var isRefreshDenied: Bool {
        get { isOurs && document["refused"]?.bool ?? false }
        set { document["refused"] = newValue ? .bool(true) : nil }
    }
    /// What the upstream said of this token, when it was not good and nobody has seen it accepted since.
    public var rejected: Rejected? {
        get {
            guard isOurs, let value = document["rejected"], let at = value["at"]?.moment else { return nil }
            return Rejected(at: at, isWhole: value["whole"]?.bool ?? true)
        }
        set {
            document["rejected"] = newValue.map {
                .object([.init("at", .integer($0.at))] + ($0.isWhole ? [] : [.init("whole", .bool(false))]))
            }
        }
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

    /// Whether nothing can be done with the token any more, as far as the record says: it has expired or was rejected,
    /// and no refresh helps. `now` is seconds since 1970.
    public func isDead(canRefresh: Bool, now: Int) -> Bool {
        guard token != nil else { return true }
        let isOver = expiresAt.map { $0 <= now } ?? false || rejected?.isWhole == true
        return isOver && (isRefreshDenied || !canRefresh)
    }

    /// True if the other members describe this token. An editor or another tool may have replaced the token alone.
    private var isOurs: Bool {
        guard let known = document["fingerprint"]?.string else { return true }
        return known == token?.fingerprint
    }

    /// Identifies the login that the token descends from. Refreshes keep it; every login changes it. Nil without a
    /// token.
    public var lineage: String? {
        guard let token else { return nil }
        if document["fingerprint"]?.string == token.fingerprint, let known = document["login"]?.string { return known }
        return token.fingerprint
    }

    public var principal: Principal? { lineage.map { Principal(lineage: $0, subject: token?.claims?.subject) } }

    // MARK: Changes

    /// Replaces the token. A token that was just issued lives `lifetime` seconds from its receipt, else `exp - nbf`,
    /// whatever the issuer's clock says. Of a token given by hand only `exp` is known. A token that claims to be
    /// expired already has no known end: the upstream decides. `upstream` is the origin that it is bound to; a login
    /// without one leaves it unbound.
    public mutating func put(
        _ token: Token,
        source: Source,
        upstream: String? = nil,
        lifetime: Int? = nil,
        now: Int
    ) {
        let now = UTCTime.clamped(now)
        let login = source == .refresh ? lineage : nil
        if source != .refresh { beginHistory(now: now) }
        replaced = self.token?.fingerprint
        self.token = token
        document["fingerprint"] = .string(token.fingerprint)
        document["login"] = .string(login ?? token.fingerprint)
        if upstream != nil || source != .refresh { setOrigin(upstream) }
        receivedAt = now
        isRefreshDenied = false
        rejected = nil
        unanswered = nil
        expiresAt = Self.expiry(of: token, source: source, lifetime: lifetime, now: now)
        document["from"] = .string(source.rawValue)
    }

    /// A refresh brought the same token again: it lives `lifetime` seconds from now, where the response says so. One
    /// that had expired lives on, nobody knows how long.
    public mutating func renew(lifetime: Int?, now: Int) {
        let now = UTCTime.clamped(now)
        unanswered = nil
        if let lifetime {
            expiresAt = now + min(max(lifetime, 0), Claims.longestLife)
        } else if let end = expiresAt, end <= now {
            document["expires_at"] = .null
        }
    }

    private static func expiry(of token: Token, source: Source, lifetime: Int?, now: Int) -> Int? {
        let claims = token.claims
        if source == .given { return claims?.expiresAt }
        if let life = lifetime ?? claims?.lifetime { return now + min(max(life, 0), Claims.longestLife) }
        guard let end = claims?.expiresAt, claims?.start == nil, end > now else { return nil }
        return end
    }

    /// What was counted belongs to the login that is replaced.
    private mutating func beginHistory(now: Int) {
        for name in ["refreshes", "failures", "last_refresh", "history"] { document[name] = nil }
        document["signed_in_at"] = .integer(now)
    }

    /// When the session was logged in to, seconds since 1970; nil if that is unknown.
    public var signedInAt: Int? { isOurs ? document["signed_in_at"]?.moment : nil }

    public mutating func forgetToken() {
        token = nil
        replaced = nil
        for name in [
            "fingerprint", "login", "upstream", "origin", "refresh_origin", "source", "configuration", "from",
            "received_at", "expires_at", "refused", "rejected", "unanswered", "signed_in_at",
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

    /// The next count after one that a file said, which may be absurd.
    private static func next(_ count: Int) -> Int { min(max(count, 0), Int.max - 1) + 1 }

    func serialized() -> [UInt8] { Array((document.serialized(pretty: true) + "\n").utf8) }
}
