import ReverseProxy

/// Assembles exchanges from the workers' events, and redacts secrets before anything is stored.
///
/// Raw octets exist only here, and only while their exchange is running: at most `maximumOctets`, including their
/// redacted forms. *Threading*: belongs to the inspector's loop.
final class ExchangeAssembler {
    /// How long a running exchange must last to be shown, in nanoseconds.
    static let patience: UInt64 = 100_000_000
    /// The shortest interval between two updates of a shown exchange, in nanoseconds.
    static let interval: UInt64 = 250_000_000
    static let maximumOctets = 8 << 20
    private static let maximumRunning = 8192

    private var running: [ExchangeID: RunningExchange] = [:]
    private var octets = 0
    private var touches = 0

    /// The number of running exchanges.
    var count: Int { running.count }
    /// The number of octets in memory.
    var heldOctets: Int { octets }

    /// The result of a poll.
    struct Found {
        var exchanges: [StoredExchange] = []
        /// The ages, in milliseconds, of running exchanges that were shown before and have not changed.
        var ages: [(id: ExchangeID, age: Double)] = []
        /// Something must be shown later, even if nothing more arrives.
        var isIncomplete = false
    }

    /// Processes an event. Calls `done` with each exchange that has ended, redacted.
    func take(_ event: RecordedEvent, _ current: () -> CurrentRedactor, _ done: (StoredExchange) -> Void) {
        if case .began(let beginning) = event.what {
            if let former = running[event.exchange] { forget(former) }
            let current = current()
            if running.count >= Self.maximumRunning { forgetTheOldest(current, now: event.at, done) }
            running[event.exchange] = RunningExchange(event.exchange, beginning, limit: current.limit)
        }
        // The beginning was lost, so the rest is ignored.
        guard let exchange = running[event.exchange] else { return }
        touches += 1
        exchange.touched = touches
        let before = exchange.octets
        exchange.take(event, room: room)
        octets += exchange.octets - before
        guard exchange.ending != nil else { return }
        done(exchange.stored(current(), now: event.at))
        forget(exchange)
    }

    /// The current state of the exchange, if it is running and has changed since it was shown.
    func show(_ id: ExchangeID, _ current: () -> CurrentRedactor, now: UInt64) -> StoredExchange? {
        guard let exchange = running[id], exchange.hasNews else { return nil }
        exchange.hasNews = false
        exchange.shownAt = now
        return stored(exchange, current(), now: now)
    }

    /// The running exchanges to show at `now`, in monotonic nanoseconds. Those that have waited longest come first, as
    /// far as there is time, because their bodies have to be searched.
    func look(_ current: CurrentRedactor, now: UInt64, hasTime: () -> Bool = { true }) -> Found {
        var found = Found()
        var due: [RunningExchange] = []
        for exchange in running.values {
            if exchange.hasNews, isDue(exchange, now) {
                due.append(exchange)
            } else {
                if exchange.shownAt != nil { found.ages.append((exchange.id, exchange.milliseconds(now))) }
                if exchange.hasNews { found.isIncomplete = true }
            }
        }
        due.sort { ($0.shownAt ?? $0.beginning.startedAt) < ($1.shownAt ?? $1.beginning.startedAt) }
        for exchange in due {
            guard hasTime() else {
                found.isIncomplete = true
                break
            }
            exchange.hasNews = false
            exchange.shownAt = now
            found.exchanges.append(stored(exchange, current, now: now))
        }
        found.exchanges.sort { ($0.wallMilliseconds, $0.id.number) < ($1.wallMilliseconds, $1.id.number) }
        return found
    }

    /// How many more octets may be in memory.
    private var room: Int { max(0, Self.maximumOctets - octets) }

    /// The current state of a running exchange.
    private func stored(_ exchange: RunningExchange, _ current: CurrentRedactor, now: UInt64) -> StoredExchange {
        let result = exchange.stored(current, now: now)
        octets -= exchange.octets
        exchange.countSafe(bound: room)
        octets += exchange.octets
        return result
    }

    private func isDue(_ exchange: RunningExchange, _ now: UInt64) -> Bool {
        let (since, wait) =
            exchange.shownAt.map { ($0, Self.interval) } ?? (exchange.beginning.startedAt, Self.patience)
        return now >= since &+ wait
    }

    private func forget(_ exchange: RunningExchange) {
        octets -= exchange.octets
        exchange.wipe()
        running[exchange.id] = nil
    }

    /// There are too many exchanges: shows the oldest a last time. The store learns of their ends.
    private func forgetTheOldest(_ current: CurrentRedactor, now: UInt64, _ done: (StoredExchange) -> Void) {
        for exchange in running.values.sorted(by: { $0.touched < $1.touched }).prefix(Self.maximumRunning / 8) {
            exchange.isCut = true
            done(exchange.stored(current, now: now))
            forget(exchange)
        }
    }
}
