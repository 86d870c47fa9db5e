/// How the simulated API behaves.
public struct PlaygroundOptions: Sendable {
    /// How long a token lives.
    public var tokenTTL = Duration.seconds(3600)
    /// How long after the login a token can be refreshed.
    public var refreshWindow = Duration.seconds(30 * 86_400)
    /// A refreshed token keeps the `iat` of the login, as the real API's does.
    public var keepsIssuedAt = true
    /// How long a refreshed token goes on working.
    public var grace = Duration.zero
    /// How long every response takes.
    public var latency = Duration.zero
    /// That many refreshes happen, but their replies are lost.
    public var loseRefreshReplies = 0
    /// Refreshes answer with this status, and do not happen.
    public var refreshStatus: Int?
    /// How far the API's clock is ahead, seconds.
    public var skew = 0

    public init() {}
}
