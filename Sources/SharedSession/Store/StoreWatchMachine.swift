import Platform

/// What keeps a watch going: it reads, opens the stream, listens, reads again now and then, and begins anew after what
/// breaks. Decides only.
///
/// Reads alone tell whether the engine can be heard: a stream may be open, silent and dead.
struct StoreWatchMachine {
    enum Event {
        /// What the last `read` brought.
        case read(Result<StoreReading, SharedStoreFailure>)
        case line(StoreWatchLine)
        /// The time of the last step has passed.
        case due
    }

    /// What is to be done next; each of them is answered by an event.
    enum Step: Equatable {
        case read
        /// A stream of what comes after that is opened; what was open is closed. `line`, or `due` after the time.
        case open(after: StorePosition, Duration)
        /// The stream goes on. `line`, or `due` after the time.
        case listen(Duration)
        /// The stream goes on, and the time of the last step too: lines that say nothing do not put off reading.
        case goOn
        /// No stream is open. `due` after the time.
        case pause(Duration)
    }

    private enum State {
        case starting
        /// Without a stream.
        case reading
        case pausing
        /// The stream was asked for from behind that position.
        case opening(heard: StorePosition)
        /// What the engine did up to that position is told.
        case listening(heard: StorePosition)
        /// Reading while the stream is open.
        case checking(heard: StorePosition)
    }

    private enum Told: Equatable {
        case nothing
        case value(StoredValue?)
    }

    /// Whether the engine can be read.
    private enum Hearing {
        case unknown
        case connected
        case lost
    }

    private let patience: Duration
    private let interval: Duration
    /// Between 0 and 1, another each time.
    private let random: @Sendable () -> Double
    private var state = State.starting
    private var told = Told.nothing
    private var hearing = Hearing.unknown
    /// Failures since something worked.
    private var failures = 0

    init(patience: Duration, interval: Duration, random: @escaping @Sendable () -> Double) {
        self.patience = patience
        self.interval = interval
        self.random = random
    }

    mutating func start() -> Step {
        state = .reading
        return .read
    }

    /// What is told because of the event, in order, and what is to be done next.
    mutating func handle(_ event: Event) -> (news: [SharedStoreNews], next: Step) {
        switch (state, event) {
        case (.reading, .read(.success(let reading))):
            let news = connected(reading)
            state = .opening(heard: reading.position)
            return (news, .open(after: reading.position, patience))
        case (.checking(let heard), .read(.success(let reading))):
            failures = 0
            let news = connected(reading)
            // The stream has not told of it, or it is another history: it is not to be trusted.
            guard news.isEmpty, !reading.position.isBefore(heard) else {
                state = .opening(heard: reading.position)
                return (news, .open(after: reading.position, patience))
            }
            state = .listening(heard: heard)
            return ([], .listen(untilRead()))
        case (.reading, .read(.failure(let failure))), (.checking, .read(.failure(let failure))):
            let news: [SharedStoreNews] = hearing == .lost ? [] : [.lost(failure)]
            hearing = .lost
            return (news, afterFailure())
        case (.pausing, .due):
            state = .reading
            return ([], .read)
        case (.opening, .due): return ([], afterFailure())
        case (.opening(let heard), .line(.opened)):
            state = .listening(heard: heard)
            return ([], .listen(untilRead()))
        case (.listening(let heard), .due):
            state = .checking(heard: heard)
            return ([], .read)
        case (.listening(let heard), .line(.changed(let value, let position))):
            // Told already, by the read that the stream began after.
            guard !position.isKnown(to: heard) else { return ([], .goOn) }
            failures = 0
            state = .listening(heard: position)
            return (changed(value), .listen(untilRead()))
        case (.listening, .line(.idle)), (.listening, .line(.opened)): return ([], .goOn)
        case (.opening, .line), (.listening, .line): return ([], afterFailure())
        // Nothing was asked for that this answers. A line is lost, a time passes: reading makes up for both.
        case (.starting, _), (.reading, _), (.checking, _), (.pausing, _), (.opening, .read), (.listening, .read):
            state = .reading
            return ([], .read)
        }
    }

    private mutating func connected(_ reading: StoreReading) -> [SharedStoreNews] {
        let first: [SharedStoreNews] = hearing == .connected ? [] : [.connected]
        hearing = .connected
        return first + changed(reading.value)
    }

    private mutating func changed(_ value: StoredValue?) -> [SharedStoreNews] {
        guard told != .value(value) else { return [] }
        told = .value(value)
        return [.changed(value)]
    }

    /// The first is answered at once by reading, what follows after 0.25 s, 0.5 s, 1 s and 2 s at most, give or take
    /// half of it.
    private mutating func afterFailure() -> Step {
        failures = min(failures + 1, 5)
        if failures == 1, hearing == .connected {
            state = .reading
            return .read
        }
        state = .pausing
        return .pause(Duration.milliseconds(250) * (1 << min(failures - 1, 3)) * (0.5 + random()))
    }

    private func untilRead() -> Duration { interval * (0.5 + random()) }
}
