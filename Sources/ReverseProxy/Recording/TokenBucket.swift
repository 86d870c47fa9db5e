/// A rate limiter: admits a number of events a second, and more after a pause. Time is credit, and each event costs
/// some of it.
struct TokenBucket {
    /// The number of events a second, and the size of a burst.
    struct Rate {
        /// The cost of one event in nanoseconds.
        let cost: UInt64
        /// The maximum credit in nanoseconds.
        let most: UInt64

        init(perSecond: UInt64, burst: UInt64) {
            cost = max(1, 1_000_000_000 / max(1, perSecond))
            most = cost &* burst
        }
    }

    /// In nanoseconds. Full at the beginning.
    private var credit = UInt64.max
    /// When the credit was updated last, in monotonic nanoseconds.
    private var countedAt: UInt64 = 0

    /// Takes `count` events, all or none.
    @inline(__always)
    mutating func take(_ count: UInt64 = 1, of rate: Rate, now: UInt64) -> Bool {
        let grown = credit &+ (now > countedAt ? now &- countedAt : 0)
        // A sum that overflows is also above the maximum.
        credit = grown < credit || grown > rate.most ? rate.most : grown
        countedAt = now
        let price = rate.cost &* count
        guard credit >= price else { return false }
        credit &-= price
        return true
    }

    /// When there will be credit for one event, if none is taken meanwhile; in monotonic nanoseconds.
    func refilled(to rate: Rate) -> UInt64 {
        guard credit < rate.cost else { return countedAt }
        let (moment, isOver) = countedAt.addingReportingOverflow(rate.cost &- credit)
        return isOver ? .max : moment
    }
}
