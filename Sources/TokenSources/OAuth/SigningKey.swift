import Cryptography
import HTTP1
import Support

/// A private key that signs assertions, and the other data in its file. Never shown.
public struct SigningKey: Sendable {
    let key: PrivateKey
    /// `kid` of a JSON Web Key, `private_key_id` of a service account.
    public let keyID: String?
    /// `client_email` of a service account.
    public let issuer: String?
    /// `token_uri` of a service account.
    public let tokenEndpoint: String?

    /// Why a text is not a usable key. Contains nothing of the text.
    public struct Problem: Error, Equatable, Sendable, CustomStringConvertible {
        public let description: String
    }

    private static let forms = "PEM, a JSON Web Key, or the JSON file of a Google service account"

    /// Reads PEM (PKCS #1, PKCS #8 or SEC 1), a JSON Web Key (RFC 7517), or a Google service account's JSON.
    public init(_ text: String) throws(Problem) {
        let start = text.utf8.first { $0 > 0x20 && $0 < 0x80 }
        guard start == UInt8(ascii: "{") else {
            key = try Self.pem(text)
            (keyID, issuer, tokenEndpoint) = (nil, nil, nil)
            return
        }
        guard let json = JSONValue(parsing: Array(text.utf8)) else { throw Problem(description: "it is not JSON") }
        if let pem = json["private_key"]?.string {
            key = try Self.pem(pem)
            keyID = json["private_key_id"]?.string
            issuer = json["client_email"]?.string
            tokenEndpoint = json["token_uri"]?.string
        } else {
            key = try Self.jwk(json)
            keyID = json["kid"]?.string
            (issuer, tokenEndpoint) = (nil, nil)
        }
    }

    /// The usual algorithm for the type of the key.
    public var algorithm: OAuthConfiguration.Algorithm {
        switch key.kind {
        case .rsa: .rs256
        case .p256: .es256
        }
    }

    /// The signature of `input` with `algorithm` (RFC 7518 section 3).
    func signature(of input: [UInt8]) throws(Problem) -> [UInt8] {
        do throws(CryptographyError) {
            return try key.signature(of: input)
        } catch {
            throw Problem(description: "it cannot sign")
        }
    }

    // MARK: Forms

    private static func pem(_ text: String) throws(Problem) -> PrivateKey {
        let lines = text.utf8.split(omittingEmptySubsequences: true) { $0 == 0x0A || $0 == 0x0D }
            .map { String(decoding: $0, as: UTF8.self).trimmingEnd() }
        guard let start = lines.firstIndex(where: { $0.hasPrefix("-----BEGIN ") && $0.hasSuffix("PRIVATE KEY-----") })
        else { throw Problem(description: "it holds no private key: \(forms) is expected") }
        guard let end = lines[start...].firstIndex(where: { $0.hasPrefix("-----END ") }) else {
            throw Problem(description: "its PEM is cut")
        }
        let block = lines[start...end]
        guard !block.contains(where: { $0.contains("ENCRYPTED") }) else {
            throw Problem(description: "it is protected by a pass phrase, which nobody is asked for")
        }
        let pem = block.joined(separator: "\n") + "\n"
        return try usable { () throws(CryptographyError) in try PrivateKey(pem: pem) }
    }

    private static let unusable = "it is neither an RSA key of at least 2048 bits nor one of the curve P-256"

    private static func usable(_ make: () throws(CryptographyError) -> PrivateKey) throws(Problem) -> PrivateKey {
        do throws(CryptographyError) {
            return try make()
        } catch {
            throw Problem(description: unusable)
        }
    }

    private static func jwk(_ json: JSONValue) throws(Problem) -> PrivateKey {
        let number = { (name: String) in json[name]?.string.flatMap { Base64URL.decode($0) } }
        switch json["kty"]?.string {
        case "EC":
            guard json["crv"]?.string == "P-256", let d = number("d") else { throw Problem(description: unusable) }
            return try usable { () throws(CryptographyError) in try PrivateKey(p256: d) }
        case "RSA":
            guard let n = number("n"), let e = number("e"), let d = number("d"), n.count <= 2048 else {
                throw Problem(description: "it is a public key, or cut: d is missing")
            }
            // The primes would make signing faster, but it happens once for each token, and they would have to be
            // verified.
            return try usable { () throws(CryptographyError) in
                try PrivateKey(rsa: .init(modulus: n, exponent: e, privateExponent: d))
            }
        default:
            throw Problem(description: "it holds no private key: \(forms) is expected")
        }
    }
}

extension String {
    fileprivate func trimmingEnd() -> String {
        String(decoding: utf8.reversed().drop { $0 <= 0x20 }.reversed(), as: UTF8.self)
    }
}
