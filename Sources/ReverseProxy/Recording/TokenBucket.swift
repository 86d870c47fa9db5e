/// Lets through so many a second, and some more after a pause. Time is credit: each that passes costs some of it.
struct TokenBucket {
    /// How many a second, and how many at once.
    struct Rate {
        /// Nanoseconds that one costs.
        let cost: UInt64
        /// Nanoseconds that can be saved up.
        let most: UInt64

        init(perSecond: UInt64, burst: UInt64) {
            cost = max(1, 1_000_000_000 / max(1, perSecond))
            most = cost &* burst
        }
    }

    /// Nanoseconds. It begins full.
    private var credit = UInt64.max
    /// When the credit was counted last, monotonic nanoseconds.
    private var countedAt: UInt64 = 0

    /// Takes `count`, all or none.
    @inline(__always)
    mutating func take(_ count: UInt64 = 1, of rate: Rate, now: UInt64) -> Bool {
        let grown = credit &+ (now > countedAt ? now &- countedAt : 0)
        // One that overflows is more than can be saved up, too.
        credit = grown < credit || grown > rate.most ? rate.most : grown
        countedAt = now
        let price = rate.cost &* count
        guard credit >= price else { return false }
        credit &-= price
        return true
    }

    /// When there will be enough for one, if nothing is taken meanwhile; monotonic nanoseconds.
    func refilled(to rate: Rate) -> UInt64 {
        guard credit < rate.cost else { return countedAt }
        let (moment, isOver) = countedAt.addingReportingOverflow(rate.cost &- credit)
        return isOver ? .max : moment
    }
}
