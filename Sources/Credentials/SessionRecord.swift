import Platform
import Support

/// The contents of a session file. Preserves members that this version does not know.
public struct SessionRecord: Sendable, Equatable {
    /// How the current token arrived.
    public enum Arrival: String, Sendable {
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

    /// How the token arrived; nil if unknown, or if the member concerns another token.
    var arrival: Arrival? { isOurs ? document["from"]?.string.flatMap(Arrival.init) : nil }

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
        // An issuer's token may look like a word that people put before theirs.
        get { document["token"]?.string.flatMap { (try? Token(issued: $0)) ?? (try? Token(pasted: $0)) } }
        set { document["token"] = newValue.map { .string($0.value) } }
    }
    /// The token that the next refresh spends, if that is not the access token (RFC 6749 section 1.5).
    public private(set) var refreshToken: Token? {
        get {
            document["refresh_token"]?.string.flatMap { (try? Token(issuedToRefresh: $0)) ?? (try? Token(pasted: $0)) }
        }
        set { document["refresh_token"] = newValue.map { .string($0.value) } }
    }
    public var held: HeldTokens { HeldTokens(accessToken: token, refreshToken: refreshToken) }
    /// No token is held: there is no session.
    public var isEmpty: Bool { held.spent == nil }
    /// Identifies the token that the next refresh spends, and thereby distinguishes rotations; nil if none is held.
    var spent: String? { held.spent?.fingerprint }

    /// Names the tokens that a file still has, as `Token.fingerprint`, though others came in between: whoever finds both
    /// takes this record. Nil changes nothing.
    mutating func replaces(_ fingerprint: String?) {
        if let fingerprint { replaced = fingerprint }
    }

    /// The same for what a file has; nil if there is no file. The end of what came for nothing names that: see `isEnd`.
    mutating func replaces(_ record: SessionRecord?) {
        document["replaced"] = record?.spent.map(JSONValue.string) ?? (isEmpty ? .null : nil)
    }

    /// Whether it tells that a session has ended.
    var isEnd: Bool { isEmpty && document["replaced"] != nil }

    /// Whether the tokens in this record came for those in `other`, which are dead since.
    func hasReplaced(_ other: SessionRecord) -> Bool {
        guard let replaced, let spent = other.spent else { return false }
        return replaced == spent && held != other.held
    }

    /// True if a member for a token has another value: the file is damaged, which is not a logout.
    var hasBadToken: Bool {
        let isBad = { (name: String, token: Token?) in
            switch document[name] {
            case nil, .null: false
            default: token == nil
            }
        }
        return isBad("token", token) || isBad("refresh_token", refreshToken)
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
    /// `expiresAt` on `CredentialClock.elapsed()`; nil if unknown. A clock that was set back since an issuer gave the token
    /// does not lengthen its life. The end of a token that was given by hand is the issuer's word.
    func end(now: Instant) -> Int64? {
        guard let expiresAt else { return nil }
        let ahead = max(0, (receivedAt ?? now.wall).subtracting(saturating: now.wall))
        return now.elapsed(at: isDatedHere ? expiresAt.subtracting(saturating: ahead) : expiresAt)
    }

    /// This machine counted `expiresAt` from `receivedAt`.
    private var isDatedHere: Bool { arrival == .signIn || arrival == .refresh }

    /// The end of the refresh token, in seconds since 1970 by this machine's clock; nil if unknown.
    public private(set) var refreshExpiresAt: Int? {
        get { isOfSpent ? document["refresh_expires_at"]?.moment : nil }
        set { document["refresh_expires_at"] = newValue.map(JSONValue.integer) }
    }
    /// The scope of the tokens, as the issuer wrote it.
    public private(set) var scope: String? {
        get { document["scope"]?.string }
        set { document["scope"] = newValue.map(JSONValue.string) }
    }
    /// True if the issuer refused to refresh the held tokens.
    public var isRefreshDenied: Bool {
        get { isOfSpent && document["refused"]?.bool ?? false }
        set { document["refused"] = newValue ? .bool(true) : nil }
    }
    /// The issuer has refused nothing: an answer was lost, and `session.retry-lost: never` forbade whoever asked for it to
    /// send the held tokens once more. A session without that rule may.
    var isOnlyForbidden: Bool { isRefreshDenied && unanswered != nil && lastRefresh?.outcome == .lost }
    /// The upstream's rejection of this token, if no acceptance is known since.
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
            guard isOfSpent, let value = document["unanswered"], let at = value["at"]?.moment else { return nil }
            return Unanswered(at: at, reason: value["reason"]?.string ?? "")
        }
        set {
            document["unanswered"] = newValue.map {
                .object([.init("at", .integer($0.at)), .init("reason", .string($0.reason))])
            }
        }
    }
    /// The token that was spent for this one, or that a logout ended, as `Token.fingerprint`.
    private(set) var replaced: String? {
        get { document["replaced"]?.string }
        set { document["replaced"] = newValue.map(JSONValue.string) }
    }

    /// Whether the token has become useless, as far as the record says: it has expired or was rejected, and no refresh
    /// helps. `now` is seconds since 1970.
    public func isDead(canRefresh: Bool, now: Int) -> Bool {
        guard !isEmpty else { return true }
        let isOver = token == nil || expiresAt.map { $0 <= now } ?? false || rejected?.isWhole == true
        return isOver && (isRefreshDenied || !canRefresh)
    }

    /// True if the other members describe this token. An editor or another tool may have replaced the token alone.
    private var isOurs: Bool {
        guard let known = document["fingerprint"]?.string else { return true }
        return known == token?.fingerprint
    }

    /// True if the members about refreshing describe the token that is spent next.
    var isOfSpent: Bool {
        guard let known = (document["spent"] ?? document["fingerprint"])?.string else { return true }
        return known == spent
    }

    /// Identifies the login that the tokens descend from. Refreshes keep it; every login changes it. Nil without a
    /// token.
    public var lineage: String? {
        guard let spent else { return nil }
        if isOurs, isOfSpent, document["fingerprint"] != nil || document["spent"] != nil,
            let known = document["login"]?.string
        {
            return known
        }
        return spent
    }

    public var principal: Principal? { lineage.map { Principal(lineage: $0, subject: token?.claims?.subject) } }

    // MARK: Changes

    /// Replaces the tokens. An access token that was just issued lives `expiresIn` seconds from its receipt, otherwise
    /// `exp - nbf`, whatever the issuer's clock says. For a token given by hand only `exp` is known. A token that
    /// claims to be expired already has no known end: the upstream decides. A refresh that brings no refresh token
    /// keeps the existing one. `upstream` is the origin that they are bound to; a login without one leaves them
    /// unbound.
    public mutating func put(
        _ tokens: TokenSet,
        _ arrival: Arrival,
        upstream: String? = nil,
        now: Int
    ) {
        let now = UTCTime.clamped(now)
        let token = tokens.accessToken
        let before = (spent: spent, lineage: lineage, refreshEnd: refreshExpiresAt)
        let login = arrival == .refresh ? before.lineage : nil
        if arrival != .refresh {
            beginHistory(now: now)
            refreshToken = nil
            scope = nil
            document["token_type"] = nil
        }
        replaced = before.spent
        self.token = token
        refreshToken = tokens.refreshToken ?? refreshToken
        document["fingerprint"] = .string(token.fingerprint)
        document["spent"] = refreshToken.map { .string($0.fingerprint) }
        let after = spent
        document["login"] = (login ?? after).map(JSONValue.string)
        if upstream != nil || arrival != .refresh { setOrigin(upstream) }
        receivedAt = now
        isRefreshDenied = false
        rejected = nil
        unanswered = nil
        pause = nil
        expiresAt = Self.expiry(of: token, arrival, lifetime: tokens.expiresIn, now: now)
        let refreshEnd = tokens.refreshExpiresIn.map { now + Self.bounded($0) }
        refreshExpiresAt = refreshEnd ?? (after == before.spent ? before.refreshEnd : nil)
        scope = tokens.scope ?? scope
        if let type = tokens.tokenType { document["token_type"] = .string(type) }
        document["from"] = .string(arrival.rawValue)
    }

    /// Replaces the refresh token alone: the former one was spent, and the access token in the answer is unusable or
    /// did not come yet.
    public mutating func putRefreshToken(_ refreshToken: Token, expiresIn: Int? = nil, now: Int) {
        let now = UTCTime.clamped(now)
        let login = lineage
        replaced = spent
        self.refreshToken = refreshToken
        document["spent"] = .string(refreshToken.fingerprint)
        document["login"] = (login ?? spent).map(JSONValue.string)
        isRefreshDenied = false
        unanswered = nil
        pause = nil
        refreshExpiresAt = expiresIn.map { now + Self.bounded($0) }
    }

    /// A login brought a refresh token, and no access token that can be used.
    mutating func begin(with refreshToken: Token, expiresIn: Int? = nil, now: Int) {
        forgetToken()
        beginHistory(now: UTCTime.clamped(now))
        putRefreshToken(refreshToken, expiresIn: expiresIn, now: now)
    }

    private static func bounded(_ seconds: Int) -> Int { min(max(seconds, 0), Claims.longestLife) }

    /// A refresh returned the same token: it lives `lifetime` seconds from now, if the response says so. If it had
    /// expired, its end is unknown.
    public mutating func renew(lifetime: Int?, now: Int) {
        let now = UTCTime.clamped(now)
        unanswered = nil
        pause = nil
        if let lifetime {
            expiresAt = now + Self.bounded(lifetime)
        } else if let end = expiresAt, end <= now {
            document["expires_at"] = .null
        }
    }

    private static func expiry(of token: Token, _ arrival: Arrival, lifetime: Int?, now: Int) -> Int? {
        let claims = token.claims
        // By its own word, which may be that it has ended; not when it means something else.
        if arrival == .given { return claims?.expiresAt.flatMap { $0 - now > TokenLife.longest ? nil : $0 } }
        if let lifetime { return now + bounded(lifetime) }
        return claims?.end(receivedAt: now)
    }

    /// The counts belong to the login that is replaced.
    private mutating func beginHistory(now: Int) {
        for name in ["refreshes", "failures", "last_refresh", "history"] { document[name] = nil }
        document["signed_in_at"] = .integer(now)
    }

    /// The time of the login, in seconds since 1970; nil if unknown.
    public var signedInAt: Int? { isOurs ? document["signed_in_at"]?.moment : nil }

    public mutating func forgetToken() {
        token = nil
        refreshToken = nil
        replaced = nil
        for name in [
            "spent", "refresh_expires_at", "scope", "token_type", "source_endpoint", "client_id",
            "fingerprint", "login", "upstream", "origin", "refresh_origin", "source", "configuration", "from",
            "received_at", "expires_at", "refused", "rejected", "unanswered", "pause", "signed_in_at",
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

    static let maxHistory = 10

    public mutating func record(_ entry: RefreshEntry) {
        document["last_refresh"] = entry.json
        document["history"] = .array((history + [entry]).suffix(Self.maxHistory).map(\.json))
        switch entry.outcome {
        case .refreshed: refreshes = Self.next(refreshes)
        // Normal for sources that cache their token for a while.
        case .unchanged: break
        case .refused, .misconfigured, .unavailable, .unreachable, .lost, .interrupted, .notWritable:
            var counts = document["failures"] ?? .object([])
            counts[entry.outcome.rawValue] = .integer(Self.next(counts[entry.outcome.rawValue]?.integer ?? 0))
            document["failures"] = counts
        }
    }

    /// The successor of a count from the file, which may have any value.
    private static func next(_ count: Int) -> Int { min(max(count, 0), Int.max - 1) + 1 }

    func serialized() -> [UInt8] { Array((document.serialized(pretty: true) + "\n").utf8) }
}
