public import Cryptography
import Support

/// What proves that whoever redeems a code is who asked for it (RFC 7636). Lives in memory only, for one login.
public struct ProofKey: Sendable, CustomStringConvertible, CustomReflectable {
    /// The secret, sent with the code: 43 characters of the unreserved set, from 256 random bits.
    public let verifier: String
    /// Its SHA-256, sent with the request for the code.
    public let challenge: String

    /// What the challenge is made by. `plain` is never used: it protects nothing where the request can be read.
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

/// Text made of the system's random numbers.
enum RandomText {
    /// 128 bits, in 22 characters that no query needs to encode.
    static func state() -> String { Base64URL.encode(Random.bytes(16)) }
}
