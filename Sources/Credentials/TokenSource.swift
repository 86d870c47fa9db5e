public import Support

/// Why a token is requested.
public enum RefreshCause: String, Sendable {
    case expiry, rejected, manual, client
    /// The first token of a source that needs no login.
    case start
    /// No request needs it, but tokens that are not used for long enough end.
    case keepAlive = "keep-alive"
}

/// The response to a successful refresh, for a caller that asked for the refresh by name.
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

    /// The form of RFC 6749 section 5.1, without a refresh token.
    static func usual(_ token: Token) -> RefreshResponse {
        RefreshResponse(token: token, json: .object([.init("access_token", .string(token.value))]))
    }

    /// A JSON body.
    public init(token: Token, json: JSONValue) {
        self.init(token: token, body: json.octets(), contentType: "application/json")
    }
}

/// A source of tokens. The session keeps them, and the exchange applies them.
public protocol TokenSource: Sendable {
    /// Getting a token spends the held ones: only one process may do it at a time, the answer is saved before it is
    /// used, and a lost answer may be a lost login. Otherwise tokens are minted: any process may get one at any time,
    /// and nothing can be lost.
    var spends: Bool { get }
    /// A token can be obtained without holding one: a session without a token gets one instead of requiring a login.
    var startsAlone: Bool { get }
    /// Whether a token can be obtained with the held ones.
    func canGet(with held: HeldTokens) -> Bool
    /// Gets a token. Blocking; called on one thread at a time.
    func get(_ held: HeldTokens) -> TokenOutcome
    /// The same for tokens that somebody else may begin to spend meanwhile: `maySend` is asked once there is a connection,
    /// right before the first byte leaves. If it returns false, nothing is sent, and the outcome is `unreachable`.
    func get(_ held: HeldTokens, if maySend: @escaping @Sendable () -> Bool) -> TokenOutcome
    /// Ends tokens of a session that the API has ended, at an issuer that does not know of that. Returns why some of
    /// them live on, as a clause; nil if none does, or the API's own sign-out ends them all. Blocking; called on one
    /// thread at a time, possibly while `get` runs on another.
    func end(_ held: HeldTokens) -> String?
    /// The response in which the issuer would have brought these tokens: for a caller that asked for a refresh by name,
    /// while somebody else made it.
    func response(bringing token: Token, _ refreshToken: Token?) -> RefreshResponse
    /// How a first token is obtained, in the wording of `status`; nil for a source with only one way.
    var grant: String? { get }
    /// How many seconds the issuer's clock is ahead of this machine's, if that mattered; nil if unknown.
    var clockSkew: Int? { get }
}

extension TokenSource {
    /// A minted token can be obtained again at any time.
    public var startsAlone: Bool { !spends }
    public var grant: String? { nil }
    public var clockSkew: Int? { nil }

    public func end(_ held: HeldTokens) -> String? { nil }

    /// For sources whose tokens nobody else spends.
    public func get(_ held: HeldTokens, if maySend: @escaping @Sendable () -> Bool) -> TokenOutcome { get(held) }

    public func canGet(with held: HeldTokens) -> Bool { startsAlone || held.spent != nil }

    /// In the form of RFC 6749 section 5.1.
    public func response(bringing token: Token, _ refreshToken: Token?) -> RefreshResponse { .usual(token) }
}
