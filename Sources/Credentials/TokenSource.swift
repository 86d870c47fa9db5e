/// Why a token is asked for.
public enum RefreshCause: String, Sendable {
    case expiry, rejected, manual, client
    /// A first one, of a source that needs nobody.
    case start
    /// Nobody asks: what is not used for long enough ends.
    case keepAlive = "keep-alive"
}

/// The response to a successful refresh, as whoever asked for it by name gets it.
public struct RefreshResponse: Sendable {
    public var token: Token
    /// The upstream's response as it came.
    public var body: [UInt8]
    public var contentType: String

    public init(token: Token, body: [UInt8], contentType: String) {
        self.token = token
        self.body = body
        self.contentType = contentType
    }
}

/// Where tokens come from. The session keeps them, and the exchange applies them.
public protocol TokenSource: Sendable {
    /// Asking spends what is held: one asks at a time everywhere, the answer is saved before it is used, and one that is
    /// lost may be a lost login. Else tokens are minted: anybody may ask at any time, and nothing is lost.
    var spends: Bool { get }
    /// A token can be had without holding one: a session without a token asks instead of wanting a login.
    var startsAlone: Bool { get }
    /// Whether a token can be had with what is held.
    func canGet(with held: HeldTokens) -> Bool
    /// Asks. Blocking; called from one thread at a time.
    func get(_ held: HeldTokens) -> TokenOutcome
    /// How a first token is got, as `status` says it; nil for a source that has but one way.
    var grant: String? { get }
    /// Seconds that the issuer's clock is ahead of this machine's, where that mattered; nil if it is not known.
    var clockSkew: Int? { get }
}

extension TokenSource {
    /// What is not spent can be had again at any time.
    public var startsAlone: Bool { !spends }
    public var grant: String? { nil }
    public var clockSkew: Int? { nil }

    public func canGet(with held: HeldTokens) -> Bool { startsAlone || held.spent != nil }
}
