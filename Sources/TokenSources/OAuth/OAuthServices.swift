public import Credentials
public import Upstream

/// The services that the sources of this target require. Injected, so that tests can use their own.
public struct OAuthServices: Sendable {
    /// The settings for connections to the upstream. The authorization server's connections use the same proxy,
    /// authorities and certificate unless the configuration names others.
    public var connection: UpstreamSettings
    /// How the token is applied to a request other than OAuth's own.
    public var apply: CredentialApplication
    /// Reads a secret. Blocking.
    public var readSecret: @Sendable (SecretReference) -> Result<String, SecretProblem>
    /// The configuration's secrets, which no text of a server that is shown may hold.
    public var secrets: [String]
    public var clock: any CredentialClock
    /// Called for each request, on the thread that sent it.
    public var observe: @Sendable (TokenRequestRecord) -> Void
    /// Sends a request. Blocking.
    public var send: @Sendable (BlockingRequest, UpstreamSettings) -> BlockingRequest.Outcome

    public init(
        connection: UpstreamSettings,
        apply: CredentialApplication = CredentialApplication(),
        readSecret: @escaping @Sendable (SecretReference) -> Result<String, SecretProblem>,
        secrets: [String] = [],
        clock: any CredentialClock = SystemClock(),
        observe: @escaping @Sendable (TokenRequestRecord) -> Void = { _ in },
        send: @escaping @Sendable (BlockingRequest, UpstreamSettings) -> BlockingRequest.Outcome = Self.perform
    ) {
        self.connection = connection
        self.apply = apply
        self.readSecret = readSecret
        self.secrets = secrets
        self.clock = clock
        self.observe = observe
        self.send = send
    }

    @Sendable public static func perform(
        _ request: BlockingRequest,
        _ settings: UpstreamSettings
    ) -> BlockingRequest.Outcome {
        BlockingRequest.Outcome { () throws(BlockingRequest.Failure) in try request.perform(settings) }
    }
}

/// A request to an authorization server, and its result: without fields and bodies.
public struct TokenRequestRecord: Sendable {
    public let method: String
    /// Without the query.
    public let url: String
    /// Nil if there was no response.
    public let status: Int?
    /// Why there was no response.
    public let reason: String?
    public let milliseconds: Int
}
