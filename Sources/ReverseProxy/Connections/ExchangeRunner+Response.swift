import Credentials
import EventIO
import HTTP1
import Platform
import Upstream

/// Receives the response: its head decides whether it is held, collected or relayed (`+Relay`).
extension ExchangeRunner {
    func upstreamIsReadable(_ connection: UpstreamConnection) {
        guard connection === attempt?.connection else { return connection.close() }
        switch exchange.state {
        case .sending: readHead(connection)
        case .collecting: readBody(connection, deliver: collect)
        case .relaying: relay(connection)
        case .tunnelling: readTunnel(connection)
        // Further bytes stay with the upstream until the response's fate is decided.
        case .awaitingCredential, .holding, .settling, .finished: pauseUpstream()
        }
    }

    /// The buffer for the upstream's bytes.
    func inputBuffer() -> ByteBuffer {
        if let input = attempt!.input { return input }
        let buffer = resources.buffers.take()
        attempt!.input = buffer
        return buffer
    }

    func releaseEmptyInput() {
        guard let buffer = attempt?.input.take() else { return }
        if buffer.isEmpty { resources.buffers.give(buffer) } else { attempt!.input = consume buffer }
    }

    // MARK: The head

    private func readHead(_ connection: UpstreamConnection) {
        let buffer = inputBuffer()
        switch connection.receive(into: buffer.writable(minimum: Self.receiveRoom)) {
        case .moved(let count):
            buffer.commit(count)
            parseHead(buffer)
        case .wouldBlock:
            break
        case .endOfStream, .failed:
            connectionBroke(hadBytes: !buffer.isEmpty)
        }
        // Early, and not when the exchange is concluded: others in this turn can use the buffer.
        releaseEmptyInput()
    }

    private func connectionBroke(hadBytes: Bool) {
        if hadBytes || attempt!.interimResponses > 0 { return fail(.upstreamReset) }
        switch exchange.connectionBroke(wasReused: attempt!.isReused, isReplayable: request.isReplayable) {
        case .sendAgain:
            let now = MonotonicClock.now()
            resources.counters.add(.resends)
            releaseAttempt(now: now)
            connect(onFreshConnection: true, now: now)
        case .fail:
            let isNewAndPlain = !proxy.configuration.upstream.isSecure && !attempt!.isReused
            fail(isNewAndPlain ? .plainUpstreamReset : .upstreamReset)
        case .ignore: break
        }
    }

    private func parseHead(_ buffer: ByteBuffer) {
        while true {
            switch parser.parse(buffer.octets.span, answering: exchange.rules.method, into: &responseHead) {
            case .incomplete:
                return
            case .failed(let error):
                return fail(.protocolError(error))
            case .complete(let length):
                guard responseHead.isInterim else { return headArrived(buffer, length: length) }
                if responseHead.switchesToWebSocket, request.mayTunnel, exchange.upstreamSwitched() {
                    return beginTunnel(buffer, length: length)
                }
                relayInterim(buffer, length: length)
                if exchange.isFinished || buffer.isEmpty { return }
            }
        }
    }

    /// How many bytes of interim responses may be pending: they are hints, and a slow client does without.
    static let interimWindow = 8 * 1024
    static let maximumInterimResponses = 32

    private func relayInterim(_ buffer: ByteBuffer, length: Int) {
        attempt!.interimResponses += 1
        guard responseHead.status != 101, attempt!.interimResponses <= Self.maximumInterimResponses else {
            return fail(.protocolError(.malformed("unexpected 101, or more than 32 interim responses")))
        }
        recordEvent(.interim, responseHead.status, now: MonotonicClock.now())
        if responseHead.status == 100 {
            buffer.consume(length)
            tellToContinue()
            return continueUpload(now: MonotonicClock.now())
        }
        if request.minorVersion > 0, client.pendingOutput + length <= Self.interimWindow {
            proxy.responses.render(
                responseHead,
                UnsafeRawBufferPointer(rebasing: buffer.readable[..<length]),
                ResponsePolicy.Edits(framing: .none, closes: false, place: request.place),
                into: client.outputBuffer()
            )
            client.flush()
            if proxy.detail == .everything { trace(.interim(status: responseHead.status)) }
        }
        buffer.consume(length)
    }

    private func headArrived(_ buffer: ByteBuffer, length: Int) {
        let now = MonotonicClock.now()
        if outcome.firstStatus == 0 { outcome.firstStatus = responseHead.status }
        let isRefused = responseHead.status == 417 && request.hasOwnExpectation && attempt!.awaitsContinue
        if isRefused, exchange.expectationRefused() {
            return sendWithoutExpectation(UnsafeRawBufferPointer(rebasing: buffer.readable[..<length]), now: now)
        }
        let verdict = verdict(UnsafeRawBufferPointer(rebasing: buffer.readable[..<length]))
        if verdict == .accepted { credentialPassed(status: responseHead.status) }
        let action = exchange.headArrived(
            status: responseHead.status,
            verdict: verdict,
            isReplayable: request.isReplayable
        )
        if responseHead.status >= 400 || action == .hold { recordLate(now: now) }
        recordResponseHead(UnsafeRawBufferPointer(rebasing: buffer.readable[..<length]), now: now)
        if verdict == .rejected { countRejected() } else { outcome.isTokenRejected = false }
        response = Response(reader: BodyReader(responseHead.framing))
        if proxy.detail > .ends { traceAnswer(verdict) }
        switch action {
        case .relay:
            request.upstreamTime.stop(now: now)
            if exchange.hasReplayed { recordReplay(isAccepted: verdict != .rejected) }
            let head = UnsafeRawBufferPointer(rebasing: buffer.readable[..<length])
            let isPassedOver = exchange.passesOver(signIn: responseHead.status) && proxy.appliesCredential
            beginRelay(head, edits(framing: clientFraming, proxyStatus: isPassedOver ? Self.passedOver : nil))
            buffer.consume(length)
            relayBuffered(buffer)
            if request.upload != nil, !exchange.isFinished { pumpBody(now: now) }
        case .hold:
            request.upstreamTime.stop(now: now)
            keepHead(buffer, length: length)
            recordEvent(.held, (), now: now)
            pauseUpstream()
            askForAnotherCredential(now: now)
        case .collect(let purpose):
            if exchange.hasReplayed, verdict != .needsBody { recordReplay(isAccepted: true) }
            keepHead(buffer, length: length)
            // A stream without an end: nobody sends a token so.
            if purpose == .signIn, heldText(.contentType).contains(where: Self.isEventStream) {
                return relayCollected(proxyStatus: Self.noToken)
            }
            beginVerdict()
            setDeadline(now: now)
            collect(buffer)
        case .ignore:
            break
        }
    }

    private static func isEventStream(_ type: String) -> Bool {
        type.lowercased().hasPrefix("text/event-stream")
    }

    /// The upstream does not do what Squire asked for, and the client did not. Not on this connection, on which the body
    /// is announced.
    private func sendWithoutExpectation(_ refusal: UnsafeRawBufferPointer, now: UInt64) {
        recordLate(now: now)
        recordResponseHead(refusal, now: now)
        request.dropExpectation()
        releaseAttempt(now: now)
        connect(onFreshConnection: true, now: now)
    }

    private func verdict(_ head: UnsafeRawBufferPointer) -> RejectionPolicy.Verdict {
        guard proxy.rejection.concerns(status: responseHead.status) else { return .accepted }
        return proxy.rejection.verdict(
            status: responseHead.status,
            challenges: responseHead.text(of: .wwwAuthenticate, in: head),
            body: RejectionPolicy.Body(
                type: responseHead.text(of: .contentType, in: head).first,
                isThere: responseHead.framing != .none
            )
        )
    }

    private func keepHead(_ buffer: ByteBuffer, length: Int) {
        let held = resources.buffers.take()
        held.append(UnsafeRawBufferPointer(rebasing: buffer.readable[..<length]))
        response!.head = held
        buffer.consume(length)
    }

    /// How the body's length is announced to the client.
    var clientFraming: MessageFraming {
        switch responseHead.framing {
        case .none:
            // A response to HEAD, and a 304, announces the length that the response to GET would have; a 204 never does
            // (RFC 9110 section 8.6).
            let status = responseHead.status
            let saysLength = exchange.rules.method == .head && status != 204 || status == 304
            return saysLength ? responseHead.contentLength.map(MessageFraming.length) ?? .none : .none
        case .length(let length): return .length(length)
        case .chunked, .untilClose: return request.minorVersion > 0 ? .chunked : .untilClose
        }
    }

    func edits(
        framing: MessageFraming,
        proxyStatus: String? = nil,
        retryAfter: Int? = nil
    ) -> ResponsePolicy.Edits {
        let names = responseHead.names
        let mapsLocation = names.contains(.location) || names.contains(.contentLocation)
        let hasOwnOrigin = mapsLocation && !request.acceptedHost.isEmpty
        return ResponsePolicy.Edits(
            framing: framing,
            closes: framing == .untilClose || responseCloses,
            date: names.contains(.date) ? nil : resources.date(proxy.clock),
            pageOrigin: request.pageOrigin,
            ownOrigin: hasOwnOrigin ? Array("http://".utf8) + request.acceptedHost : nil,
            cookies: request.cookies,
            place: request.place,
            proxyStatus: proxyStatus,
            retryAfter: retryAfter
        )
    }
}
