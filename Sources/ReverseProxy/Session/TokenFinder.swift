public import Credentials
import Support
import TokenSources

/// Finds a token, and how long it lives, in a response of the API.
public struct TokenFinder: Sendable {
    /// A JSON Pointer.
    public let token: String
    private let refreshToken: String?
    private let expiresIn: ExpiryReader.Place?
    private let expiresAt: String?
    private let refreshExpiresIn: ExpiryReader.Place?

    /// Where a refresh's response holds them, as the recipe says; a sign-in's response has the same form.
    public init(_ recipe: SessionConfiguration.Refresh?) {
        token = recipe?.token ?? "/data/token/value"
        refreshToken = recipe?.refreshToken
        refreshExpiresIn = recipe?.refreshExpiresIn
        expiresIn = recipe?.expiresIn
        expiresAt = recipe?.expiresAt
    }

    /// Finds the tokens, leniently: they may be the only valid ones. `wall` is now, seconds since 1970.
    public func find(in body: [UInt8], wall: Int) -> TokenSet? {
        JSONValue(lenient: body).flatMap { find(in: $0, wall: wall) }
    }

    func find(in json: JSONValue, wall: Int) -> TokenSet? {
        guard let found = json.value(at: token)?.string.flatMap({ try? Token(issued: $0) }) else { return nil }
        var tokens = TokenSet(accessToken: found)
        // An empty one is none: the old one stays. One that cannot be kept makes the whole answer useless.
        if let text = refreshToken.flatMap({ json.value(at: $0)?.string }), !text.isEmpty {
            guard let refreshToken = try? Token(issued: text) else { return nil }
            tokens.refreshToken = refreshToken
        }
        tokens.refreshExpiresIn = refreshExpiresIn.flatMap {
            ExpiryReader.span(json.value(at: $0.pointer), unit: $0.unit)
        }
        tokens.expiresIn = ExpiryReader.lifetime(in: json, expiresIn: expiresIn, expiresAt: expiresAt, wall: wall)
        return tokens
    }
}
