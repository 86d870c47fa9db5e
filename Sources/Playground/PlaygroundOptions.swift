/// How the simulated API behaves.
package struct PlaygroundOptions: Sendable {
    /// How long a token lives.
    package var tokenTTL = Duration.seconds(3600)
    /// How long after the login a token can be refreshed.
    package var refreshWindow = Duration.seconds(30 * 86_400)
    /// A refreshed token keeps the `iat` of the login, as the real API's does.
    package var keepsIssuedAt = true
    /// How long a refreshed token goes on working.
    package var grace = Duration.zero
    /// How long every answer takes.
    package var latency = Duration.zero
    /// That many refreshes happen, but their replies are lost.
    package var loseRefreshReplies = 0
    /// Refreshes answer with this status, and do not happen.
    package var refreshStatus: Int?
    /// How far the API's clock is ahead, seconds.
    package var skew = 0

    package init() {}
}
