/// Counts tokens: each one that becomes current gets the next number. Zero means none.
public typealias Generation = UInt64

/// For whom a token speaks, as far as can be told. Small: it goes with every request.
public struct Customer: Equatable, Sendable {
    /// Stands for the login that the token descends from: the same through refreshes.
    private let login: UInt64
    /// Stands for the subject that the token names; zero is none.
    private let subject: UInt64

    public init(lineage: String, subject: String?) {
        login = Token.hash(lineage)
        self.subject = subject.map(Token.hash) ?? 0
    }

    /// Whether both are one customer: of one login, or with one subject.
    public func isSame(as other: Customer) -> Bool {
        login == other.login || subject != 0 && subject == other.subject
    }
}

/// The current token, as requests use it.
public struct Credential: Equatable, Sendable {
    public var generation: Generation
    public var token: Token
    public var customer: Customer
    /// When it stops being accepted, on `CredentialClock.elapsed()`; nil when it does not say.
    public var expiry: Int64?
    /// The same, seconds since 1970 by this machine's clock.
    public var expiresAt: Int?
    /// When it became ours, seconds since 1970.
    public var receivedAt: Int
    /// A refresh of this very process brought it: it was good a moment ago. One that another left may be dead already.
    public var isRefreshed: Bool

    public init(
        generation: Generation,
        token: Token,
        customer: Customer,
        expiry: Int64?,
        expiresAt: Int?,
        receivedAt: Int,
        isRefreshed: Bool = false
    ) {
        self.generation = generation
        self.token = token
        self.customer = customer
        self.expiry = expiry
        self.expiresAt = expiresAt
        self.receivedAt = receivedAt
        self.isRefreshed = isRefreshed
    }
}

/// Why there is no usable token.
public enum CredentialFailure: Error, Equatable, Sendable {
    /// No token, or one that can no longer be refreshed: only a login helps. What happened, as a sentence, where there is a story.
    case loginNeeded(String? = nil)
    /// Nothing is known about how to refresh.
    case notRefreshable
    /// The refresh failed for now. Seconds until another try is worth it; whether the API could not even be reached.
    case unavailable(retryAfter: Int, isUnreachable: Bool)
    /// Refreshing does not cure the refusals; paused. Seconds until the next try.
    case paused(retryAfter: Int)
    /// A token that was just refreshed is refused, and there is no other: the refusal is the request's own.
    case notCured
    /// The session file cannot be written, so nothing was sent.
    case notWritable(String)
    /// So many wait for the refresh in flight that no more may.
    case overloaded
    case shuttingDown

    public var needsLogin: Bool { if case .loginNeeded = self { true } else { false } }
}

public enum RefreshCause: String, Sendable {
    case expiry, rejected, manual, client
}

/// What a successful refresh brought.
public struct RefreshReply: Sendable {
    public var token: Token
    /// Seconds that the token lives from now, where the answer says it beside the token.
    public var lifetime: Int?
    /// The upstream's answer as it came, for a client that called the refresh path itself.
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
    case refreshed(RefreshReply)
    /// The upstream refuses this token for good (4xx).
    case refused(status: Int)
    /// Not now: 5xx or 429. Seconds asked for, where known; whether the upstream may have rotated the token before it failed.
    case unavailable(reason: String, retryAfter: Int?, mayHaveRotated: Bool = false)
    /// Nothing was sent.
    case unreachable(reason: String)
    /// Sent, and no answer that holds a token: the upstream may have rotated it.
    case lost(reason: String)
}

/// Gets tokens. Blocking; called from one thread at a time. It only *gets* one: the cache keeps it, the exchange applies it.
public protocol TokenSource: Sendable {
    func refresh(_ token: Token) -> RefreshOutcome
}
