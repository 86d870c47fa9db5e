import Credentials
import EventIO
import HTTP1

/// The resources that one worker's connections and exchanges share. Knows none of them.
///
/// *Ownership*: held by all of them, and released with the last. *Threading*: created and used on its loop, except for
/// `counters`.
final class WorkerResources {
    let loop: EventLoop
    /// For what comes from upstreams and goes to clients.
    let buffers = BufferPool()
    /// For what comes from clients, of whom many hold one until the next turn of the loop.
    let inputBuffers = BufferPool()
    /// Buffers for requests in progress: each request holds one until its response is complete. A head and a small body
    /// fit; unused pages take no memory.
    let requestBuffers = BufferPool(
        capacity: 24 * 1024,
        limit: WorkerResources.maximumIdleRunners,
        filledLimit: WorkerResources.maximumIdleRunners
    )
    /// For use within a single call only.
    let scratch = ByteBuffer(capacity: BufferPool.bufferCapacity)
    let counters: Counters
    /// Nil without an inspector: nobody asks for it.
    let generations: GenerationTable?
    /// Nil if nothing is recorded.
    let recorder: Recorder?
    /// The recorder's gate; closed for good if there is none.
    let recordingGate: RecordingGate
    let replayBudget: ReplayBudget
    let waiting: WaitingExchanges
    var identifiers = IdentifierGenerator()
    /// The worker is stopping: connections end after their response.
    var isDraining = false

    /// The target and X-Request-ID in the form for observers, and room for observers to write in: valid during the call
    /// to them.
    private let shownTarget = ByteBuffer(capacity: 4096)
    private let rootedTarget = ByteBuffer(capacity: 256)
    private let shownMethod = ByteBuffer(capacity: 256)
    private let shownRequestID = ByteBuffer(capacity: 256)
    private let observerScratch = ByteBuffer(capacity: 4096)
    private var lastConnection: UInt64
    private let workers: Int
    private let exchangePrefix: UInt16
    /// The words of `recordingGate` if there is no recorder.
    private let spareWords = AtomicArray(count: Recordings.Number.count)
    private var dateSeconds = Int.min
    private var dateText = ""
    private var runners: [ExchangeRunner] = []
    /// Slots of the connections with input for the start of the loop's next turn.
    private(set) var arrivedConnections: [Int] = []
    /// Slots of the connections with deferred work for the end of the loop's turn.
    private(set) var dueConnections: [Int] = []
    /// How many of them hold more than a little output.
    private var dueFilled = 0
    /// The pools with deferred work.
    private(set) var duePools: [UpstreamPool] = []

    private static let maximumIdleRunners = 256
    private static let maximumArrived = EventLoop.reportedAtOnce

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
        arrivedConnections.reserveCapacity(Self.maximumArrived)
        dueConnections.reserveCapacity(64)
    }

    // MARK: The turn's start and end

    /// Has the connection in `slot` called at the start of the loop's next turn; false if so many are that its look can
    /// hardly be whole (see `EventLoop.reportedAtOnce`), and that their input takes most of the buffers. Further requests
    /// begin at once, before those that came first.
    func callAtTurnStart(slot: Int) -> Bool {
        guard arrivedConnections.count < Self.maximumArrived else { return false }
        arrivedConnections.append(slot)
        loop.callAtTurnStart()
        return true
    }

    /// All connections that had input have been called.
    func clearArrivedConnections() {
        arrivedConnections.removeAll(keepingCapacity: true)
    }

    /// Has the connection in `slot` called at the end of the loop's turn; `output` is how many bytes wait for its client.
    /// Ends the turn early, though never within this call, when waiting connections hold nearly all buffers of the pool,
    /// or of those in it that may be filled.
    func callAtTurnEnd(slot: Int, output: Int) {
        dueConnections.append(slot)
        if output > BufferPool.littleUsed { dueFilled += 1 }
        if dueConnections.count == BufferPool.defaultLimit - 8 || dueFilled == BufferPool.defaultFilledLimit - 4 {
            loop.endTurn()
        }
    }

    /// Has `pool` called at the end of the loop's turn.
    func callAtTurnEnd(_ pool: UpstreamPool) {
        duePools.append(pool)
    }

    /// All connections that were due have been called.
    func clearDueConnections() {
        dueConnections.removeAll(keepingCapacity: true)
        dueFilled = 0
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

    /// Releases pooled runners, which hold these resources.
    func dropRunners() {
        runners = []
    }

    func nextExchange() -> ExchangeID {
        ExchangeID(prefix: exchangePrefix, number: recordingGate.nextExchange())
    }

    /// A number for a client's connection, unique among all workers.
    func nextConnection() -> UInt64 {
        lastConnection &+= UInt64(workers)
        return lastConnection
    }

    /// The current date, as the value of a Date field. `clock` is the wall clock.
    func date(_ clock: any CredentialClock) -> String {
        let seconds = clock.wall()
        if seconds != dateSeconds {
            dateSeconds = seconds
            dateText = HTTPDate.text(seconds)
        }
        return dateText
    }

    // MARK: Telling

    /// The texts about an exchange for observers, as octets of its request.
    struct Texts {
        var method: UnsafeBufferPointer<UInt8>
        var target: UnsafeBufferPointer<UInt8>
        /// Empty if there is none.
        var requestID = UnsafeBufferPointer<UInt8>(start: nil, count: 0)
        /// The secrets that must be removed from them.
        var secrets: KnownSecrets

        /// The texts for bytes that are not a request.
        static var unknown: Texts {
            let text: StaticString = "-"
            let dash = UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
            return Texts(method: dash, target: dash, secrets: .none)
        }
    }

    /// An identifier is a UUID, or not much longer.
    private static let maxRequestID = 128

    /// Registered methods are shorter (RFC 9110 section 16.1). A client may send anything as one, a token too.
    private static let maxMethod = 24

    /// Reports an exchange that has ended, with secrets removed from its texts.
    func report(_ record: ExchangeRecord, _ texts: Texts, to observer: any ExchangeObserver) {
        observer.exchangeFinished(
            record,
            method: shown(method: texts).span,
            target: Redaction.shown(texts.target, secrets: texts.secrets, scratch: shownTarget).span,
            requestID: shown(requestID: texts).span,
            scratch: observerScratch
        )
    }

    /// The target with a slash before it; valid until the next call.
    func rooted(_ target: UnsafeBufferPointer<UInt8>) -> UnsafeBufferPointer<UInt8> {
        rootedTarget.truncate(to: 0)
        rootedTarget.append(0x2F)
        rootedTarget.append(UnsafeRawBufferPointer(target))
        return rootedTarget.octets
    }

    private func shown(method texts: Texts) -> UnsafeBufferPointer<UInt8> {
        Redaction.shown(texts.method, secrets: texts.secrets, limit: Self.maxMethod, scratch: shownMethod)
    }

    /// Reports a WebSocket that was opened.
    func reportTunnel(_ record: ExchangeRecord, _ texts: Texts, to observer: any ExchangeObserver) {
        observer.tunnelOpened(
            record,
            method: shown(method: texts).span,
            target: Redaction.shown(texts.target, secrets: texts.secrets, scratch: shownTarget).span,
            requestID: shown(requestID: texts).span,
            scratch: observerScratch
        )
    }

    private func shown(requestID texts: Texts) -> UnsafeBufferPointer<UInt8> {
        Redaction.shown(texts.requestID, secrets: texts.secrets, limit: Self.maxRequestID, scratch: shownRequestID)
    }

    /// A refusal that happened before there was an exchange: of a connection, or of bytes that are not a request.
    struct Refusal {
        let problem: Problem
        let client: ClientName
        /// The length of the response's body.
        let responseBytes: Int
        /// The response, with its head.
        var answer = UnsafeRawBufferPointer.empty
        var texts = Texts.unknown
        /// The first line of the bytes, if it looks like a request line.
        var line = UnsafeRawBufferPointer.empty

        init(problem: Problem, client: ClientName, responseBytes: Int) {
            self.problem = problem
            self.client = client
            self.responseBytes = responseBytes
        }
    }

    /// Counts and reports a refusal.
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

/// The names for exchanges: each worker has a prefix of its own.
struct WorkerNames: Sendable {
    /// The recordings of the workers, which have their prefixes.
    let recordings: Recordings?
    /// Prefixes for workers that record nothing.
    let spare: [UInt16]
}

/// One worker's view of one configuration: its upstream connections and its view of the session. A reload makes
/// another; exchanges keep theirs, and it goes away with the last of them.
final class WorkerContext {
    let proxy: ProxyContext
    let pool: UpstreamPool
    let sessionView: SessionView

    /// `former` is the worker's previous context.
    init(_ proxy: ProxyContext, pool: UpstreamPool, former: WorkerContext? = nil) {
        self.proxy = proxy
        self.pool = pool
        let secrets = (former?.sessionView.secrets ?? .none).replacingConfigured(proxy.configuration.secrets)
        sessionView = SessionView(
            proxy.session,
            application: proxy.configuration.session.apply,
            clock: proxy.clock,
            secrets: secrets
        )
    }
}

/// Exchanges that wait for an answer from another thread. Other threads hold a ticket, never the exchange: an answer
/// after the exchange's end finds nothing.
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

    /// Call on the loop.
    func add(_ runner: ExchangeRunner) -> Ticket {
        table.value.lastTicket &+= 1
        let ticket = table.value.lastTicket
        table.value.runners[ticket] = runner
        return ticket
    }

    /// Call on the loop. A later answer for the ticket finds nothing.
    func remove(_ ticket: Ticket) {
        table.value.runners[ticket] = nil
    }

    /// Calls `body` on the loop, once, if the ticket is still valid. Any thread.
    func resume(_ ticket: Ticket, _ body: @escaping @Sendable (ExchangeRunner) -> Void) {
        loop.execute { [table] in
            guard let runner = table.value.runners.removeValue(forKey: ticket) else { return }
            body(runner)
        }
    }
}
