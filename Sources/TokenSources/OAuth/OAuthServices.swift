public import Credentials
public import Upstream

/// What the sources of this target need of the rest of the program. Injected, so that tests can use their own.
public struct OAuthServices: Sendable {
    /// How the upstream is connected to: the authorization server's proxy, authorities and certificate are its own
    /// where the configuration says no others.
    public var connection: UpstreamSettings
    /// How the token goes onto a request that is not OAuth's own.
    public var apply: CredentialApplication
    /// Reads a secret. Blocking.
    public var readSecret: @Sendable (SecretReference) -> Result<String, SecretProblem>
    public var clock: any CredentialClock
    /// Hears of each request, on the thread that made it.
    public var observe: @Sendable (TokenRequestRecord) -> Void
    /// Sends a request.
    public var send: @Sendable (BlockingRequest, UpstreamSettings) -> Reply

    public typealias Reply = Result<BlockingRequest.Response, BlockingRequest.Failure>

    public init(
        connection: UpstreamSettings,
        apply: CredentialApplication = CredentialApplication(),
        readSecret: @escaping @Sendable (SecretReference) -> Result<String, SecretProblem>,
        clock: any CredentialClock = SystemClock(),
        observe: @escaping @Sendable (TokenRequestRecord) -> Void = { _ in },
        send: @escaping @Sendable (BlockingRequest, UpstreamSettings) -> Reply = Self.perform
    ) {
        self.connection = connection
        self.apply = apply
        self.readSecret = readSecret
        self.clock = clock
        self.observe = observe
        self.send = send
    }

    @Sendable public static func perform(_ request: BlockingRequest, _ settings: UpstreamSettings) -> Reply {
        do throws(BlockingRequest.Failure) {
            return .success(try request.perform(settings))
        } catch {
            return .failure(error)
        }
    }
}

/// A request to an authorization server, and what came of it: without fields and bodies.
public struct TokenRequestRecord: Sendable {
    public let method: String
    /// Without the query.
    public let url: String
    /// Nil without a response.
    public let status: Int?
    /// Why there is none.
    public let reason: String?
    public let milliseconds: Int
}
