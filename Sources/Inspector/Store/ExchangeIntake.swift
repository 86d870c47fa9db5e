import ReverseProxy

/// Transfers the workers' recordings into the store.
///
/// *Threading*: belongs to the inspector's loop.
final class ExchangeIntake {
    let store: ExchangeStore
    let assembler = ExchangeAssembler()
    private let recordings: Recordings
    private let current: () -> CurrentRedactor
    private let now: () -> UInt64

    /// The maximum number of events in a turn: fewer exchanges than fit into a batch, or viewers would count as slow.
    static let portion = 2000
    /// How many events are processed between two looks at the clock: an event may end an exchange whose bodies have to
    /// be searched.
    private static let step = 1
    /// The interval at which turns examine running exchanges, in nanoseconds.
    private static let interval: UInt64 = 40_000_000
    /// The maximum duration of a turn, in nanoseconds.
    private static let turnTime: UInt64 = 5_000_000
    /// How long a request waits for pending events, in nanoseconds: workers that record faster than they are read must
    /// not block everything else.
    private static let patience: UInt64 = 100_000_000

    /// `now` returns monotonic nanoseconds.
    init(
        _ recordings: Recordings,
        into store: ExchangeStore,
        now: @escaping () -> UInt64,
        current: @escaping () -> CurrentRedactor
    ) {
        self.recordings = recordings
        self.store = store
        self.now = now
        self.current = current
    }

    /// The result of a turn.
    struct Turn {
        /// Something arrived.
        var hasNews = false
        /// More is pending.
        var hasMore = false
        /// Something must be shown a little later, even if nothing more arrives.
        var isIncomplete = false
    }

    /// Processes a portion of events. If there are viewers, also updates running exchanges.
    func turn(isSeen: Bool) -> Turn {
        let before = store.sequence
        let start = now()
        var events = 0
        var hasMore = true
        while hasMore, events < Self.portion, now() &- start < Self.turnTime {
            hasMore = recordings.drain(limit: Self.step) { event in
                events += 1
                take(event)
            }
        }
        var turn = Turn(hasNews: events > 0, hasMore: hasMore, isIncomplete: isSeen && assembler.count > 0)
        if isSeen, now() &- lookedAt >= Self.interval {
            let look = look()
            turn.hasNews = turn.hasNews || look.hasNews
            turn.isIncomplete = look.isIncomplete
        }
        turn.hasNews = turn.hasNews || store.sequence != before
        return turn
    }

    /// Processes all pending events, as far as the time allows.
    func collect() {
        let start = now()
        while recordings.drain(limit: Self.step, take), now() &- start < Self.patience {}
        _ = look()
    }

    func take(_ event: RecordedEvent) {
        // The redactor is requested after the event: a token that the event contains was known before it was used.
        assembler.take(event, current) { store.put($0) }
        // The assembler forgot it before its end.
        if case .ended(let ending) = event.what { store.end(event.exchange, ending) }
    }

    /// When running exchanges were last examined.
    private var lookedAt: UInt64 = 0

    /// Examines all running exchanges, and updates those that are due.
    private func look() -> (hasNews: Bool, isIncomplete: Bool) {
        let start = now()
        lookedAt = start
        guard assembler.count > 0 else { return (false, false) }
        let found = assembler.look(current(), now: start) { now() &- start < Self.turnTime }
        for exchange in found.exchanges { store.put(exchange) }
        for (id, age) in found.ages { store.set(age: age, of: id) }
        return (!found.exchanges.isEmpty, found.isIncomplete)
    }

    /// The exchange, if it is stored or running, however young.
    func exchange(_ id: ExchangeID) -> StoredExchange? {
        if let running = assembler.show(id, current, now: now()) { store.put(running) }
        return store[id]
    }
}
