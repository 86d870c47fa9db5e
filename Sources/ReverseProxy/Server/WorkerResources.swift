import Credentials
import EventIO
import HTTP1

/// What the connections and exchanges of one worker share. Knows none of them.
///
/// *Ownership*: held by all of them, and gone with the last. *Threading*: made and used on its loop, but for
/// `counters`.
final class WorkerResources {
    let loop: EventLoop
    let buffers = BufferPool()
    /// For requests on their way: each holds one until its response is through, however many there are. A head and a
    /// small body fit; what is not written to takes no memory.
    let requestBuffers = BufferPool(capacity: 24 * 1024, limit: WorkerResources.maximumIdleRunners)
    /// For the moment of one call only.
    let scratch = ByteBuffer(capacity: BufferPool.bufferCapacity)
    let counters: Counters
    /// Nil without an inspector: nobody asks for it.
    let generations: GenerationTable?
    /// Nil if nothing is recorded.
    let recorder: Recorder?
    /// The recorder's; closed for good without one.
    let recordingGate: RecordingGate
    let replayBudget: ReplayBudget
    let waiting: WaitingExchanges
    var identifiers = IdentifierGenerator()
    /// The worker is to stop: connections end after their response.
    var isDraining = false

    /// The target and X-Request-ID as observers hear of them, and room for them to write in: for the moment of telling
    /// them.
    private let shownTarget = ByteBuffer(capacity: 4096)
    private let shownRequestID = ByteBuffer(capacity: 256)
    private let observerScratch = ByteBuffer(capacity: 4096)
    private var lastConnection: UInt64
    private let workers: Int
    private let exchangePrefix: UInt16
    /// What `recordingGate` is made of without a recorder.
    private let spareWords = AtomicArray(count: Recordings.Number.count)
    private var dateSeconds = Int.min
    private var dateText = ""
    private var runners: [ExchangeRunner] = []
    /// Slots of the connections that have something to do when the loop's turn ends.
    private(set) var dueConnections: [Int] = []
    /// The pools that have.
    private(set) var duePools: [UpstreamPool] = []

    private static let maximumIdleRunners = 256

    /// The resources of the worker at `index` of `workers`.
    init(
        loop: EventLoop,
        counters: Counters,
        generations: GenerationTable,
        names: WorkerNames,
        index: Int,
        workers: Int
    ) {
        self.loop = loop
        self.counters = counters
        self.workers = workers
        recorder = names.recordings.flatMap { Recorder($0, worker: index) }
        self.generations = recorder == nil ? nil : generations
        recordingGate = recorder?.gate ?? RecordingGate(spareWords)
        if recorder == nil { recordingGate.close(until: .max, because: .off) }
        exchangePrefix = recorder?.prefix ?? names.spare[index]
        lastConnection = UInt64(index)
        replayBudget = ReplayBudget(workers: workers)
        waiting = WaitingExchanges(loop: loop)
        dueConnections.reserveCapacity(64)
    }

    // MARK: The turn's end

    /// Has the connection in `slot` called when the loop's turn ends. The turn ends early, though never within this
    /// call, if those that wait would leave no buffer of those that are kept for the others of the turn.
    func callAtTurnEnd(slot: Int) {
        dueConnections.append(slot)
        if dueConnections.count == BufferPool.defaultLimit - 4 { loop.endTurn() }
    }

    /// Has `pool` called when the loop's turn ends.
    func callAtTurnEnd(_ pool: UpstreamPool) {
        duePools.append(pool)
    }

    /// Everybody who was due has been called.
    func clearDueConnections() {
        dueConnections.removeAll(keepingCapacity: true)
    }

    func takeDuePools() -> [UpstreamPool] {
        defer { duePools.removeAll(keepingCapacity: true) }
        return duePools
    }

    // MARK: Exchanges

    func takeRunner() -> ExchangeRunner {
        runners.popLast() ?? ExchangeRunner(self)
    }

    func giveRunner(_ runner: ExchangeRunner) {
        if runners.count < Self.maximumIdleRunners { runners.append(runner) }
    }

    /// Lets go of runners that are kept: they hold these resources.
    func dropRunners() {
        runners = []
    }

    func nextExchange() -> ExchangeID {
        ExchangeID(prefix: exchangePrefix, number: recordingGate.nextExchange())
    }

    /// The number of a client's connection: no other worker has it.
    func nextConnection() -> UInt64 {
        lastConnection &+= UInt64(workers)
        return lastConnection
    }

    /// Now, as the value of a Date field. `clock` is the wall clock.
    func date(_ clock: any CredentialClock) -> String {
        let seconds = clock.wall()
        if seconds != dateSeconds {
            dateSeconds = seconds
            dateText = HTTPDate.text(seconds)
        }
        return dateText
    }

    // MARK: Telling

    /// What may be told of an exchange, in the octets of its request.
    struct Texts {
        var method: UnsafeBufferPointer<UInt8>
        var target: UnsafeBufferPointer<UInt8>
        /// Empty without one.
        var requestID = UnsafeBufferPointer<UInt8>(start: nil, count: 0)
        /// What is not shown of them.
        var secrets: KnownSecrets

        /// Of bytes that are no request.
        static var unknown: Texts {
            let text: StaticString = "-"
            let dash = UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
            return Texts(method: dash, target: dash, secrets: .none)
        }
    }

    /// An identifier is a UUID, or not much longer.
    private static let maxRequestID = 128

    /// Tells of an exchange that ended, without what is secret in its texts.
    func report(_ record: ExchangeRecord, _ texts: Texts, to observer: any ExchangeObserver) {
        observer.exchangeFinished(
            record,
            method: texts.method.span,
            target: Redaction.target(texts.target, secrets: texts.secrets, scratch: shownTarget).span,
            requestID: shown(requestID: texts).span,
            scratch: observerScratch
        )
    }

    /// Tells of a WebSocket that opened.
    func reportTunnel(_ record: ExchangeRecord, _ texts: Texts, to observer: any ExchangeObserver) {
        observer.tunnelOpened(
            record,
            method: texts.method.span,
            target: Redaction.target(texts.target, secrets: texts.secrets, scratch: shownTarget).span,
            requestID: shown(requestID: texts).span,
            scratch: observerScratch
        )
    }

    private func shown(requestID texts: Texts) -> UnsafeBufferPointer<UInt8> {
        Redaction.target(texts.requestID, secrets: texts.secrets, limit: Self.maxRequestID, scratch: shownRequestID)
    }

    /// What was refused before there was an exchange: a connection, or bytes that are no request.
    struct Refusal {
        let problem: Problem
        let client: ClientName
        /// Of the body that was sent.
        let responseBytes: Int
        /// What was sent, with its head.
        var answer = UnsafeRawBufferPointer.empty
        var texts = Texts.unknown
        /// The first line of the bytes, if it looks like a request's.
        var line = UnsafeRawBufferPointer.empty

        init(problem: Problem, client: ClientName, responseBytes: Int) {
            self.problem = problem
            self.client = client
            self.responseBytes = responseBytes
        }
    }

    /// Counts and tells of a refusal.
    func reportRefusal(_ refusal: Refusal, to observer: (any ExchangeObserver)?) {
        let problem = refusal.problem
        counters.finished(status: problem.status, nanoseconds: 0)
        counters.refused(problem.code)
        guard observer != nil || recorder != nil else { return }
        let id = nextExchange()
        recorder?.record(refusal, as: id)
        guard let observer else { return }
        var record = ExchangeRecord(id: id, status: problem.status, outcome: .local)
        record.problem = problem
        record.responseBytes = UInt64(refusal.responseBytes)
        report(record, refusal.texts, to: observer)
    }
}

/// What names exchanges: each worker has a prefix of its own.
struct WorkerNames: Sendable {
    /// What workers record in; it has their prefixes.
    let recordings: Recordings?
    /// Of workers that record nothing.
    let spare: [UInt16]
}

/// What one worker has of one configuration: its connections to the upstream, and its view of the session. A reload
/// makes another one; exchanges keep theirs, and with the last of them it goes.
final class WorkerContext {
    let proxy: ProxyContext
    let pool: UpstreamPool
    let session: SessionView

    /// `former` is what the worker had until now.
    init(_ proxy: ProxyContext, pool: UpstreamPool, former: WorkerContext? = nil) {
        self.proxy = proxy
        self.pool = pool
        let secrets = (former?.session.secrets ?? .none).replacingConfigured(proxy.configuration.secrets)
        session = SessionView(
            proxy.session,
            application: proxy.configuration.session.apply,
            clock: proxy.clock,
            secrets: secrets
        )
    }
}

/// Exchanges that wait for an answer from another thread. Other threads hold a ticket, never the exchange: an answer
/// that comes after the exchange has ended finds nobody.
final class WaitingExchanges: Sendable {
    typealias Ticket = UInt64

    private struct Table {
        var runners: [Ticket: ExchangeRunner] = [:]
        var lastTicket: Ticket = 0
    }

    private let loop: EventLoop
    private let table: LoopBound<Table>

    init(loop: EventLoop) {
        self.loop = loop
        table = LoopBound(Table(), loop: loop)
    }

    /// On the loop.
    func add(_ runner: ExchangeRunner) -> Ticket {
        table.value.lastTicket &+= 1
        let ticket = table.value.lastTicket
        table.value.runners[ticket] = runner
        return ticket
    }

    /// On the loop. What comes for the ticket later finds nobody.
    func remove(_ ticket: Ticket) {
        table.value.runners[ticket] = nil
    }

    /// Any thread: calls `body` on the loop, if the ticket still stands. Once.
    func resume(_ ticket: Ticket, _ body: @escaping @Sendable (ExchangeRunner) -> Void) {
        loop.execute { [table] in
            guard let runner = table.value.runners.removeValue(forKey: ticket) else { return }
            body(runner)
        }
    }
}
