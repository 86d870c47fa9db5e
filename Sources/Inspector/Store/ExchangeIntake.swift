import ReverseProxy

/// Brings what the workers record into the store.
///
/// *Threading*: the inspector's loop only.
final class ExchangeIntake {
    let store: ExchangeStore
    let assembler = ExchangeAssembler()
    private let recordings: Recordings
    private let current: () -> CurrentRedactor
    private let now: () -> UInt64

    /// Events of a turn, at most: fewer exchanges than a viewer gets at once, or it would be told that it is slow.
    static let portion = 2000
    /// Events that are taken before it is looked at the clock: one may end an exchange whose bodies are to be searched.
    private static let step = 1
    /// How often turns look at what runs, nanoseconds.
    private static let interval: UInt64 = 40_000_000
    /// How long others wait for a turn to end, nanoseconds.
    private static let turnTime: UInt64 = 5_000_000
    /// How long a request waits for what is there, nanoseconds: whoever records faster than this reads must not keep
    /// everybody else waiting.
    private static let patience: UInt64 = 100_000_000

    /// `now` is monotonic nanoseconds.
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

    /// What a turn found.
    struct Turn {
        /// Something came.
        var hasNews = false
        /// More is there already.
        var hasMore = false
        /// Something is to be shown a little later, though nothing more may come.
        var isIncomplete = false
    }

    /// Takes a portion. If somebody looks, also shows what is to be shown of what runs.
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

    /// Takes everything that is there, as far as the time allows.
    func collect() {
        let start = now()
        while recordings.drain(limit: Self.step, take), now() &- start < Self.patience {}
        _ = look()
    }

    func take(_ event: RecordedEvent) {
        // Asked for when the event is here already: the token that it may tell of is known before it is used.
        assembler.take(event, current) { store.put($0) }
        // The assembler forgot it before its end.
        if case .ended(let ending) = event.what { store.end(event.exchange, ending) }
    }

    /// When it was last looked at what runs.
    private var lookedAt: UInt64 = 0

    /// Shows what is to be shown of what runs: it is looked at all of it.
    private func look() -> (hasNews: Bool, isIncomplete: Bool) {
        let start = now()
        lookedAt = start
        guard assembler.count > 0 else { return (false, false) }
        let found = assembler.look(current(), now: start) { now() &- start < Self.turnTime }
        for exchange in found.exchanges { store.put(exchange) }
        for (id, age) in found.ages { store.set(age: age, of: id) }
        return (!found.exchanges.isEmpty, found.isIncomplete)
    }

    /// The exchange, if it is kept or runs, as young as it may be.
    func exchange(_ id: ExchangeID) -> StoredExchange? {
        if let running = assembler.show(id, current, now: now()) { store.put(running) }
        return store[id]
    }
}
