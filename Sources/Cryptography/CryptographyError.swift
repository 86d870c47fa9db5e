/// Why hashing, sealing, opening, signing or reading a key failed. Contains nothing of the data.
public enum CryptographyError: Error, Equatable, Sendable, CustomStringConvertible {
    /// OpenSSL cannot do it: it has no memory, or its configuration excludes the algorithm.
    case unavailable
    /// The sealed text was changed, or was sealed with another key or other associated data.
    case forged
    /// The private key is malformed, has an unsupported kind or size, or its parts do not match.
    case unusableKey

    public var description: String {
        switch self {
        case .unavailable: "OpenSSL refuses to work"
        case .forged: "it was changed, or sealed with another key"
        case .unusableKey: "it is no private key that is taken"
        }
    }
}
