public import Credentials
import Support

/// Finds a token, and how long it lives, in a response of the API.
public struct TokenFinder: Sendable {
    /// A JSON Pointer.
    public let token: String
    private let refreshToken: String?
    private let expiresIn: String?
    private let expiresAt: String?
    private let refreshExpiresIn: String?

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
        // An empty one is none: the old one stays.
        tokens.refreshToken = refreshToken.flatMap { json.value(at: $0)?.string }.flatMap { try? Token(issued: $0) }
        tokens.refreshExpiresIn = refreshExpiresIn.flatMap { Self.seconds(json.value(at: $0)) }
        tokens.expiresIn = lifetime(in: json, wall: UTCTime.clamped(wall))
        return tokens
    }

    private func lifetime(in json: JSONValue, wall: Int) -> Int? {
        if let expiresIn, let seconds = Self.seconds(json.value(at: expiresIn)) { return seconds }
        guard let expiresAt, let end = Self.seconds(json.value(at: expiresAt)), end > wall else { return nil }
        return end - wall
    }

    /// A positive number of seconds, which some APIs write as a string. Nil for anything else; absurdly large numbers
    /// are clamped.
    private static func seconds(_ value: JSONValue?) -> Int? {
        let text: String
        switch value {
        case .number(let number): text = number
        case .string(let digits): text = digits
        case .null, .bool, .array, .object, nil: return nil
        }
        guard let number = Double(text), number >= 1, number.isFinite else { return nil }
        return Int(min(number, 1e11))
    }
}
