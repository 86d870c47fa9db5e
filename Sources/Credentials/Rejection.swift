/// A request's question for a credential.
public struct Inquiry: Sendable {
    /// Hash of the request's method and path. The upstream's verdict on one route may concern the route rather than the
    /// token.
    public var route: UInt64
    /// The upstream's verdict on an earlier attempt; nil for a first one.
    public var rejection: Rejection?
    /// Names the request, in case it leads to a refresh.
    public var trigger: RefreshTrigger?

    public init(route: UInt64 = 0, rejection: Rejection? = nil, trigger: RefreshTrigger? = nil) {
        self.route = route
        self.rejection = rejection
        self.trigger = trigger
    }
}

/// What a request knows about the upstream's rejection of its token.
public struct Rejection: Sendable {
    /// The generation of the token that was rejected.
    public var generation: Generation
    /// How far, in nanoseconds, the upstream's clock is behind the start of the token's life; nil if that is unknown.
    public var skew: Int64?
    /// The refresh that brought the token was started for this request.
    public var ledRefresh: Bool
    /// False if the request has waited for a refresh in vain, or was replayed with a token that a refresh by this
    /// process brought: it neither starts nor awaits another.
    public var mayRefresh: Bool

    public init(generation: Generation, skew: Int64? = nil, ledRefresh: Bool = false, mayRefresh: Bool = true) {
        self.generation = generation
        self.skew = skew
        self.ledRefresh = ledRefresh
        self.mayRefresh = mayRefresh
    }
}
