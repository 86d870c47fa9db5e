/// Which fields hold secrets, by their names alone: their values are shown to nobody.
public enum SecretField {
    /// What stands for the value.
    public static let mark = "‹secret›"

    private static let names: Set<String> = ["cookie", "set-cookie", "proxy-authorization"]
    private static let parts: Set<String> = [
        "token", "secret", "password", "apikey", "auth", "authorization", "signature", "session", "jwt", "credential",
    ]

    /// Whether a field of that name holds a secret: one that is known to, `X-…-Key`, or one of whose parts between
    /// hyphens (or underscores) says so. Not `WWW-Authenticate`, `X-Request-ID` or `Idempotency-Key`.
    public static func isNamed(_ name: String) -> Bool {
        let name = name.lowercased()
        if names.contains(name) { return true }
        let parts = name.split { $0 == "-" || $0 == "_" }.map(String.init)
        if parts.count > 2, parts.first == "x", parts.last == "key" { return true }
        return parts.contains(where: Self.parts.contains)
    }
}

extension SessionConfiguration {
    /// Whether a field of that name holds a secret, by its name, or because it carries the token.
    public func isSecret(field name: String) -> Bool { SecretField.isNamed(name) || apply.isField(name) }
}
