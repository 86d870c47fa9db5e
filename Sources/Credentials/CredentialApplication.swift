/// How a token is applied to a request: as part of the value of one field.
public struct CredentialApplication: Equatable, Sendable {
    /// The field's name, as it is sent.
    public let field: String
    /// The text before the token in the value.
    public let prefix: String
    /// The text after the token.
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

    /// True if the field is also the one that clients authenticate with.
    public var isAuthorization: Bool { field.lowercased() == "authorization" }
}
