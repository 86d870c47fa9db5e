import Support

/// An assertion for an authorization server (RFC 7523 section 3): a signed JSON Web Token that states who the issuer or
/// the client is, and that is used once.
struct ClientAssertion: Sendable {
    var issuer: String
    var subject: String?
    var audience: String
    /// A claim besides the registered ones: Google expects the scope here.
    var scope: String?
    var keyID: String?
    /// In seconds.
    var lifetime: Int

    /// Returns the signed text. `now` is in seconds since 1970 by the server's clock; `identifier` (`jti`) must be new
    /// for each assertion.
    func signed(with key: SigningKey, now: Int, identifier: String) throws(SigningKey.Problem) -> String {
        var header: [JSONValue.Member] = [
            .init("alg", .string(key.algorithm.rawValue)), .init("typ", .string("JWT")),
        ]
        if let keyID = keyID ?? key.keyID { header.append(.init("kid", .string(keyID))) }
        var claims: [JSONValue.Member] = [.init("iss", .string(issuer))]
        if let subject { claims.append(.init("sub", .string(subject))) }
        claims.append(.init("aud", .string(audience)))
        claims.append(.init("iat", .integer(UTCTime.clamped(now))))
        claims.append(.init("exp", .integer(UTCTime.clamped(now) + lifetime)))
        claims.append(.init("jti", .string(identifier)))
        if let scope { claims.append(.init("scope", .string(scope))) }
        let encode = { (members: [JSONValue.Member]) in
            Base64URL.encode(JSONValue.object(members).octets())
        }
        let input = encode(header) + "." + encode(claims)
        return input + "." + Base64URL.encode(try key.signature(of: Array(input.utf8)))
    }

    /// 128 random bits.
    static func newIdentifier() -> String {
        RandomText.state()
    }
}
