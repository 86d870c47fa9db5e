/// The settings in `session.token-file`.
public struct TokenFileConfiguration: Equatable, Sendable {
    /// The absolute path.
    public var path: String
    /// A JSON Pointer to the token; nil if the file is not JSON.
    public var token: String?
    /// A JSON Pointer to the token's end; nil if there is none.
    public var expiresAt: String?

    public init(path: String) {
        self.path = path
    }
}
