public import Credentials
import HTTP1
import Support
import TokenSources

/// Finds tokens and their lifetimes in a response of the API.
public struct TokenFinder: Sendable {
    /// JSON Pointers (RFC 6901): the token is the first text that is at one of them.
    public let places: [String]
    /// A person has said where it is.
    private let isSure: Bool
    private let refreshToken: String?
    private let expiresIn: ExpiryReader.Place?
    private let expiresAt: String?
    private let refreshExpiresIn: ExpiryReader.Place?

    /// Where no other text is.
    private static let sure = ["/data/token/value", "/access_token", "/accessToken", "/data/access_token"]
    /// Where the response to a sign-in has the token, as APIs usually write it, if no recipe says that.
    public static let usualPlaces =
        sure
        + ["", "/data", "/session", "/result"].flatMap { parent in
            ["/access_token", "/accessToken", "/token", "/token/value", "/jwt"].map { parent + $0 }
        }.filter { !sure.contains($0) }

    /// Uses the places in a refresh's response that the recipe names; a sign-in's response has the same form.
    public init(_ recipe: SessionConfiguration.Refresh?) {
        places = recipe.map { [$0.token] } ?? Self.usualPlaces
        isSure = recipe != nil
        refreshToken = recipe?.refreshToken
        refreshExpiresIn = recipe?.refreshExpiresIn
        expiresIn = recipe?.expiresIn
        expiresAt = recipe?.expiresAt
    }

    /// What a response holds.
    public enum Finding: Sendable {
        case tokens(TokenSet)
        /// No token is there; possibly a refresh token alone.
        case absent(reason: String, UnusableTokens)
        /// One is there that is no token, or not of the required form; possibly a refresh token beside it.
        case unusable(reason: String, UnusableTokens)
    }

    /// Finds the tokens, leniently: they may be the only valid ones. `wall` is the current time, in seconds since 1970,
    /// and `date` the response's Date field. With `onlyJWTs`, no other token can be used.
    public func look(in body: [UInt8], date: String?, wall: Int, onlyJWTs: Bool = false) -> Finding {
        guard let json = JSONValue(lenient: body) else {
            return .absent(reason: "the answer is not JSON", UnusableTokens())
        }
        let finding = look(in: json, date: date, wall: wall)
        guard onlyJWTs, case .tokens(let tokens) = finding, !tokens.accessToken.isJWT else { return finding }
        return .unusable(reason: "the token is no JSON Web Token (session.tokens)", UnusableTokens(tokens))
    }

    /// The same in a body that was parsed.
    func look(in json: JSONValue, date: String?, wall: Int) -> Finding {
        var rest = UnusableTokens()
        if let place = refreshToken {
            do throws(TokenProblem) {
                // Without one, the old one stays. One that cannot be kept makes the whole answer unusable.
                rest.refreshToken = try Token.text(json.value(at: place)).map(Token.init(issuedToRefresh:))
            } catch {
                return .unusable(reason: "the refresh token at \(place) cannot be used: \(error)", rest)
            }
        }
        rest.refreshExpiresIn = refreshExpiresIn.flatMap {
            ExpiryReader.span(json.value(at: $0.pointer), unit: $0.unit)
        }
        let texts = places.lazy.compactMap { place in (try? Token.text(json.value(at: place))).map { (place, $0) } }
        // Without a recipe, what is no JSON Web Token may be the first of two steps, but for a few names.
        let found = isSure ? texts.first : texts.first { Self.sure.contains($0) || Token($1)?.isJWT ?? false }
        let place = found?.0 ?? places[0]
        do throws(TokenProblem) {
            guard let text = found?.1 else {
                // Where a recipe says that it is, there may be something else.
                if isSure { _ = try Token.text(json.value(at: place)) }
                return .absent(reason: "the answer holds no new token at \(place) (session.refresh.token)", rest)
            }
            var tokens = TokenSet(accessToken: try Token(issued: text))
            tokens.refreshToken = rest.refreshToken
            tokens.refreshExpiresIn = rest.refreshExpiresIn
            tokens.expiresIn = ExpiryReader.lifetime(in: json, expiresIn: expiresIn, expiresAt: expiresAt, wall: wall)
            return .tokens(tokens.dated(date.flatMap(HTTPDate.seconds)))
        } catch {
            return .unusable(reason: "the token at \(place) cannot be used: \(error)", rest)
        }
    }
}
