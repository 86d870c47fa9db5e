import Cryptography
import Platform

/// Identifies a key of the fleet without revealing it: the first 32 bits of SHA-256("squire kid", key). Records spell
/// it as 8 hexadecimal digits.
public struct SharedKeyID: Hashable, Sendable, CustomStringConvertible {
    private let value: UInt32

    /// Nil unless `text` is 8 lower-case hexadecimal digits.
    public init?(_ text: String) {
        let digits = text.utf8
        guard digits.count == 8,
            digits.allSatisfy({ (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }),
            let value = UInt32(text, radix: 16)
        else { return nil }
        self.value = value
    }

    init(of key: [UInt8]) throws(CryptographyError) {
        let digest = try SHA256.hash(Array("squire kid".utf8) + key)
        value = digest.prefix(4).reduce(0) { $0 << 8 | UInt32($1) }
    }

    public var description: String { unsafe withUnsafeBytes(of: value.bigEndian) { unsafe Hexadecimal.text($0) } }
}

/// One key of the fleet. Its descriptions show its identifier, never the key.
struct SharedKey: Sendable, CustomStringConvertible, CustomReflectable {
    static let count = 32

    let id: SharedKeyID
    private let secret: SymmetricKey

    /// Nil unless `bytes` are 32 octets.
    init?(_ bytes: [UInt8]) throws(CryptographyError) {
        guard bytes.count == Self.count else { return nil }
        id = try SharedKeyID(of: bytes)
        secret = SymmetricKey(bytes)
    }

    /// Derives the key that seals the records of the session `name` (HKDF, RFC 5869).
    func sealing(_ name: String) throws(CryptographyError) -> SymmetricKey {
        try HKDFSHA256.key(
            from: secret,
            salt: Array(name.utf8),
            info: Array("squire shared session v1".utf8)
        )
    }

    var description: String { "(key \(id))" }
    var customMirror: Mirror { Mirror(self, children: []) }
}
