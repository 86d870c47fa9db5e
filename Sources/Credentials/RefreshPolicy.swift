import Platform

/// The parameters of refreshing.
public struct RefreshPolicy: Sendable, Equatable {
    /// How long before its expiry a token is refreshed: at most a tenth of its life, or a third if machines share it.
    public var margin: Duration
    /// How often one request tries a token that is considered dead.
    public var trialInterval: Duration
    /// A refresh whose answer was lost is tried once more with the same token.
    public var retriesLost: Bool
    /// The token is refreshed once in this time, even if no request needs it.
    public var keepAlive: Duration?
    /// Nil if no other machine shares the session.
    public var fleet: Fleet?

    /// The parameters that only a shared session has.
    public struct Fleet: Sendable, Equatable {
        /// After a silence of this length a machine takes over another's refresh.
        public var takeover: Duration
        /// From 0 to 1, and different on each machine: the first one refreshes, and the others get its token before
        /// their turn.
        public var place: Double

        /// The remaining life of a token after a takeover that ends well.
        static let reserve = Duration.seconds(15)

        public init(takeover: Duration, place: Double) {
            self.takeover = takeover
            self.place = place.isNaN ? 0 : min(max(place, 0), 1)
        }
    }

    public init(
        margin: Duration = .seconds(30),
        trialInterval: Duration = .seconds(30),
        retriesLost: Bool = true,
        keepAlive: Duration? = nil,
        fleet: Fleet? = nil
    ) {
        self.margin = margin
        self.trialInterval = trialInterval
        self.retriesLost = retriesLost
        self.keepAlive = keepAlive
        self.fleet = fleet
    }

    /// How many nanoseconds before its end a token with a lifetime of `life` is refreshed. Zero for one that is used to
    /// its end, because another machine might take longer than its life to refresh it.
    func lead(life: Int64) -> Int64 {
        let asked = max(margin.wholeNanoseconds, 0)
        guard let fleet else { return min(asked, life / 10) }
        let takeover = fleet.takeover.wholeNanoseconds
        let wanted = max(asked, takeover.adding(saturating: Fleet.reserve.wholeNanoseconds))
        let lead = min(wanted, life / 3)
        guard lead >= takeover else { return 0 }
        return lead + Int64(Double(lead / 2) * fleet.place)
    }
}
