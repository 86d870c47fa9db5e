import Platform

/// Keeps a watch alive: it reads, opens the stream, listens, reads again at intervals, and starts over after a failure.
/// A pure state machine.
///
/// Only a read shows whether the engine can be reached, because a stream may be open, silent and dead.
struct StoreWatchMachine {
    enum Event {
        /// The result of the last `read`.
        case read(Result<StoreReading, SharedStoreFailure>)
        case line(StoreWatchLine)
        /// The time limit of the last step has passed.
        case due
    }

    /// The next step. Each one is answered by an event.
    enum Step: Equatable {
        case read
        /// Open a stream of the changes after that position, and close any other. Answered by `line`, or by `due` after
        /// the time.
        case open(after: StorePosition, Duration)
        /// Go on with the stream. Answered by `line`, or by `due` after the time.
        case listen(Duration)
        /// Go on with the stream and the time limit of the last step: lines without meaning must not postpone the next
        /// read.
        case goOn
        /// Wait without a stream. Answered by `due` after the time.
        case pause(Duration)
    }

    private enum State {
        case starting
        /// A read is in progress, and no stream is open.
        case reading
        case pausing
        /// A stream of the changes after that position is being opened.
        case opening(upTo: StorePosition)
        /// The stream is open, and changes up to that position have been reported.
        case listening(upTo: StorePosition)
        /// A read is in progress while the stream is open.
        case checking(upTo: StorePosition)
    }

    private enum Reported: Equatable {
        case nothing
        case value(StoredValue?)
    }

    /// Whether the engine can be read.
    private enum Link {
        case unknown
        case connected
        case lost
    }

    private let requestTimeout: Duration
    private let interval: Duration
    /// Returns a number from 0 to 1, different each time.
    private let random: @Sendable () -> Double
    private var state = State.starting
    private var reported = Reported.nothing
    private var link = Link.unknown
    /// Consecutive failures.
    private var failures = 0

    init(requestTimeout: Duration, interval: Duration, random: @escaping @Sendable () -> Double) {
        self.requestTimeout = requestTimeout
        self.interval = interval
        self.random = random
    }

    mutating func start() -> Step {
        state = .reading
        return .read
    }

    /// Handles an event. Returns the reports, in order, and the next step.
    mutating func handle(_ event: Event) -> (news: [SharedStoreNews], next: Step) {
        switch (state, event) {
        case (.reading, .read(.success(let reading))):
            let news = connected(reading)
            state = .opening(upTo: reading.position)
            return (news, .open(after: reading.position, requestTimeout))
        case (.checking(let latest), .read(.success(let reading))):
            failures = 0
            let news = connected(reading)
            // The stream missed this change, or the engine's history is another one: the stream cannot be trusted.
            guard news.isEmpty, !reading.position.isBefore(latest) else {
                state = .opening(upTo: reading.position)
                return (news, .open(after: reading.position, requestTimeout))
            }
            state = .listening(upTo: latest)
            return ([], .listen(untilRead()))
        case (.reading, .read(.failure(let failure))), (.checking, .read(.failure(let failure))):
            let news: [SharedStoreNews] = link == .lost ? [] : [.lost(failure)]
            link = .lost
            return (news, afterFailure())
        case (.pausing, .due):
            state = .reading
            return ([], .read)
        case (.opening, .due): return ([], afterFailure())
        case (.opening(let latest), .line(.opened)):
            state = .listening(upTo: latest)
            return ([], .listen(untilRead()))
        case (.listening(let latest), .due):
            state = .checking(upTo: latest)
            return ([], .read)
        case (.listening(let latest), .line(.changed(let value, let position))):
            // The read before the stream has already reported this change.
            guard !position.isIncluded(in: latest) else { return ([], .goOn) }
            failures = 0
            state = .listening(upTo: position)
            return (changed(value), .listen(untilRead()))
        case (.listening, .line(.idle)), (.listening, .line(.opened)): return ([], .goOn)
        case (.opening, .line), (.listening, .line): return ([], afterFailure())
        // An unexpected event, such as a late one. Reading again makes up for a lost line or time limit.
        case (.starting, _), (.reading, _), (.checking, _), (.pausing, _), (.opening, .read), (.listening, .read):
            state = .reading
            return ([], .read)
        }
    }

    private mutating func connected(_ reading: StoreReading) -> [SharedStoreNews] {
        let first: [SharedStoreNews] = link == .connected ? [] : [.connected]
        link = .connected
        return first + changed(reading.value)
    }

    private mutating func changed(_ value: StoredValue?) -> [SharedStoreNews] {
        guard reported != .value(value) else { return [] }
        reported = .value(value)
        return [.changed(value)]
    }

    /// The first failure leads to a read at once, later ones after 0.25 s, 0.5 s, 1 s and 2 s, randomized by half in
    /// both directions.
    private mutating func afterFailure() -> Step {
        failures = min(failures + 1, 5)
        if failures == 1, link == .connected {
            state = .reading
            return .read
        }
        state = .pausing
        return .pause(Duration.milliseconds(250) * (1 << min(failures - 1, 3)) * (0.5 + random()))
    }

    private func untilRead() -> Duration { interval * (0.5 + random()) }
}
