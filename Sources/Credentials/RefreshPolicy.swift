/// The numbers of refreshing.
public struct RefreshPolicy: Sendable, Equatable {
    /// How long before its expiry a token is refreshed, at most a third of its life.
    public var margin: Duration
    /// Whether a way to refresh is configured.
    public var canRefresh: Bool
    /// How often one request tries a token that is thought dead.
    public var trialInterval: Duration

    public init(
        margin: Duration = .seconds(30),
        canRefresh: Bool = true,
        trialInterval: Duration = .seconds(30)
    ) {
        self.margin = margin
        self.canRefresh = canRefresh
        self.trialInterval = trialInterval
    }
}
