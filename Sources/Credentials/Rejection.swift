/// What a request knows about the upstream's rejection of its token.
public struct Rejection: Sendable {
    /// The generation of the token that was rejected.
    public var generation: Generation
    /// Hash of the request's method and path. A rejection that a refresh does not cure belongs to the route, not to the
    /// token.
    public var path: UInt64
    /// How far, in nanoseconds, the upstream's clock is behind the start of the token's life; nil when that is unknown.
    public var skew: Int64?
    /// False when a refresh was already made for this request.
    public var mayRefresh: Bool

    public init(generation: Generation, path: UInt64 = 0, skew: Int64? = nil, mayRefresh: Bool = true) {
        self.generation = generation
        self.path = path
        self.skew = skew
        self.mayRefresh = mayRefresh
    }
}
