/// Why something was not hashed, sealed, opened, read or signed. Says nothing of what was.
public enum CryptographyError: Error, Equatable, Sendable, CustomStringConvertible {
    /// OpenSSL does not do it: no memory, or its configuration leaves the algorithm out.
    case unavailable
    /// What was to be opened was changed, or sealed with another key or other associated data.
    case forged
    /// A private key that is malformed, of a kind or size that is not taken, or whose parts do not belong together.
    case unusableKey

    public var description: String {
        switch self {
        case .unavailable: "OpenSSL refuses to work"
        case .forged: "it was changed, or sealed with another key"
        case .unusableKey: "it is no private key that is taken"
        }
    }
}
