import Cryptography
import Support

/// Makes and checks JSON Web Tokens (HS256) as the MENU API's library does.
struct TokenMint {
    /// The claims of one token, in the order the API writes them.
    struct Payload {
        var issuer: String
        var issuedAt: Int
        var expiresAt: Int
        var notBefore: Int
        var identifier: String
        var subject: String
        var sessionID: Int
        var isRefreshed: Bool
    }

    private static let header = Array(#"{"typ":"JWT","alg":"HS256"}"#.utf8)
    /// The SHA-1 of the user model's class name: the same in every token.
    private static let provider = "8665ae9775cf26f6b8e496f86fa536d68dd71818"
    private let key: SymmetricKey

    init() {
        key = SymmetricKey(randomCount: 32)
    }

    /// Nil when it cannot be signed.
    func token(_ payload: Payload) -> String? {
        let ttl = JSONValue.Member("setRefreshTTL", .integer(2_628_000))
        var members: [JSONValue.Member] = [
            .init("iss", .string(payload.issuer)), .init("iat", .integer(payload.issuedAt)),
            .init("exp", .integer(payload.expiresAt)), .init("nbf", .integer(payload.notBefore)),
            .init("jti", .string(payload.identifier)),
        ]
        if payload.isRefreshed { members.append(ttl) } else { members.insert(ttl, at: 0) }
        members += [
            .init("sub", .string(payload.subject)), .init("prv", .string(Self.provider)),
            .init("application_id", .integer(2144)), .init("session_id", .integer(payload.sessionID)),
        ]
        let signed = Self.encode(Self.header) + "." + Self.encode(JSONValue.object(members).octets())
        return signature(of: signed).map { signed + "." + $0 }
    }

    /// Nil when the signature is not ours.
    func claims(_ token: String) -> JSONValue? {
        guard let dot = token.lastIndex(of: ".") else { return nil }
        guard let expected = signature(of: String(token[..<dot])), expected == token[token.index(after: dot)...],
            let payload = token.split(separator: ".").dropFirst().first,
            let bytes = Base64URL.decode(String(payload))
        else { return nil }
        return JSONValue(parsing: bytes)
    }

    private func signature(of text: String) -> String? {
        (try? HMACSHA256.code(of: Array(text.utf8), by: key)).map(Self.encode)
    }

    private static func encode(_ bytes: [UInt8]) -> String { Base64URL.encode(bytes) }
}
