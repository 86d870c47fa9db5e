/// Decides by their names which fields contain secrets. Their values are never shown.
public enum SecretField {
    /// The replacement for a value.
    public static let mark = "‹secret›"

    private static let names: Set<String> = ["cookie", "set-cookie", "proxy-authorization"]
    private static let parts: Set<String> = [
        "token", "secret", "password", "apikey", "auth", "authorization", "signature", "session", "jwt", "credential",
    ]

    /// Whether a field with that name contains a secret: a known one, `X-…-Key`, or one with a telling part between
    /// hyphens or underscores. Not `WWW-Authenticate`, `X-Request-ID` or `Idempotency-Key`.
    public static func isNamed(_ name: String) -> Bool {
        let name = name.lowercased()
        if names.contains(name) { return true }
        let parts = name.split { $0 == "-" || $0 == "_" }.map(String.init)
        if parts.count > 2, parts.first == "x", parts.last == "key" { return true }
        return parts.contains(where: Self.parts.contains)
    }
}

extension SessionConfiguration {
    /// Whether a field with that name contains a secret, by its name or because it carries the token.
    public func isSecret(field name: String) -> Bool { SecretField.isNamed(name) || apply.isField(name) }
}
