import Credentials
import EventIO
import HTTP1
import Upstream

/// Carries out one exchange at a time: the I/O around the pure `Exchange`. Reused for the next one.
///
/// The parts: this file begins and ends exchanges; `+Upload` sends the request, `+Response` takes the answer, `+Session` deals
/// with credentials. *Threading*: belongs to its worker's loop; what comes back from other threads is matched by `serial`.
final class ExchangeRunner: UpstreamConnectionDelegate {
    enum Phase {
        case idle
        /// Waiting for a credential, a refresh or a session to be saved.
        case waiting
        case connecting
        /// Sending, and waiting for the answer's head.
        case exchanging
        /// Taking an answer that is not for the client yet.
        case collecting(Exchange.Purpose)
        case relaying
        /// WebSocket: bytes both ways, no HTTP any more.
        case tunnelling
    }

    enum BodyMode {
        case none
        case length(UInt64)
        case chunked
        case untilClose
    }

    /// Holds this runner and outlives it. Not checked: it is asked for several times in each exchange.
    unowned(unsafe) let worker: Worker
    /// Counts exchanges, so that a late answer to an earlier one is noticed.
    var serial: UInt64 = 0
    var phase = Phase.idle
    var client: ClientConnection!
    var context: ProxyContext!
    var pool: UpstreamPool!
    var exchange: Exchange!
    private var id: UInt64 = 0
    private var startedAt: UInt64 = 0

    // The request.
    var requestHead: ByteBuffer!
    private(set) var methodLength = 0
    private(set) var targetLength = 0
    /// The head up to where the credential goes.
    var prefixLength = 0
    var headSent = 0
    var body: RequestBody?
    var bodyRemaining: UInt64 = 0
    var bodyDecoder: ChunkedDecoder?
    var bodySent = 0
    var requestBytes: UInt64 = 0
    var clientMinorVersion = 1
    /// A page of a configured origin sent the request: it may read the answer.
    var pageOrigin: [UInt8]?
    /// The client waits for "100 Continue" and has not got it.
    var clientExpects = false
    /// The body is held back until the upstream says "100 Continue", or a second has passed.
    var awaitsContinue = false
    private var sendsExpectation = false
    var uploadFailed = false
    /// `Authorization` of the current attempt.
    var credentialLine: [UInt8] = []
    /// The refresh that this request waited for is its own doing.
    var startedRefresh = false

    // The upstream.
    var connection: UpstreamConnection?
    var connectionWasReused = false
    private var waiter: UpstreamPool.Waiter?
    private var attemptStartedAt: UInt64 = 0
    var firstByteAt: UInt64 = 0
    var interimCount = 0
    /// The request asks for a WebSocket.
    var mayTunnel = false

    // The answer.
    var upstreamInput: ByteBuffer?
    var parser: ResponseParser
    var responseHead = ResponseHead()
    /// The head of an answer that is held or collected.
    var heldHead: ByteBuffer?
    var collected: [UInt8] = []
    var hasWholeBody = false
    var bodyMode = BodyMode.none
    var responseDecoder = ChunkedDecoder()
    var writesChunks = false
    var isUpstreamPaused = false
    var hasExtraBytes = false
    var responseStatus = 0
    var responseBytes: UInt64 = 0
    var ownCode: Problem.Code?
    /// The answer said that the client's connection closes.
    var announcesClose = false
    var pause: EventTimer?

    /// What a request may be ahead of the upstream, and an answer that must be read whole at most.
    static let uploadWindow = 64 * 1024
    static let collectLimit = 256 * 1024
    static let smallBody = 16 * 1024

    init(worker: Worker) {
        self.worker = worker
        parser = ResponseParser(limits: HeadLimits())
    }

    // MARK: Beginning

    /// Begins the exchange of a request whose head lies at the start of the client's input; takes it from there.
    func begin(
        _ client: ClientConnection,
        head: RequestHead,
        bytes: UnsafeRawBufferPointer,
        headLength: Int,
        admission: Admission,
        now: UInt64
    ) {
        // Asked once: each look at a property that is an object counts its references up and down.
        let context = client.context
        self.client = client
        self.context = context
        pool = worker.pool
        startedAt = now
        id = worker.nextExchange()
        parser.limits = HeadLimits(head: max(context.configuration.limits.head, 128 * 1024), fields: 512)
        clientMinorVersion = head.minorVersion
        pageOrigin = admission.pageOrigin
        mayTunnel = head.upgradesToWebSocket
        phase = .waiting

        let method = UnsafeRawBufferPointer(rebasing: bytes[head.methodRange.range])
        let path = UnsafeRawBufferPointer(rebasing: bytes[head.path.range])
        let route = context.routes.kind(method: method, path: path)
        let hasBodyAlready = (client.pendingInput?.count ?? 0) > headLength
        clientExpects = head.expectsContinue && !hasBodyAlready && head.framing != .none && head.framing != .length(0)
        sendsExpectation = clientExpects || isTooLargeToKeep(head.framing, route)

        let output = worker.requestBuffers.take()
        requestHead = output
        let rendered = context.headers.render(
            head,
            bytes,
            route: route,
            keepsExpectation: sendsExpectation,
            identifiers: &worker.identifiers,
            into: output
        )
        prefixLength = output.count
        methodLength = head.methodRange.count
        targetLength = max(head.pathAndQuery.count, 1)
        let bearerBelongs: Bool
        switch route {
        case .ordinary, .signOut: bearerBelongs = !rendered.hasAuthorization
        case .signIn, .anonymous, .refresh: bearerBelongs = false
        }
        exchange = Exchange(
            route: route,
            method: head.method,
            hasBody: head.framing != .none && head.framing != .length(0),
            carriesCredential: bearerBelongs,
            missing: context.configuration.session.missing
        )
        switch head.framing {
        case .none, .untilClose, .length(0): body = nil
        case .length(let length):
            body = makeBody(isKept: length <= keepLimit)
            bodyRemaining = length
        case .chunked:
            body = makeBody(isKept: true)
            bodyDecoder = ChunkedDecoder()
        }
        switch admission.decision {
        case .refuse(let problem):
            client.pendingInput?.consume(headLength)
            client.closeAfterAnswer()
            return answer(problem)
        case .preflight:
            return answer(status: 204, consuming: headLength) { $0.appendPreflight(head, bytes, to: $1) }
        case .forward where head.maxForwards == 0:
            return answer(status: 200, consuming: headLength) { $0.appendOptions(to: $1) }
        case .forward:
            client.pendingInput?.consume(headLength)
        }
        if rendered.isLoop {
            client.closeAfterAnswer()
            return answer(.loopDetected)
        }
        if worker.isDraining { return answer(.shuttingDown) }
        if route == .refresh { return serveRefresh() }
        if body != nil { takeBody() }
        guard phaseIsActive else { return }
        askForCredential(now: now)
    }

    private func makeBody(isKept: Bool) -> RequestBody {
        RequestBody(
            memoryLimit: context.configuration.limits.replay,
            fileLimit: context.configuration.limits.replayDisk,
            budget: worker.replayBudget,
            isKept: isKept
        )
    }

    /// A body that cannot be kept: let the upstream refuse the token before it is sent.
    private func isTooLargeToKeep(_ framing: MessageFraming, _ route: RouteKind) -> Bool {
        guard case .length(let length) = framing, route == .ordinary else { return false }
        return length > keepLimit
    }

    /// The longest body that is kept, to be sent again.
    private var keepLimit: UInt64 {
        UInt64(max(context.configuration.limits.replayDisk, context.configuration.limits.replay))
    }

    var phaseIsActive: Bool {
        if case .idle = phase { false } else { true }
    }

    // MARK: Attempts

    /// Starts an attempt with the credential in `credentialLine`.
    func beginAttempt(onFreshConnection: Bool = false, now: UInt64 = MonotonicClock.now()) {
        exchange.attemptBegins()
        let head = requestHead!
        head.truncate(to: prefixLength)
        if !credentialLine.isEmpty { head.append(credentialLine) }
        head.append("\r\n")
        headSent = 0
        bodySent = 0
        uploadFailed = false
        interimCount = 0
        isUpstreamPaused = false
        hasExtraBytes = false
        hasWholeBody = false
        awaitsContinue = sendsExpectation && body?.count == 0
        if let body, !awaitsContinue, body.count > 0, body.count <= Self.smallBody,
            let bytes = body.bytes(from: 0, limit: Self.smallBody, scratch: worker.scratch)
        {
            // Head and body in one segment.
            head.append(bytes)
            bodySent = bytes.count
        }
        if attemptStartedAt == 0 { attemptStartedAt = now }
        if !onFreshConnection, let idle = pool.takeIdle() {
            attach(idle, isReused: true, now: now)
            return
        }
        phase = .connecting
        client.clearDeadline()
        waiter = pool.wait(needsNew: onFreshConnection) { [unowned self] result in
            waiter = nil
            switch result {
            case .success(let got): attach(got.connection, isReused: got.isReused, now: MonotonicClock.now())
            case .failure(let error): fault(Problem(error))
            }
        }
    }

    private func attach(_ connection: UpstreamConnection, isReused: Bool, now: UInt64) {
        self.connection = connection
        connectionWasReused = isReused
        connection.delegate = self
        phase = .exchanging
        // Half a head of an earlier exchange must leave no trace.
        parser = ResponseParser(limits: parser.limits)
        setDeadline(now: now)
        send()
    }

    /// What is waited for decides how long.
    func setDeadline(now: UInt64) {
        let interval: UInt64
        if awaitsContinue {
            interval = 1_000_000_000
        } else if let body, !body.isComplete || bodySent < body.count {
            interval = context.intervals.body
        } else if case .exchanging = phase {
            interval = context.intervals.firstByte
        } else {
            interval = context.intervals.body
        }
        client.setDeadline(nanoseconds: interval, now: now)
    }

    func deadlinePassed() {
        if case .tunnelling = phase { return endTunnel(.complete) }
        if case .waiting = phase { return waitedTooLong() }
        if awaitsContinue {
            // Upstreams that do not know the expectation stay silent (RFC 9110 section 10.1.1).
            awaitsContinue = false
            tellToContinue()
            setDeadline(now: MonotonicClock.now())
            return pumpBody()
        }
        // It does not take what is there for it, so it would not take the rest either.
        if exchange.hasAnswered, client.pendingOutput > 0 { return abort(.clientGone) }
        if let body, !body.isComplete, body.count == bodySent || connection == nil { return fault(.requestTimeout) }
        fault(.firstByteTimeout)
    }

    /// The client took some of what waited for it.
    func clientTookBytes() {
        switch phase {
        case .relaying: setDeadline(now: MonotonicClock.now())
        case .tunnelling: noteProgress()
        case .idle, .waiting, .connecting, .exchanging, .collecting: break
        }
    }

    /// Lets go of the upstream connection: into the pool when nothing of this exchange is left on it.
    func releaseConnection(isReusable: Bool, now: UInt64 = MonotonicClock.now()) {
        if let waiter {
            self.waiter = nil
            pool.cancel(waiter)
        }
        if let connection {
            self.connection = nil
            if isReusable { pool.give(connection, now: now) } else { connection.close() }
        }
        if let upstreamInput {
            self.upstreamInput = nil
            worker.buffers.give(upstreamInput)
        }
    }

    // MARK: Ending

    /// Something went wrong: an answer of our own when the client has none yet, else a broken connection.
    func fault(_ problem: Problem) {
        releaseConnection(isReusable: false)
        guard exchange.hasAnswered else { return answer(problem) }
        // A length, or a last chunk that never comes, shows what is missing; a body that ends with the connection needs a reset.
        if writesChunks { return finish(.upstreamBroke, closes: true) }
        if case .length = bodyMode { return finish(.upstreamBroke, closes: true) }
        abort(.upstreamBroke)
    }

    /// An answer of Squire's own ends the exchange.
    func answer(_ problem: Problem) {
        releaseConnection(isReusable: false)
        exchange.hasAnswered = true
        let closes = client.willClose || isBodyUnread
        let output = client.outputBuffer()
        ownAnswer(closes: closes).append(problem, to: output)
        responseStatus = problem.status
        ownCode = problem.code
        worker.counters.refused(problem.code)
        client.flush()
        finish(.refused, closes: closes)
    }

    /// An answer of Squire's own that is no failure. The head is consumed after it is written: it may be quoted from.
    private func answer(status: Int, consuming headLength: Int, _ append: (OwnResponse, ByteBuffer) -> Void) {
        exchange.hasAnswered = true
        responseStatus = status
        let closes = client.willClose || isBodyUnread
        append(ownAnswer(closes: closes), client.outputBuffer())
        client.pendingInput?.consume(headLength)
        client.flush()
        finish(.complete, closes: closes)
    }

    func ownAnswer(closes: Bool) -> OwnResponse {
        OwnResponse(method: exchange.method, date: worker.date(), closes: closes, pageOrigin: pageOrigin)
    }

    /// Some of the request's body has not been read: its connection cannot carry another request.
    var isBodyUnread: Bool { body.map { !$0.isComplete } ?? false }

    /// The client must see that the answer is not whole.
    func abort(_ outcome: ExchangeRecord.Outcome) {
        let client = client!
        releaseConnection(isReusable: false)
        finishQuietly(outcome)
        client.abort()
    }

    func finish(_ outcome: ExchangeRecord.Outcome, closes: Bool, now: UInt64 = MonotonicClock.now()) {
        let client = client!
        finishQuietly(outcome, now: now)
        client.exchangeFinished(closes: closes, now: now)
    }

    /// The client is gone; its connection closes itself.
    func clientGone() {
        guard phaseIsActive else { return }
        releaseConnection(isReusable: false)
        finishQuietly(.clientGone)
    }

    /// The client sends nothing more; it may still read. Half a body can never become whole.
    func clientEnded() {
        if case .tunnelling = phase { return pumpTunnel() }
        guard isBodyUnread else { return }
        let client = client!
        clientGone()
        client.close()
    }

    private func finishQuietly(_ outcome: ExchangeRecord.Outcome, now: UInt64 = MonotonicClock.now()) {
        worker.counters.finished(status: responseStatus, nanoseconds: now &- startedAt)
        if let observer = context.observer {
            let line = requestHead.octets
            worker.tell(
                observer,
                record(outcome, now: now),
                method: UnsafeBufferPointer(rebasing: line[..<methodLength]),
                target: UnsafeBufferPointer(rebasing: line[(methodLength + 1)...].prefix(targetLength))
            )
        }
        recycle()
    }

    private func record(_ outcome: ExchangeRecord.Outcome, now: UInt64) -> ExchangeRecord {
        ExchangeRecord(
            id: worker.id(ofExchange: id),
            status: responseStatus,
            outcome: outcome,
            code: ownCode,
            requestBytes: requestBytes,
            responseBytes: responseBytes,
            upstreamNanoseconds: attemptStartedAt == 0
                ? nil : (firstByteAt == 0 ? now : firstByteAt) &- attemptStartedAt,
            totalNanoseconds: now &- startedAt,
            attempts: exchange.attempts,
            generation: exchange.generation,
            wasReplayed: exchange.hasReplayed
        )
    }

    /// Forgets everything and goes back to the worker.
    private func recycle() {
        serial &+= 1
        phase = .idle
        worker.requestBuffers.give(requestHead)
        requestHead = nil
        if let heldHead { worker.buffers.give(heldHead) }
        heldHead = nil
        collected = []
        body = nil
        bodyDecoder = nil
        bodyRemaining = 0
        requestBytes = 0
        responseBytes = 0
        responseStatus = 0
        ownCode = nil
        pageOrigin = nil
        clientExpects = false
        awaitsContinue = false
        attemptStartedAt = 0
        firstByteAt = 0
        credentialLine = []
        startedRefresh = false
        pause?.cancel()
        client = nil
        worker.giveRunner(self)
    }
}
