import Threads

/// Counts tokens: each one that becomes current gets the next number. Zero means none.
public typealias Generation = UInt64

/// The principal that a token speaks for, as far as can be told. Small: it goes with every request.
public struct Principal: Equatable, Sendable {
    /// Hash of the login that the token descends from. It stays through refreshes.
    private let login: UInt64
    /// Hash of the subject that the token names; zero for none.
    private let subject: UInt64

    public init(lineage: String, subject: String?) {
        login = Token.hash(lineage)
        self.subject = subject.map(Token.hash) ?? 0
    }

    /// Whether both are one principal: of one login, or with one subject.
    public func isSame(as other: Principal) -> Bool {
        login == other.login || subject != 0 && subject == other.subject
    }
}

/// The current token, as requests use it.
public struct Credential: Equatable, Sendable {
    public var generation: Generation
    public var token: Token
    public var principal: Principal
    /// When it stops being accepted, on `CredentialClock.elapsed()`; nil when it does not say.
    public var expiry: Int64?
    /// The same, seconds since 1970 by this machine's clock.
    public var expiresAt: Int?
    /// When it became ours, seconds since 1970.
    public var receivedAt: Int
    /// A refresh of this process brought it, so it was good a moment ago. One that another process left may be dead already.
    public var isRefreshed: Bool

    public init(
        generation: Generation,
        token: Token,
        principal: Principal,
        expiry: Int64?,
        expiresAt: Int?,
        receivedAt: Int,
        isRefreshed: Bool = false
    ) {
        self.generation = generation
        self.token = token
        self.principal = principal
        self.expiry = expiry
        self.expiresAt = expiresAt
        self.receivedAt = receivedAt
        self.isRefreshed = isRefreshed
    }
}

extension Credential {
    /// How long the token lives in all, nanoseconds: by its own claims, else from its receipt to its end, else an hour.
    var life: Int64 {
        let known = token.claims?.lifetime ?? expiresAt.map { $0.subtracting(saturating: receivedAt) } ?? 3600
        return Int64(min(max(known, 0), Claims.longestLife)) * 1_000_000_000
    }
}

/// What a request that asked for a credential gets. Every request gets exactly one.
public enum Grant: Equatable, Sendable {
    case use(Credential)
    /// The upstream's clock is behind: the same token, but not before so many nanoseconds.
    case useAfter(nanoseconds: Int64, Credential)
    case failed(CredentialFailure)
}

/// Why there is no usable token.
public enum CredentialFailure: Error, Equatable, Sendable {
    /// There is no token, or one that can no longer be refreshed: only a login helps. The sentence says what happened, if that is known.
    case loginNeeded(String? = nil)
    /// No way to refresh is configured.
    case notRefreshable
    /// The refresh failed for now. Seconds until another try is worth it, and whether the API could not even be reached.
    case unavailable(retryAfter: Int, isUnreachable: Bool)
    /// Refreshing does not cure the rejections of this route; paused. Seconds until the next try.
    case paused(retryAfter: Int)
    /// A token that was just refreshed is rejected, and there is no other: the rejection is about the request.
    case refreshDidNotHelp
    /// The session file cannot be written, so nothing was sent.
    case notWritable(String)
    /// Too many requests wait for the refresh in flight.
    case overloaded
    case shuttingDown

    public var needsLogin: Bool { if case .loginNeeded = self { true } else { false } }
}

public enum RefreshCause: String, Sendable {
    case expiry, rejected, manual, client
}

/// The response to a successful refresh.
public struct RefreshResponse: Sendable {
    public var token: Token
    /// Seconds that the token lives from now, where the response says so beside the token.
    public var lifetime: Int?
    /// The upstream's response as it came, for a client that called the refresh path itself.
    public var body: [UInt8]
    public var contentType: String

    public init(token: Token, lifetime: Int? = nil, body: [UInt8], contentType: String) {
        self.token = token
        self.lifetime = lifetime
        self.body = body
        self.contentType = contentType
    }
}

/// How one attempt to refresh ended.
public enum RefreshOutcome: Sendable {
    case refreshed(RefreshResponse)
    /// The upstream refuses to refresh this token, for good.
    case refused(status: Int)
    /// Not now. `retryAfter` is the seconds that the upstream asked for; `mayHaveRotated` says that it may have rotated the token before
    /// it failed.
    case unavailable(reason: String, retryAfter: Int?, mayHaveRotated: Bool = false)
    /// Nothing was sent.
    case unreachable(reason: String)
    /// Sent, and no response that holds a token came: the upstream may have rotated it. `response` is the body of one that came whole and
    /// cannot be read, to be kept for a person.
    case lost(reason: String, response: [UInt8]? = nil)
}

/// Gets tokens. Blocking; called from one thread at a time. It only gets one: the session keeps it, and the exchange applies it.
public protocol TokenSource: Sendable {
    func refresh(_ token: Token) -> RefreshOutcome
}
