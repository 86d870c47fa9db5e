public import Credentials

/// The replacement for a secret.
public enum RedactionMark: Sendable, Equatable {
    case redacted
    case token(Generation)

    public var text: String {
        switch self {
        case .redacted: "‹redacted›"
        case .token(let generation): "‹token, generation \(generation)›"
        }
    }
}
