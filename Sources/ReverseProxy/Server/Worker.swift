import Credentials
import EventIO
import HTTP1

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// One event loop's client connections and upstream pool. Workers share the listener's sockets, the session and nothing else.
///
/// *Threading*: made and used on its loop, but for `counters`.
final class Worker {
    let loop: EventLoop
    private(set) var context: ProxyContext
    private(set) var pool: UpstreamPool
    let buffers = BufferPool()
    /// For requests on their way: each holds one until its answer is through, however many there are. A head and a small body fit; what is
    /// not written to takes no memory.
    let requestBuffers = BufferPool(capacity: 24 * 1024, limit: Worker.maxIdleRunners)
    /// For the moment of one call only.
    let scratch = ByteBuffer(capacity: BufferPool.bufferCapacity)
    /// The target as observers hear of it, and room for them to write in: for the moment of telling them.
    private let shownTarget = ByteBuffer(capacity: 4096)
    private let observerScratch = ByteBuffer(capacity: 4096)
    let counters: Counters
    let replayBudget: ReplayBudget
    /// The counts of all workers, this one's too.
    private let allCounters: [Counters]
    var identifiers = IdentifierGenerator()
    private(set) var isDraining = false
    private var connections: [Int: ClientConnection] = [:]
    /// Those that have something to do when the loop's turn ends.
    private var due: [ClientConnection] = []
    private var runners: [ExchangeRunner] = []
    private var lastNumber = 0
    private var lastExchange: UInt64 = 0
    private let exchangePrefix: UInt16
    private var whenEmpty: (() -> Void)?
    private var view: CredentialView?
    /// What no log shows.
    private var secrets: KnownSecrets
    /// What `pathMark` stands for them.
    private var acceptedPaths = [UInt64](repeating: 0, count: Worker.maxAcceptedPaths)
    private var lastRecheck: UInt64 = 0
    private var dateSeconds = Int.min
    private var dateText = ""

    private static let maxIdleRunners = 256

    /// How often requests look whether another process replaced the session file.
    private static let recheckNanoseconds: UInt64 = 500_000_000

    /// The current credential as requests carry it. An object: each request asks for it.
    final class CredentialView {
        let credential: Credential
        let line: [UInt8]
        /// On the session's clock.
        let until: Int64
        /// On `MonotonicClock`.
        let youngUntil: UInt64

        init(_ credential: Credential, until: Int64, youngUntil: UInt64) {
            self.credential = credential
            line = Worker.line(credential.token)
            self.until = until
            self.youngUntil = youngUntil
        }
    }

    /// `counters` are all workers', of which this is the one at `index`.
    init(loop: EventLoop, context: ProxyContext, counters: [Counters], index: Int) {
        self.loop = loop
        self.context = context
        secrets = Self.configuredSecrets(context)
        self.counters = counters[index]
        allCounters = counters
        replayBudget = ReplayBudget(workers: counters.count)
        exchangePrefix = UInt16(truncatingIfNeeded: identifiers.next())
        pool = Self.makePool(loop, context)
        due.reserveCapacity(BufferPool.defaultLimit)
        loop.turnEnded = { [unowned self] in turnEnded() }
    }

    deinit {
        loop.turnEnded = nil
    }

    private static func configuredSecrets(_ context: ProxyContext) -> KnownSecrets {
        KnownSecrets(context.configuration.access.key.map { [$0] } ?? [])
    }

    private static func makePool(_ loop: EventLoop, _ context: ProxyContext) -> UpstreamPool {
        UpstreamPool(
            loop: loop,
            settings: context.configuration.upstreamSettings,
            maxIdle: min(context.configuration.limits.connections, 256),
            maxIdleTime: context.configuration.timeouts.idle
        )
    }

    // MARK: Connections

    /// Takes a connection that was accepted.
    func adopt(_ descriptor: Int32, isUnixSocket: Bool) {
        guard !isDraining else { return SocketIO.close(descriptor) }
        guard allCounters.reduce(0, { $0 + $1.clients }) < context.configuration.limits.connections else {
            return refuse(descriptor, .overloaded)
        }
        if context.configuration.access.sameUser,
            let refusal = PeerUsers.shared.peer(of: descriptor, isUnixSocket: isUnixSocket).refusal
        {
            return refuse(descriptor, refusal)
        }
        SocketIO.disableDelay(descriptor)
        lastNumber += 1
        let connection = ClientConnection(worker: self, descriptor: descriptor, number: lastNumber)
        connections[lastNumber] = connection
        counters.set(.clients, connections.count)
        connection.start()
    }

    func connectionClosed(_ connection: ClientConnection) {
        connections[connection.number] = nil
        counters.set(.clients, connections.count)
        if isDraining, connections.isEmpty { finishDraining() }
    }

    /// Says why, once, as far as it goes without waiting.
    private func refuse(_ descriptor: Int32, _ problem: Problem) {
        scratch.clear()
        OwnResponse(method: .get, date: date(), closes: true).append(problem, to: scratch)
        counters.finished(status: problem.status, nanoseconds: 0)
        counters.refused(problem.code)
        recordRefusal(problem, context)
        _ = SocketIO.write(descriptor, scratch.readable)
        SocketIO.shutdownWriting(descriptor)
        // What the client already sent must be read, or closing resets the connection and takes the answer with it.
        scratch.clear()
        _ = SocketIO.read(descriptor, into: scratch.writable(minimum: 4096))
        scratch.clear()
        SocketIO.close(descriptor)
    }

    /// Bytes that were no request: there is nothing to log but the refusal.
    func recordRefusal(_ problem: Problem, _ context: ProxyContext) {
        guard let observer = context.observer else { return }
        let unknown: StaticString = "-"
        let octets = UnsafeBufferPointer(start: unknown.utf8Start, count: unknown.utf8CodeUnitCount)
        tell(
            observer,
            ExchangeRecord(
                id: id(ofExchange: nextExchange()),
                status: problem.status,
                outcome: .refused,
                code: problem.code,
                requestBytes: 0,
                responseBytes: 0,
                upstreamNanoseconds: nil,
                totalNanoseconds: 0,
                attempts: 0,
                generation: 0,
                wasReplayed: false
            ),
            method: octets,
            target: octets
        )
    }

    /// Tells of an exchange that ended, without what is secret in `target`.
    func tell(
        _ observer: any ExchangeObserver,
        _ record: ExchangeRecord,
        method: UnsafeBufferPointer<UInt8>,
        target: UnsafeBufferPointer<UInt8>
    ) {
        let shown = Redaction.target(target, secrets: secrets, scratch: shownTarget)
        observer.exchangeFinished(record, method: method.span, target: shown.span, scratch: observerScratch)
    }

    /// Now, as the value of a Date field.
    func date() -> String {
        let seconds = context.clock.wall()
        if seconds != dateSeconds {
            dateSeconds = seconds
            dateText = HTTPDate.text(seconds)
        }
        return dateText
    }

    // MARK: Answers

    /// Has `connection` write its answer, or see that its client is gone, when the loop's turn ends. The turn ends early when as many wait
    /// as there are buffers kept; never within this call.
    func callAtTurnEnd(_ connection: ClientConnection) {
        due.append(connection)
        if due.count == BufferPool.defaultLimit { loop.endTurn() }
    }

    private func turnEnded() {
        // What ends may let others go on, who may have something to do then.
        var next = 0
        while next < due.count {
            due[next].turnEnded()
            next += 1
        }
        due.removeAll(keepingCapacity: true)
    }

    // MARK: Runners

    func takeRunner() -> ExchangeRunner {
        runners.popLast() ?? ExchangeRunner(worker: self)
    }

    func giveRunner(_ runner: ExchangeRunner) {
        if runners.count < Self.maxIdleRunners { runners.append(runner) }
        counters.set(.upstreams, pool.connectionCount)
    }

    func nextExchange() -> UInt64 {
        lastExchange &+= 1
        return lastExchange
    }

    func id(ofExchange number: UInt64) -> ExchangeID {
        ExchangeID(prefix: exchangePrefix, number: number)
    }

    // MARK: The credential

    /// The current credential when it can be used without asking; a few comparisons in the common case.
    func credential(_ session: Session, clock: any CredentialClock, now: UInt64) -> CredentialView? {
        if now &- lastRecheck > Self.recheckNanoseconds {
            lastRecheck = now
            session.recheckFile()
        }
        if let view, view.credential.generation == session.usableGeneration {
            if view.until == .max || clock.elapsed() < view.until { return view }
            return nil
        }
        guard let (credential, until) = session.current() else {
            view = nil
            return nil
        }
        view = CredentialView(credential, until: until, youngUntil: now &+ Self.youth)
        secrets = secrets.remembering(Array(credential.token.value.utf8))
        return view
    }

    /// How long a token is young, nanoseconds: its being refused then is no matter of age.
    private static let youth: UInt64 = 30_000_000_000
    private static let maxAcceptedPaths = 64

    /// Remembers that a path takes tokens, while the token is young: an hour later nobody asks.
    @inline(__always)
    func noteAcceptance(now: UInt64, path: @autoclosure () -> UInt64) {
        guard let view, now < view.youngUntil else { return }
        let mark = path()
        acceptedPaths[Int(mark % UInt64(Self.maxAcceptedPaths))] = mark
    }

    /// Whether that path took a token lately; forgets it.
    func forgetAcceptance(path: UInt64) -> Bool {
        let index = Int(path % UInt64(Self.maxAcceptedPaths))
        guard acceptedPaths[index] == path else { return false }
        acceptedPaths[index] = 0
        return true
    }

    /// When the token of that generation began to be valid by its issuer's clock.
    func notBefore(_ session: Session, generation: Generation) -> Int? {
        if let view, view.credential.generation == generation { return view.credential.token.claims?.notBefore }
        guard let (credential, _) = session.current(), credential.generation == generation else { return nil }
        return credential.token.claims?.notBefore
    }

    static func line(_ token: Token) -> [UInt8] {
        Array("Authorization: Bearer \(token.value)\r\n".utf8)
    }

    // MARK: Changes

    /// From now on new exchanges follow `context`.
    func reconfigure(_ context: ProxyContext) {
        let keepsPool = context.configuration.upstreamSettings == self.context.configuration.upstreamSettings
        self.context = context
        secrets = Self.configuredSecrets(context)
        view = nil
        if !keepsPool {
            pool.closeAll()
            pool = Self.makePool(loop, context)
        }
    }

    /// Closes idle connections now and the others after their answer; `completion` comes when none is left.
    func drain(completion: @escaping () -> Void) {
        isDraining = true
        whenEmpty = completion
        for connection in Array(connections.values) { connection.drain() }
        if connections.isEmpty { finishDraining() }
    }

    private func finishDraining() {
        pool.closeAll()
        let completion = whenEmpty
        whenEmpty = nil
        completion?()
    }

    /// Ends what is left.
    func closeAll() {
        for connection in Array(connections.values) { connection.abort() }
    }
}
