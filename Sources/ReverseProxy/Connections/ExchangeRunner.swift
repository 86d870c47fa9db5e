import Credentials
import EventIO
import HTTP1
import Platform
import Upstream

/// Carries out one exchange: performs the I/O that the pure `Exchange` decides on. Reused for later exchanges.
///
/// Data that lives as long as the request, an attempt or a response is a value of its own, and goes away with it. The
/// exchange's state decides what an event means; a late event finds the exchange finished and changes nothing. An end
/// is only recorded here (`ending`): the connection concludes it when the loop's turn ends, so no call takes anything
/// away from its caller.
///
/// The parts: this file begins, connects and ends; `+Client` handles the client's events, `+Deadline` timeouts;
/// `+Upload` sends the request, `+Response` receives the response, `+Collecting` examines bodies; `+Session` asks for
/// credentials, `+Tunnel` carries WebSockets, `+Conclusion` reports the end, `+Recording` records everything.
///
/// *Threading*: belongs to its worker's loop; other threads hold a ticket (`WaitingExchanges`).
final class ExchangeRunner: UpstreamConnectionDelegate {
    /// How the client's connection continues.
    enum Ending {
        case keepAlive
        case close
        /// The client must see that the response is incomplete.
        case reset
    }

    /// What the exchange waits for, besides bytes.
    enum Wait {
        case nothing
        case connection(UpstreamPool.Waiter)
        /// An answer from another thread.
        case session(WaitingExchanges.Ticket)
        /// The moment at which the credential becomes valid by the upstream's clock.
        case clock(EventTimer)
    }

    let resources: WorkerResources
    var exchange = Exchange(Exchange.Rules(route: .ordinary, method: .get, carriesCredential: false, missing: .refuse))
    var request: Request!
    var attempt: Attempt?
    var response: Response?
    var outcome = Outcome()
    var wait = Wait.nothing
    /// Nil if nothing is recorded.
    let recorder: Recorder?
    let gate: RecordingGate
    var recording = Recording.absent(.off)
    /// Nil if nobody asks for its counts.
    let generations: GenerationTable?
    /// The token that this exchange is counted under; zero if none.
    var countedGeneration: Generation = 0
    /// How the exchange has ended; nil while it is running.
    private(set) var ending: Ending?

    /// Storage of the response's head, which is reused: its fields are meaningful while there is a `response`, or
    /// during parsing.
    var responseHead = ResponseHead()
    var parser = ResponseParser(limits: HeadLimits())

    /// How many bytes of a request may be buffered for the upstream.
    static let uploadWindow = 64 * 1024
    /// Of an answer; its head may be as large as a request's besides.
    static let responseLimits = HeadLimits(head: 128 * 1024, fields: 512)
    /// The least room, in bytes, for what is received at once.
    static let receiveRoom = 16 * 1024

    init(_ resources: WorkerResources) {
        self.resources = resources
        recorder = resources.recorder
        gate = resources.recordingGate
        generations = resources.generations
    }

    var client: ClientStream { request.client }
    var proxy: ProxyContext { request.context.proxy }

    // MARK: Beginning

    /// Begins the exchange of a request whose head, `bytes`, is at the start of the client's input, and consumes it.
    func begin(
        _ client: ClientStream,
        context: WorkerContext,
        head: RequestHead,
        bytes: UnsafeRawBufferPointer,
        admission: Admission,
        acceptedHost: [UInt8],
        cookies: CookieRule,
        now: UInt64
    ) {
        let proxy = context.proxy
        let method = UnsafeRawBufferPointer(rebasing: bytes[head.methodRange.range])
        let path = UnsafeRawBufferPointer(rebasing: bytes[admission.place.path(of: head).range])
        let route = proxy.routes.kind(method: method, path: path)
        var request = Request(
            client: client,
            context: context,
            id: resources.nextExchange(),
            startedAt: now,
            minorVersion: head.minorVersion,
            head: resources.requestBuffers.take(),
            mayTunnel: head.upgradesToWebSocket,
            pageOrigin: admission.pageOrigin,
            acceptedHost: admission.place == .below ? acceptedHost : Array(bytes[head.authority.range]),
            place: admission.place,
            cookies: cookies,
            closes: !head.keepsAlive || resources.isDraining
        )
        let hasBody = head.framing != .none && head.framing != .length(0)
        if hasBody { open(&request, head, route, hasBodyAlready: client.input.map { $0.count > bytes.count } ?? false) }
        let rendered = proxy.headers.render(
            head,
            bytes,
            route: route,
            place: admission.place,
            keepsExpectation: request.expectation != .none,
            identifiers: &resources.identifiers,
            into: request.head
        )
        request.note(rendered, methodLength: head.methodRange.count)
        let kind = route.with(ownCredential: rendered.hasCredential)
        exchange = makeExchange(proxy, head, kind, hasBody: hasBody, hasCredential: rendered.hasCredential)
        // Moved: a copy would retain and release each of its references.
        self.request = consume request
        ending = nil
        let isRefused = if case .refuse = admission.decision { true } else { rendered.isLoop }
        recordBeginning(bytes, isRefused: isRefused, now: now)
        admit(admission.decision, head, bytes, isLoop: rendered.isLoop)
        if proxy.detail > .ends, !exchange.isFinished {
            traceBeginning(head, bytes, path, hasOwnCredential: rendered.hasCredential)
        }
        client.input?.consume(bytes.count)
        if !exchange.isFinished { start(now: now) }
    }

    private func makeExchange(
        _ proxy: ProxyContext,
        _ head: RequestHead,
        _ route: RouteKind,
        hasBody: Bool,
        hasCredential: Bool
    ) -> Exchange {
        let carriesCredential =
            switch route {
            case .ordinary, .signOut: !hasCredential && proxy.appliesCredential
            case .signIn, .anonymous, .refresh: false
            }
        return Exchange(
            Exchange.Rules(
                route: route,
                method: head.method,
                hasBody: hasBody,
                carriesCredential: carriesCredential,
                missing: proxy.configuration.session.missing,
                learnsToken: proxy.learnsTokens
            )
        )
    }

    /// Prepares to receive a body, and decides who waits for "100 Continue".
    private func open(_ request: inout Request, _ head: RequestHead, _ route: RouteKind, hasBodyAlready: Bool) {
        let limits = request.context.proxy.configuration.limits
        var isKept = true
        if case .length(let length) = head.framing { isKept = length <= UInt64(max(limits.replayDisk, limits.replay)) }
        let clientWaits = head.expectsContinue && !hasBodyAlready
        if !isKept, route == .ordinary {
            request.expectation = .own(clientWaits: clientWaits)
            request.hasOwnExpectation = !head.expectsContinue
        } else if clientWaits {
            request.expectation = .client
        }
        let body = RequestBody(
            memoryLimit: limits.replay,
            fileLimit: limits.replayDisk,
            budget: resources.replayBudget,
            isKept: isKept
        )
        request.upload = Upload(
            body: body,
            reader: BodyReader(head.framing),
            isChunked: head.framing == .chunked
        )
    }

    /// Answers the requests that Squire answers itself. Bytes after a refused request are not trusted.
    private func admit(
        _ decision: Admission.Decision,
        _ head: RequestHead,
        _ bytes: UnsafeRawBufferPointer,
        isLoop: Bool
    ) {
        switch decision {
        case .options:
            respond(status: 200) { $0.appendOptions(to: $1) }
        case .preflight:
            respond(status: 204) { $0.appendPreflight(head, bytes, to: $1) }
        case .refuse(var problem):
            request.closes = true
            if proxy.observer != nil {
                let secrets = request.context.sessionView.secrets
                problem.evidence = RefusalEvidence(secrets: secrets).of(problem, head, bytes)
            }
            respond(problem)
        case .forward where isLoop:
            request.closes = true
            respond(.loopDetected)
        case .forward where resources.isDraining:
            respond(.shuttingDown)
        case .forward:
            break
        }
    }

    private func start(now: UInt64) {
        if request.upload != nil {
            takeBody()
            if exchange.isFinished { return }
        }
        switch exchange.start() {
        case .send: beginAttempt(credential: nil, now: now)
        case .refresh: serveRefresh(now: now)
        case .askForCredential(let settled): askForCredential(settled: settled, now: now)
        }
    }

    // MARK: Attempts

    /// Begins an attempt with the credential in that field line; nil sends none.
    func beginAttempt(credential line: [UInt8]?, now: UInt64) {
        request.endHead(credential: line)
        connect(onFreshConnection: false, now: now)
    }

    /// Gets a connection, and sends the contents of `request.head` over it.
    func connect(onFreshConnection: Bool, now: UInt64) {
        request.attemptBegins(now: now)
        countRunning()
        recordAttempt(now: now)
        let pool = request.context.pool
        if !onFreshConnection, let idle = pool.takeIdle(now: now) { return attach(idle, isReused: true, now: now) }
        client.clearDeadline()
        if proxy.detail > .ends { trace(.connecting) }
        wait = .connection(
            pool.wait(needsNew: onFreshConnection) { [unowned self] result in
                wait = .nothing
                switch result {
                case .success(let got): attach(got.connection, isReused: got.isReused, now: MonotonicClock.now())
                case .failure(let error): fail(Problem(error))
                }
            }
        )
    }

    private func attach(_ connection: UpstreamConnection, isReused: Bool, now: UInt64) {
        var attempt = Attempt(
            connection: connection,
            isReused: isReused,
            epoch: proxy.session.epoch(of: exchange.generation)
        )
        request.prepare(&attempt, scratch: resources.scratch, now: now)
        self.attempt = consume attempt
        recordConnected(now: now)
        connection.delegate = self
        // A partial head of an earlier exchange must leave no trace.
        parser = ResponseParser(
            limits: HeadLimits(
                head: max(proxy.configuration.limits.head, Self.responseLimits.head),
                fields: Self.responseLimits.fields
            )
        )
        setDeadline(now: now)
        if proxy.detail > .ends { traceAttempt(isReused: isReused) }
        send()
    }

    // MARK: Ending

    /// Something went wrong: the client gets a problem if no response has begun, otherwise a broken connection.
    func fail(_ problem: Problem) {
        switch exchange.failed() {
        case .respond: respond(problem)
        case .cut:
            recordLate(now: MonotonicClock.now())
            // With a length or chunks the client can tell that bytes are missing; a body that ends with the connection
            // needs a reset.
            let isVisible = response.map { $0.writesChunks || !$0.endsWithConnection } ?? false
            end(.upstreamBroke, isVisible ? .close : .reset)
        case .ignore: break
        }
    }

    /// A problem of Squire's own ends the exchange.
    func respond(_ problem: Problem) {
        recordLate(now: MonotonicClock.now())
        let start = client.outputBuffer().count
        outcome.bytes = UInt64(ownResponse.append(problem, to: client.outputBuffer()))
        outcome.status = problem.status
        outcome.problem = problem
        recordOwnAnswer(status: problem.status, code: problem.code, from: start, count: Int(outcome.bytes))
        resources.counters.refused(problem.code)
        end(.local, responseCloses ? .close : .keepAlive)
    }

    /// Answers with a response of Squire's own that is not a problem.
    private func respond(status: Int, _ append: (OwnResponse, ByteBuffer) -> Void) {
        let start = client.outputBuffer().count
        append(ownResponse, client.outputBuffer())
        outcome.status = status
        recordOwnAnswer(status: status, code: nil, from: start, count: 0)
        end(.complete, responseCloses ? .close : .keepAlive)
    }

    func respond(_ reply: RefreshResponse) {
        let start = client.outputBuffer().count
        ownResponse.append(reply, to: client.outputBuffer())
        outcome.status = 200
        outcome.bytes = exchange.rules.method == .head ? 0 : UInt64(reply.body.count)
        recordOwnAnswer(status: 200, code: nil, from: start, count: Int(outcome.bytes))
        end(.complete, responseCloses ? .close : .keepAlive)
    }

    private var ownResponse: OwnResponse {
        OwnResponse(
            method: exchange.rules.method,
            date: resources.date(proxy.clock),
            closes: responseCloses,
            pageOrigin: request.pageOrigin
        )
    }

    /// The client's connection ends after the response.
    var responseCloses: Bool { request.closes || resources.isDraining || request.isBodyUnread }

    /// The client is gone; its connection closes itself.
    func clientGone() {
        exchange.clientMissedResponse()
        end(.clientGone, .reset)
    }

    /// Squire stops.
    func stop() {
        end(.shutDown, .reset)
    }

    /// Records the end. Nothing is released before the loop's turn ends, so the caller can continue with what it has.
    func end(_ outcome: ExchangeRecord.Outcome, _ ending: Ending) {
        guard exchange.finish(outcome) else { return }
        self.ending = ending
        stopWaiting()
        client.flushAtTurnEnd()
        client.callAtTurnEnd()
    }

    /// The result of the current wait is no longer wanted.
    func stopWaiting() {
        switch wait {
        case .nothing: break
        case .connection(let waiter): request.context.pool.cancel(waiter)
        case .session(let ticket): resources.waiting.remove(ticket)
        case .clock(let timer): timer.cancel()
        }
        wait = .nothing
    }

    /// Releases the upstream connection, into the pool if nothing of this exchange is left on it. If the client is
    /// gone, the part of the request that the upstream has not accepted is discarded: half a request is worthless.
    func releaseAttempt(now: UInt64) {
        guard let attempt = attempt.take() else { return }
        if let input = attempt.input { resources.buffers.give(input) }
        if attempt.isReusable { return request.context.pool.give(attempt.connection, now: now) }
        attempt.connection.close(reset: exchange.state == .finished(.clientGone) && request.isBodyUnread)
    }

    func dropResponse() {
        if let head = response?.head { resources.buffers.give(head) }
        response = nil
    }
}
