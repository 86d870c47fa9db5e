/// What `session.token-file` says.
public struct TokenFileConfiguration: Equatable, Sendable {
    /// The whole path.
    public var path: String
    /// A JSON Pointer to the token, when the file holds JSON.
    public var token: String?
    /// The same for when it ends.
    public var expiresAt: String?

    public init(path: String) {
        self.path = path
    }
}
