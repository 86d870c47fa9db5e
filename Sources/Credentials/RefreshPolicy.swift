/// The numbers of refreshing.
public struct RefreshPolicy: Sendable, Equatable {
    /// How long before its expiry a token is refreshed, at most a third of its life.
    public var margin: Duration
    /// Whether a way to refresh is configured.
    public var canRefresh: Bool

    public init(margin: Duration = .seconds(30), canRefresh: Bool = true) {
        self.margin = margin
        self.canRefresh = canRefresh
    }
}
