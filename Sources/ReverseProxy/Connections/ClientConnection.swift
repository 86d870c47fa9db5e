import EventIO
import HTTP1
import Platform

/// One client's connection: reads requests, has one exchange at a time carried out, and keeps their order.
///
/// Calls go from here to the runner only. The connection reads the runner's result, how its exchange has ended, when
/// the loop's turn ends, so no call can end an object that its caller is working on.
///
/// *Ownership*: the worker holds it; it holds its stream. *Threading*: its loop only.
final class ClientConnection: DescriptorWatchDelegate {
    private enum State {
        /// The connection waits for a request, or for the rest of its head.
        case awaitingRequest(Wait)
        /// Bytes of a request were read in this turn of the loop. They are examined when the next one starts: see
        /// `Worker.turnStarted`.
        case arrived(Wait)
        case exchanging(ExchangeRunner)
        /// The last response is written, or about to be. Up to `budget` bytes that the client still sends are
        /// discarded, so that it can read the response: closing at once would reset the connection.
        case lingering(budget: Int)
        case closed
    }

    private enum Wait {
        /// No byte has arrived since the last request: the client may close without a fault.
        case idle
        /// The first request, or part of one: a timeout gets an answer.
        case head
    }

    private let resources: WorkerResources
    private var context: WorkerContext
    private let stream: ClientStream
    private var parser: RequestParser
    private var head = RequestHead()
    private var state = State.awaitingRequest(.head)
    private var acceptedHost = AcceptedHost()
    private let listener: ListenerKind
    /// Checks whether a client that has ended its side is still there.
    private var presence: EventTimer?

    private static let lingerNanoseconds: UInt64 = 2_000_000_000
    /// Bytes drained after a rejected head so that the response is not lost to a TCP reset.
    private static let lingerBytes = 64 * 1024
    static let presenceNanoseconds: UInt64 = 1_000_000_000

    init(
        _ descriptor: Int32,
        from listener: ListenerKind,
        slot: Int,
        origin: ConnectionOrigin,
        resources: WorkerResources,
        context: WorkerContext
    ) {
        self.listener = listener
        self.resources = resources
        self.context = context
        parser = RequestParser(limits: context.proxy.configuration.limits.heads)
        var passed: () -> Void = {}
        stream = ClientStream(
            descriptor,
            isUnixSocket: listener == .unix,
            slot: slot,
            name: ClientName(number: resources.nextConnection(), origin: origin),
            resources: resources
        ) {
            passed()
        }
        passed = { [unowned self] in deadlinePassed() }
    }

    func start() {
        stream.start(delegate: self)
        stream.setDeadline(nanoseconds: context.proxy.intervals.head, now: MonotonicClock.now())
    }

    var isClosed: Bool { if case .closed = state { true } else { false } }
    /// An exchange is running and has not ended.
    var isExchanging: Bool { if case .exchanging(let runner) = state { runner.ending == nil } else { false } }

    /// New requests follow `context` from now on, and so does the limit for the idle time before the next one.
    func reconfigure(_ context: WorkerContext) {
        let (former, limit) = (self.context.proxy.intervals.idle, context.proxy.intervals.idle)
        if former != limit, case .awaitingRequest(.idle) = state {
            stream.deadline.change(from: former, to: limit, now: MonotonicClock.now())
        }
        self.context = context
        parser.limits = context.proxy.configuration.limits.heads
        acceptedHost = AcceptedHost()
    }

    /// Other users are no longer served (`access.same-user`): theirs ends at once, whatever runs on it.
    func endForOtherUser() {
        guard !isClosed, case .client = stream.name.origin else { return }
        let peer = PeerUsers.shared.peer(of: stream.descriptor, isUnixSocket: listener == .unix)
        if peer.refusal != nil { clientGone() }
    }

    // MARK: Reading

    func descriptorIsReadable(_ watch: DescriptorWatch) {
        switch state {
        case .awaitingRequest, .exchanging: read()
        case .lingering(let budget): discard(budget)
        // A turn starts before it reads again: see `EventLoop.turnStarted`.
        case .arrived, .closed: break
        }
    }

    private func read() {
        var limit = BufferPool.bufferCapacity
        // A head may grow to its limit; a body is read in parts.
        if case .awaitingRequest = state { limit = max(limit, context.proxy.configuration.limits.head + 1) }
        switch stream.read(limit: limit) {
        case .moved: hasRead()
        case .wouldBlock: stream.releaseInput()
        case .endOfStream: clientEnded()
        case .failed: clientGone()
        }
    }

    private func hasRead() {
        guard case .awaitingRequest(let wait) = state, resources.callAtTurnStart(slot: stream.slot) else {
            return process()
        }
        state = .arrived(wait)
    }

    /// Examines what was read in the turn before.
    func turnStarted() {
        guard case .arrived(let wait) = state else { return }
        state = .awaitingRequest(wait)
        process()
    }

    /// The client sends nothing more, but may still read.
    private func clientEnded() {
        switch state {
        case .awaitingRequest: endAfterOutput()
        case .exchanging(let runner):
            runner.clientEnded()
            watchPresence()
        case .arrived, .lingering, .closed: break
        }
    }

    /// Processes what was read, as far as possible.
    private func process() {
        switch state {
        case .awaitingRequest(let wait):
            guard let input = stream.input, !input.isEmpty else { return stream.releaseInput() }
            // Responses that the client does not read must not pile up.
            guard stream.pendingOutput < ClientStream.outputWindow else { return stream.pauseReading() }
            startExchange(input, wait)
        case .exchanging(let runner):
            if runner.wantsInput {
                runner.inputArrived()
            } else if let input = stream.input, input.count >= BufferPool.bufferCapacity / 2 {
                // The bytes are the next request's, which has to wait. One buffer of them is enough.
                stream.pauseReading()
            }
            if !stream.isReading { watchPresence() }
        case .arrived, .lingering, .closed:
            return
        }
        stream.releaseInput()
    }

    /// Parses a head and begins its exchange.
    private func startExchange(_ input: ByteBuffer, _ wait: Wait) {
        let result = parser.parse(input.octets.span, into: &head)
        let now = MonotonicClock.now()
        switch result {
        case .incomplete:
            if stream.hasEnded { return endAfterOutput() }
            guard case .idle = wait, !RequestParser.isEmptyLine(input.octets.span) else { return }
            state = .awaitingRequest(.head)
            stream.setDeadline(nanoseconds: context.proxy.intervals.head, now: now)
        case .failed(let error):
            refuse(error, input.readable)
        case .complete(let length):
            stream.clearDeadline()
            let bytes = UnsafeRawBufferPointer(rebasing: input.readable[..<length])
            // One copy for all that read it.
            let head = head
            let admission = acceptedHost.admission(head, bytes, context.proxy, listener)
            let runner = resources.takeRunner()
            state = .exchanging(runner)
            runner.begin(
                stream,
                context: context,
                head: head,
                bytes: bytes,
                admission: admission,
                acceptedHost: acceptedHost.octets,
                cookies: acceptedHost.cookies,
                now: now
            )
            // The client ended its side while an earlier request was running; this exchange has to be told, too.
            if stream.hasEnded { clientEnded() }
        }
    }

    // MARK: Writing

    func descriptorIsWritable(_ watch: DescriptorWatch) {
        let before = stream.pendingOutput
        stream.flush()
        guard !stream.isBroken else { return }
        if stream.pendingOutput < before { clientTookBytes() }
        guard stream.pendingOutput < ClientStream.outputWindow / 2 else { return }
        switch state {
        case .exchanging(let runner): runner.outputDrained()
        case .awaitingRequest:
            stream.resumeReading()
            process()
        case .lingering where stream.pendingOutput == 0: beginLingering()
        case .arrived, .lingering, .closed: break
        }
    }

    /// The deadline of a slow reader starts again.
    private func clientTookBytes() {
        let now = MonotonicClock.now()
        switch state {
        case .exchanging(let runner): runner.clientTookBytes(now: now)
        case .lingering: stream.setDeadline(nanoseconds: context.proxy.intervals.body, now: now)
        case .awaitingRequest(.idle): stream.setDeadline(nanoseconds: context.proxy.intervals.idle, now: now)
        case .awaitingRequest(.head), .arrived, .closed: break
        }
    }

    // MARK: The turn's end

    /// The loop's turn is over and nothing else is running: deferred work is done now.
    func turnEnded() {
        // A client that has received the response must find its exchange in the inspector.
        if case .exchanging(let runner) = state, runner.ending != nil { runner.recordEnd(now: MonotonicClock.now()) }
        stream.turnEnded()
        stream.flush()
        if stream.isBroken { return clientGone() }
        if case .exchanging(let runner) = state, let ending = runner.ending { exchangeEnded(runner, ending) }
    }

    private func exchangeEnded(_ runner: ExchangeRunner, _ ending: ExchangeRunner.Ending) {
        let now = MonotonicClock.now()
        runner.conclude(now: now)
        presence = nil
        switch ending {
        case .reset:
            state = .closed
            return stream.reset()
        case .keepAlive where !resources.isDraining && !(stream.hasEnded && stream.input?.isEmpty ?? true):
            state = .awaitingRequest(.idle)
            stream.resumeReading()
            stream.setDeadline(nanoseconds: context.proxy.intervals.idle, now: now)
            process()
        case .keepAlive, .close:
            lingerAfterOutput(budget: .max)
        }
    }

    // MARK: Ending

    /// The bytes are not a request: answers and hangs up. Nothing after them is trusted.
    private func refuse(_ error: HTTP1Error, _ bytes: UnsafeRawBufferPointer) {
        var problem = Problem(error)
        if context.proxy.observer != nil {
            problem.evidence = RefusalEvidence(secrets: context.sessionView.secrets).of(error, bytes)
        }
        refuse(problem, bytes)
    }

    private func refuse(_ problem: Problem, _ bytes: UnsafeRawBufferPointer) {
        let date = resources.date(context.proxy.clock)
        let response = OwnResponse(method: .get, date: date, closes: true)
        let start = stream.outputBuffer().count
        let count = response.append(problem, to: stream.outputBuffer())
        var refusal = WorkerResources.Refusal(problem: problem, client: stream.name, responseBytes: count)
        if let line = RefusalEvidence.firstLine(bytes) {
            refusal.texts = .init(method: line.method, target: line.target, secrets: context.sessionView.secrets)
            refusal.line = line.whole
        }
        refusal.answer = UnsafeRawBufferPointer(rebasing: stream.outputBuffer().readable.dropFirst(start))
        resources.reportRefusal(refusal, to: context.proxy.observer)
        lingerAfterOutput(budget: Self.lingerBytes)
    }

    /// No further request is served. Earlier responses, or the end of one, may still be on their way: if the client sends
    /// something to a closed connection, the kernel discards them (RFC 9112 section 9.6).
    private func endAfterOutput() {
        if stream.hasUntakenOutput { lingerAfterOutput(budget: .max) } else { close() }
    }

    private func lingerAfterOutput(budget: Int) {
        state = .lingering(budget: budget)
        stream.flush()
        if stream.pendingOutput == 0 { beginLingering() } else { clientTookBytes() }
    }

    private func beginLingering() {
        stream.shutdownWriting()
        if stream.hasEnded { return close() }
        stream.setDeadline(nanoseconds: Self.lingerNanoseconds, now: MonotonicClock.now())
        stream.dropInput()
        stream.resumeReading()
    }

    private func discard(_ budget: Int) {
        switch stream.discard() {
        case .moved(let count):
            state = .lingering(budget: max(0, budget &- count))
            if count >= budget { stream.pauseReading() }
        case .wouldBlock: break
        case .endOfStream where stream.pendingOutput > 0: break
        case .endOfStream, .failed: close()
        }
    }

    /// The client no longer reads either.
    private func clientGone() {
        if case .exchanging(let runner) = state {
            runner.clientGone()
            runner.conclude(now: MonotonicClock.now())
        }
        close()
    }

    private func close() {
        presence = nil
        state = .closed
        stream.close()
    }

    /// Ends a running exchange at once.
    func stop() {
        guard !isClosed else { return }
        presence = nil
        if case .exchanging(let runner) = state {
            runner.stop()
            runner.conclude(now: MonotonicClock.now())
        }
        state = .closed
        stream.reset()
    }

    /// The worker stops: an idle connection is closed now, a busy one after its response.
    func drain() {
        if case .awaitingRequest = state { endAfterOutput() }
    }

    // MARK: Time

    private func deadlinePassed() {
        switch state {
        case .awaitingRequest(.idle) where stream.pendingOutput == 0: endAfterOutput()
        case .awaitingRequest(.idle): close()
        case .awaitingRequest(.head):
            if let input = stream.input { refuse(.requestTimeout, input.readable) } else { close() }
        case .arrived(let wait):
            turnStarted()
            // What came was not what the deadline was for.
            if case .awaitingRequest(wait) = state { deadlinePassed() }
        case .exchanging(let runner): runner.deadlinePassed(now: MonotonicClock.now())
        case .lingering: close()
        case .closed: break
        }
    }

    /// While a client is not read, or has ended its side, no event reports that it leaves. A timer checks for that;
    /// otherwise an event stream would continue for a client that has gone.
    private func watchPresence() {
        guard presence == nil, case .exchanging = state else { return }
        let timer = EventTimer(loop: resources.loop) { [unowned self] in lookForClient() }
        presence = timer
        timer.arm(nanoseconds: Self.presenceNanoseconds)
    }

    private func lookForClient() {
        guard case .exchanging = state, !stream.isReading else {
            presence = nil
            return
        }
        if stream.isAbandoned { stream.markAbandoned() } else { presence?.arm(nanoseconds: Self.presenceNanoseconds) }
    }
}
