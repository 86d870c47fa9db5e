import ReverseProxy

/// Puts together what workers tell of exchanges, and takes out what is secret before anything is kept.
///
/// Octets as they came live here only, and only while their exchange runs: together with what is made of them
/// meanwhile at most `maximumOctets`.
/// *Threading*: the inspector's loop only.
final class ExchangeAssembler {
    /// A running exchange is shown after that time, nanoseconds.
    static let patience: UInt64 = 100_000_000
    /// One that was shown changes at most that often.
    static let interval: UInt64 = 250_000_000
    static let maximumOctets = 8 << 20
    private static let maximumRunning = 8192

    private var running: [ExchangeID: RunningExchange] = [:]
    private var octets = 0
    private var touches = 0

    /// How many run.
    var count: Int { running.count }
    /// Octets that are held.
    var heldOctets: Int { octets }

    /// What a look found.
    struct Found {
        var exchanges: [StoredExchange] = []
        /// Running exchanges that were shown before and did not change: how old they are, in milliseconds.
        var ages: [(id: ExchangeID, age: Double)] = []
        /// Something is to be shown later, though nothing more may come.
        var isIncomplete = false
    }

    /// Takes what was recorded. What has ended is handed to `done`, without secrets.
    func take(_ event: RecordedEvent, _ current: () -> CurrentRedactor, _ done: (StoredExchange) -> Void) {
        if case .began(let beginning) = event.what {
            if let former = running[event.exchange] { forget(former) }
            let current = current()
            if running.count >= Self.maximumRunning { forgetTheOldest(current, now: event.at, done) }
            running[event.exchange] = RunningExchange(event.exchange, beginning, limit: current.limit)
        }
        // Its beginning was lost: so is the rest.
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

    /// The exchange as it is now, if it runs and has changed since it was shown.
    func show(_ id: ExchangeID, _ current: () -> CurrentRedactor, now: UInt64) -> StoredExchange? {
        guard let exchange = running[id], exchange.hasNews else { return nil }
        exchange.hasNews = false
        exchange.shownAt = now
        return stored(exchange, current(), now: now)
    }

    /// The running exchanges that are to be shown now, monotonic nanoseconds; those that have waited longest first, as
    /// far as there is time: their bodies are searched.
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

    /// Octets more that may be held.
    private var room: Int { max(0, Self.maximumOctets - octets) }

    /// The exchange as it is, which goes on.
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

    /// There are too many: what is known of the oldest is shown a last time. Their ends come to the store.
    private func forgetTheOldest(_ current: CurrentRedactor, now: UInt64, _ done: (StoredExchange) -> Void) {
        for exchange in running.values.sorted(by: { $0.touched < $1.touched }).prefix(Self.maximumRunning / 8) {
            exchange.isCut = true
            done(exchange.stored(current, now: now))
            forget(exchange)
        }
    }
}
