public import Credentials
import Support

/// Finds a token, and how long it lives, in a response of the API.
public struct TokenFinder: Sendable {
    /// A JSON Pointer.
    public let token: String
    private let expiresIn: String?
    private let expiresAt: String?

    /// Where a refresh's response holds them, as the recipe says; a sign-in's response has the same form.
    public init(_ recipe: SessionConfiguration.Refresh?) {
        token = recipe?.token ?? "/data/token/value"
        expiresIn = recipe?.expiresIn
        expiresAt = recipe?.expiresAt
    }

    /// Finds the token, leniently: it may be the only valid one. `wall` is now, seconds since 1970.
    public func find(in body: [UInt8], wall: Int) -> (token: Token, lifetime: Int?)? {
        JSONValue(lenient: body).flatMap { find(in: $0, wall: wall) }
    }

    func find(in json: JSONValue, wall: Int) -> (token: Token, lifetime: Int?)? {
        guard let text = json.value(at: token)?.string, let found = Token(text) ?? (try? Token(pasted: text)) else {
            return nil
        }
        if let expiresIn, let seconds = Self.seconds(json.value(at: expiresIn)) { return (found, seconds) }
        let wall = UTCTime.clamped(wall)
        if let expiresAt, let end = Self.seconds(json.value(at: expiresAt)), end > wall { return (found, end - wall) }
        return (found, nil)
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
