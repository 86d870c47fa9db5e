public import Cryptography
import Support

/// The proof key for code exchange (PKCE, RFC 7636): proves that the client that redeems a code is the one that
/// requested it. Kept in memory only, for one login.
public struct ProofKey: Sendable, CustomStringConvertible, CustomReflectable {
    /// The secret, sent with the code: 43 characters of the unreserved set, from 256 random bits.
    public let verifier: String
    /// Its SHA-256, sent with the request for the code.
    public let challenge: String

    /// The challenge method. `plain` is never used, because it protects nothing from an attacker who can read the
    /// request.
    public static let method = "S256"

    public init() throws(CryptographyError) {
        try self.init(random: Random.bytes(32))
    }

    init(random: [UInt8]) throws(CryptographyError) {
        try self.init(verifier: Base64URL.encode(random))
    }

    init(verifier: String) throws(CryptographyError) {
        self.verifier = verifier
        challenge = Base64URL.encode(try SHA256.hash(Array(verifier.utf8)))
    }

    public var description: String { "(proof key)" }
    public var customMirror: Mirror { Mirror(self, children: []) }
}

/// Texts from the system's random number generator.
enum RandomText {
    /// A `state` (RFC 6749 section 10.12): 128 bits, in 22 characters that need no encoding in a query.
    static func state() -> String { Base64URL.encode(Random.bytes(16)) }
}
