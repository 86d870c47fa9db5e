/// How a token goes onto a request: one field line with the token in its value.
public struct CredentialApplication: Equatable, Sendable {
    /// The field's name, as it is sent.
    public let field: String
    /// What stands before the token in the value.
    public let prefix: String
    /// What stands after it.
    public let suffix: String

    /// `Authorization: Bearer {token}` (RFC 6750 section 2.1).
    public init() {
        self.init(field: "Authorization", prefix: "Bearer ", suffix: "")
    }

    public init(field: String, prefix: String, suffix: String) {
        self.field = field
        self.prefix = prefix
        self.suffix = suffix
    }

    /// The whole value.
    public func value(_ token: Token) -> String { prefix + token.value + suffix }

    /// True if it is the field that clients authenticate with, too.
    public var isAuthorization: Bool { field.lowercased() == "authorization" }
}
