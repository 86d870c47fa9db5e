import EventIO
import Platform
import Upstream

/// The upstream connections of one worker: those that wait for another exchange, and the exchanges that wait for one.
///
/// Idle connections are taken last in, first out, so that surplus ones grow old. When there is none, a new one is made,
/// and the exchange goes on with whatever comes first: its own new one, or one that another exchange gives back. New
/// ones are begun at a pace: when hundreds of requests that waited for a token are let go at once, most find a
/// connection given back before their turn comes, and making hundreds would take longer than that (some 70 us of CPU
/// each, several times that through TLS).
///
/// *Threading*: belongs to its loop.
final class UpstreamPool: UpstreamConnectionDelegate {
    /// A connection, and whether it was there before: then it may turn out to be closed.
    struct Acquired {
        let connection: UpstreamConnection
        let isReused: Bool
    }

    /// An exchange that waits for a connection.
    final class Waiter {
        /// Nil once it is served, or has given up.
        fileprivate var completion: ((Result<Acquired, UpstreamError>) -> Void)?
        /// The connection that is being made for it.
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

    /// How many connections are begun at once, and how soon the next ones may be: 4,000 a second.
    static let startsPerTurn = 8
    static let turnNanoseconds: UInt64 = 2_000_000

    private let resources: WorkerResources
    private let connector: UpstreamConnector
    /// Somebody may be served when the loop's turn ends.
    private var isDue = false
    private var idle: [UpstreamConnection] = []
    private let maxIdle: Int
    private let maxIdleNanoseconds: UInt64
    private var sweep: EventTimer?
    /// Waiters in FIFO order. Cancelled or already served ones are skipped.
    private var waiting = WaitingLine()
    /// Whose own connection has not been begun.
    private var unstarted = WaitingLine()
    private var turn: EventTimer?
    private var turnStartedAt: UInt64 = 0
    private var startsLeft = 0

    init(_ resources: WorkerResources, settings: UpstreamSettings, maxIdle: Int, maxIdleTime: Duration) {
        self.resources = resources
        connector = UpstreamConnector(loop: resources.loop, settings: settings)
        self.maxIdle = maxIdle
        maxIdleNanoseconds = maxIdleTime.nanoseconds
        sweep = EventTimer(loop: resources.loop) { [unowned self] in closeOld() }
        turn = EventTimer(loop: resources.loop) { [unowned self] in startWaiting() }
    }

    deinit {
        for connection in idle { connection.close() }
        connector.cancelAll()
    }

    var connectionCount: Int { connector.connectionCount }

    // MARK: Taking

    /// An idle connection; nil when one must be waited for, behind those that wait already. One that was closed, or on
    /// which something came, is of no use: the loop may not have got to it yet, and a response that nobody asked for
    /// would be taken for the next one.
    func takeIdle() -> UpstreamConnection? {
        waiting.isEmpty ? popIdle() : nil
    }

    private func popIdle() -> UpstreamConnection? {
        while let connection = idle.popLast() {
            if connection.isQuiet { return connection }
            connection.close()
        }
        return nil
    }

    /// Waits for a connection: a new one, or one that is given back unless `needsNew`. `completion` is called once,
    /// later, unless the waiter is cancelled. The connect timeout counts from when the waiter's own connection is
    /// begun.
    func wait(needsNew: Bool, completion: @escaping (Result<Acquired, UpstreamError>) -> Void) -> Waiter {
        let waiter = Waiter(completion)
        if !needsNew { waiting.append(waiter) }
        unstarted.append(waiter)
        // Others may give theirs back in this turn.
        callAtTurnEnd()
        return waiter
    }

    private func callAtTurnEnd() {
        guard !isDue else { return }
        isDue = true
        resources.callAtTurnEnd(self)
    }

    /// The loop's turn is over: those who wait get what was given back, oldest first; for the others connections are
    /// begun.
    func turnEnded() {
        isDue = false
        while !waiting.isEmpty, let connection = popIdle() {
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

    /// Begins connections, as many as this turn allows.
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
        // `deinit` ends what was begun: nothing calls back later. Not weak, which would make each use of this object
        // slower for ever.
        waiter.attempt = connector.connect { [unowned self] result in
            waiter.attempt = nil
            switch result {
            case .failure(let error): waiter.complete(.failure(error))
            case .success(let connection):
                if waiter.isWaiting {
                    waiter.complete(.success(Acquired(connection: connection, isReused: false)))
                } else {
                    // The waiter got another one meanwhile.
                    give(connection, now: MonotonicClock.now())
                }
            }
        }
    }

    // MARK: Giving back

    /// Takes a connection that nobody uses: its exchange is complete on both sides, or it has had none.
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

    /// The upstream closed it, or sends what nobody asked for: useless either way.
    func upstreamIsReadable(_ connection: UpstreamConnection) {
        if connection.isQuiet { return }
        if let index = idle.firstIndex(where: { $0 === connection }) { idle.remove(at: index) }
        connection.close()
    }

    func upstreamIsWritable(_ connection: UpstreamConnection) {}

    private func closeOld() {
        let now = MonotonicClock.now()
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

/// A FIFO queue that skips cancelled waiters.
struct WaitingLine {
    private(set) var waiters: [UpstreamPool.Waiter] = []
    private var first = 0

    /// Whether nobody waits.
    var isEmpty: Bool {
        mutating get {
            forgetServed()
            return waiters.isEmpty
        }
    }

    /// Also when nobody takes from the line: those in it may all be served otherwise.
    mutating func append(_ waiter: UpstreamPool.Waiter) {
        forgetServed()
        waiters.append(waiter)
    }

    private mutating func forgetServed() {
        while first < waiters.count, !waiters[first].isWaiting { first += 1 }
        // Not one by one: taking from the front moves all the others.
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
