import Platform

/// The numbers of refreshing.
public struct RefreshPolicy: Sendable, Equatable {
    /// How long before its expiry a token is refreshed: at most a tenth of its life, or a third where machines share it.
    public var margin: Duration
    /// How often one request tries a token that is thought dead.
    public var trialInterval: Duration
    /// A refresh whose answer was lost is tried once more with the same token.
    public var retriesLost: Bool
    /// A token is refreshed once in that time, though nobody asks.
    public var keepAlive: Duration?
    /// Nil where no other machine has the session.
    public var fleet: Fleet?

    /// What refreshing depends on where machines share a session.
    public struct Fleet: Sendable, Equatable {
        /// After that long a silence a machine takes over what another began.
        public var takeover: Duration
        /// From 0 to 1, other on each machine: the first refreshes, and the rest have its token before their turn.
        public var place: Double

        /// What is left of the token's life when a takeover ends well.
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

    /// How many nanoseconds before its end a token is refreshed that lives `life` of them. Zero where it is used to its
    /// end: one whose life is shorter than what another machine may take to refresh it.
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
