/// The numbers of refreshing.
public struct RefreshPolicy: Sendable, Equatable {
    /// How long before its expiry a token is refreshed, at most a tenth of its life.
    public var margin: Duration
    /// How often one request tries a token that is thought dead.
    public var trialInterval: Duration
    /// A refresh whose answer was lost is tried once more with the same token.
    public var retriesLost: Bool
    /// A token is refreshed once in that time, though nobody asks.
    public var keepAlive: Duration?

    public init(
        margin: Duration = .seconds(30),
        trialInterval: Duration = .seconds(30),
        retriesLost: Bool = true,
        keepAlive: Duration? = nil
    ) {
        self.margin = margin
        self.trialInterval = trialInterval
        self.retriesLost = retriesLost
        self.keepAlive = keepAlive
    }
}
