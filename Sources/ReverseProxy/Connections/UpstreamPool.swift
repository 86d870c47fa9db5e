import EventIO
import Platform
import Upstream

/// The upstream connections of one worker: the idle ones, and the exchanges that wait for one.
///
/// Idle connections are taken last in, first out, so that surplus ones grow old. If there is none, a new one is made,
/// and the exchange uses whichever comes first: its own new connection, or one that another exchange returns. New ones
/// are started at a limited rate: when a token arrives for hundreds of waiting requests, most of them get a returned
/// connection before their turn comes, and making hundreds would take longer (some 70 us of CPU each, and several times
/// that through TLS).
///
/// *Threading*: belongs to its loop.
final class UpstreamPool: UpstreamConnectionDelegate {
    /// A connection, and whether it was idle before: then it may turn out to be closed.
    struct Acquired {
        let connection: UpstreamConnection
        let isReused: Bool
    }

    /// An exchange that waits for a connection.
    final class Waiter {
        /// Nil once the waiter is served or cancelled.
        fileprivate var completion: ((Result<Acquired, UpstreamError>) -> Void)?
        /// The connection that is being made for the waiter.
        fileprivate var attempt: UpstreamConnector.Attempt?

        init(_ completion: @escaping (Result<Acquired, UpstreamError>) -> Void) {
            self.completion = completion
        }

        fileprivate var isWaiting: Bool { completion != nil }

        func complete(_ result: Result<Acquired, UpstreamError>) {
            let completion = completion
            self.completion = nil
            completion?(result)
        }
    }

    /// How many connections are started at once, and how soon the next ones may be: 4,000 a second.
    static let startsPerTurn = 8
    static let turnNanoseconds: UInt64 = 2_000_000

    private let resources: WorkerResources
    private let connector: UpstreamConnector
    /// A call at the end of the loop's turn is requested.
    private var isDue = false
    private var idle: [UpstreamConnection] = []
    private var maxIdle: Int
    private var maxIdleNanoseconds: UInt64
    private var sweep: EventTimer?
    /// Waiters in FIFO order. Cancelled or already served ones are skipped.
    private var waiting = WaitingLine()
    /// Waiters whose own connection has not been started.
    private var unstarted = WaitingLine()
    private var turn: EventTimer?
    private var turnStartedAt: UInt64 = 0
    private var startsLeft = 0

    init(_ resources: WorkerResources, settings: UpstreamSettings, maxIdle: Int, maxIdleTime: Duration) {
        self.resources = resources
        connector = UpstreamConnector(loop: resources.loop, settings: settings)
        self.maxIdle = maxIdle
        maxIdleNanoseconds = maxIdleTime.nanoseconds
        sweep = EventTimer(loop: resources.loop) { [unowned self] in closeOld(now: MonotonicClock.now()) }
        turn = EventTimer(loop: resources.loop) { [unowned self] in startWaiting() }
    }

    deinit {
        for connection in idle { connection.close() }
        connector.cancelAll()
    }

    var connectionCount: Int { connector.connectionCount }

    // MARK: Taking

    /// An idle connection; nil if the caller has to wait, behind those that already do. A connection that was closed,
    /// or on which bytes arrived, is skipped: the loop may not have handled that yet, and an unsolicited response would
    /// be taken for the next one. Called in `EventLoop.turnStarted`, it mostly takes no system call to know.
    func takeIdle(now: UInt64) -> UpstreamConnection? {
        waiting.isEmpty ? popIdle(now: now) : nil
    }

    private func popIdle(now: UInt64) -> UpstreamConnection? {
        while let connection = idle.popLast() {
            if connection.hasNothingToRead(now: now) { return connection }
            connection.close()
        }
        return nil
    }

    /// Waits for a connection: a new one, or one that is returned, unless `needsNew`. `completion` is called once,
    /// later, unless the waiter is cancelled. The connect timeout starts when the waiter's own connection is started.
    func wait(needsNew: Bool, completion: @escaping (Result<Acquired, UpstreamError>) -> Void) -> Waiter {
        let waiter = Waiter(completion)
        if !needsNew { waiting.append(waiter) }
        unstarted.append(waiter)
        // Other exchanges may return theirs in this turn.
        callAtTurnEnd()
        return waiter
    }

    private func callAtTurnEnd() {
        guard !isDue else { return }
        isDue = true
        resources.callAtTurnEnd(self)
    }

    /// The loop's turn is over: waiters get returned connections, oldest waiter first; connections are started for the
    /// others.
    func turnEnded() {
        isDue = false
        while !waiting.isEmpty, let connection = popIdle(now: MonotonicClock.now()) {
            guard let waiter = waiting.popFirst() else { break }
            waiter.complete(.success(Acquired(connection: connection, isReused: true)))
        }
        if turn?.isArmed == false { startWaiting() }
    }

    func cancel(_ waiter: Waiter) {
        waiter.completion = nil
        if let attempt = waiter.attempt { connector.cancel(attempt) }
        waiter.attempt = nil
    }

    /// Starts as many connections as this turn allows.
    private func startWaiting() {
        let now = MonotonicClock.now()
        if now &- turnStartedAt >= Self.turnNanoseconds {
            turnStartedAt = now
            startsLeft = Self.startsPerTurn
        }
        while startsLeft > 0, let waiter = unstarted.popFirst() {
            startsLeft -= 1
            start(waiter)
        }
        if !unstarted.isEmpty { turn?.arm(nanoseconds: turnStartedAt &+ Self.turnNanoseconds &- now) }
    }

    private func start(_ waiter: Waiter) {
        // `deinit` cancels all attempts, so no callback comes later. Not weak, which would slow down every use of this
        // object for good.
        waiter.attempt = connector.connect { [unowned self] result in
            waiter.attempt = nil
            switch result {
            case .failure(let error): waiter.complete(.failure(error))
            case .success(let connection):
                if waiter.isWaiting {
                    waiter.complete(.success(Acquired(connection: connection, isReused: false)))
                } else {
                    // The waiter got another connection meanwhile.
                    give(connection, now: MonotonicClock.now())
                }
            }
        }
    }

    // MARK: Giving back

    /// Takes a connection that is no longer in use: its exchange is complete in both directions, or it had none.
    func give(_ connection: UpstreamConnection, now: UInt64) {
        guard connection.isOpen, idle.count < maxIdle || !waiting.isEmpty else { return connection.close() }
        connection.delegate = self
        connection.setReading(true)
        connection.idleSince = now
        idle.append(connection)
        if !waiting.isEmpty { callAtTurnEnd() }
        if sweep?.isArmed == false { sweep?.arm(nanoseconds: maxIdleNanoseconds) }
    }

    func closeAll() {
        for connection in idle { connection.close() }
        idle = []
        sweep?.cancel()
    }

    /// Changes how many connections may be idle, and for how long; those that were idle for longer are closed.
    func limit(maxIdle: Int, maxIdleTime: Duration) {
        self.maxIdle = maxIdle
        maxIdleNanoseconds = maxIdleTime.nanoseconds
        // The oldest come first.
        for connection in idle.dropLast(maxIdle) { connection.close() }
        idle = idle.suffix(maxIdle)
        sweep?.cancel()
        closeOld(now: MonotonicClock.now())
    }

    /// The upstream closed the connection, or sent unsolicited bytes: it is useless either way.
    func upstreamIsReadable(_ connection: UpstreamConnection) {
        if connection.hasNothingToRead(now: MonotonicClock.now()) { return }
        if let index = idle.firstIndex(where: { $0 === connection }) { idle.remove(at: index) }
        connection.close()
    }

    func upstreamIsWritable(_ connection: UpstreamConnection) {}

    /// Closes the connections that have been idle for too long; `now` is in monotonic nanoseconds.
    func closeOld(now: UInt64) {
        var kept: [UpstreamConnection] = []
        for connection in idle {
            if now &- connection.idleSince < maxIdleNanoseconds { kept.append(connection) } else { connection.close() }
        }
        idle = kept
        if let oldest = idle.first {
            sweep?.arm(nanoseconds: maxIdleNanoseconds &- (now &- oldest.idleSince) &+ 1_000_000)
        }
    }
}

/// The pools that a reload has replaced, as long as exchanges that began before use them. Does not own them.
struct FormerPools {
    private struct Entry { weak var pool: UpstreamPool? }

    private var entries: [Entry] = []

    mutating func add(_ pool: UpstreamPool) {
        entries.removeAll { $0.pool == nil }
        entries.append(Entry(pool: pool))
    }

    /// The number of their connections.
    var connectionCount: Int { entries.reduce(0) { $0 + ($1.pool?.connectionCount ?? 0) } }
}

/// A FIFO queue that skips cancelled waiters.
struct WaitingLine {
    private(set) var waiters: [UpstreamPool.Waiter] = []
    private var first = 0

    /// Whether there is no waiter.
    var isEmpty: Bool {
        mutating get {
            forgetServed()
            return waiters.isEmpty
        }
    }

    /// Also drops served waiters, because nobody may ever take from the queue.
    mutating func append(_ waiter: UpstreamPool.Waiter) {
        forgetServed()
        waiters.append(waiter)
    }

    private mutating func forgetServed() {
        while first < waiters.count, !waiters[first].isWaiting { first += 1 }
        // In batches: removing from the front moves all the others.
        if first == waiters.count || first >= 64 {
            waiters.removeFirst(first)
            first = 0
        }
    }

    mutating func popFirst() -> UpstreamPool.Waiter? {
        guard !isEmpty else { return nil }
        first += 1
        return waiters[first - 1]
    }
}
