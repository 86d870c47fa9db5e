import Credentials
import EventIO
import HTTP1
import Platform
import Upstream

/// The path of the response: from the upstream, possibly held or collected, to the client.
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
    private func inputBuffer() -> ByteBuffer {
        if let input = attempt!.input { return input }
        let buffer = resources.buffers.take()
        attempt!.input = buffer
        return buffer
    }

    private func releaseEmptyInput() {
        guard let input = attempt?.input, input.isEmpty else { return }
        attempt!.input = nil
        resources.buffers.give(input)
    }

    // MARK: The head

    private func readHead(_ connection: UpstreamConnection) {
        let buffer = inputBuffer()
        switch connection.receive(into: buffer.writable(minimum: Self.smallBody)) {
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
        case .fail: fail(.upstreamReset)
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
                ResponsePolicy.Edits(framing: .none, closes: false),
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
        if verdict == .accepted, exchange.rules.carriesCredential {
            proxy.session.accepted(route: routeHash, epoch: attempt?.epoch ?? 0)
        }
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
            beginRelay(head, edits(framing: clientFraming))
            buffer.consume(length)
            relayBuffered(buffer)
        case .hold:
            request.upstreamTime.stop(now: now)
            keepHead(buffer, length: length)
            recordEvent(.held, (), now: now)
            pauseUpstream()
            askForAnotherCredential(now: now)
        case .collect:
            if exchange.hasReplayed, verdict == .accepted { recordReplay(isAccepted: true) }
            keepHead(buffer, length: length)
            beginVerdict()
            setDeadline(now: now)
            collect(buffer)
        case .ignore:
            break
        }
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
                encoding: responseHead.text(of: .contentEncoding, in: head).joined(separator: ", "),
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
    private var clientFraming: MessageFraming {
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

    private func edits(framing: MessageFraming) -> ResponsePolicy.Edits {
        let names = responseHead.names
        let mapsLocation = names.contains(.location) || names.contains(.contentLocation)
        let hasOwnOrigin = mapsLocation && !request.acceptedHost.isEmpty
        return ResponsePolicy.Edits(
            framing: framing,
            closes: framing == .untilClose || responseCloses,
            date: names.contains(.date) ? nil : resources.date(proxy.clock),
            pageOrigin: request.pageOrigin,
            ownOrigin: hasOwnOrigin ? Array("http://".utf8) + request.acceptedHost : nil,
            cookies: request.cookies
        )
    }

    // MARK: Relaying

    private func beginRelay(_ head: UnsafeRawBufferPointer, _ edits: ResponsePolicy.Edits) {
        // Not earlier: after a held response another attempt may want the body.
        request.expectation = .none
        outcome.status = responseHead.status
        response!.writesChunks = edits.framing == .chunked
        response!.endsWithConnection = edits.framing == .untilClose
        if edits.closes { request.closes = true }
        render(head, edits)
    }

    /// Writes the head for the client.
    func render(_ head: UnsafeRawBufferPointer, _ edits: ResponsePolicy.Edits) {
        let output = client.outputBuffer()
        let start = output.count
        proxy.responses.render(responseHead, head, edits, into: output)
        if proxy.detail == .everything {
            traceResponse(head, UnsafeRawBufferPointer(rebasing: output.readable[start...]))
        }
    }

    /// The held response goes to the client after all: first the part that is here, then the rest as it arrives.
    func relayHeld(proxyStatus: String?, retryAfter: Int? = nil) {
        guard let head = response?.head else { return fail(.internalError) }
        response!.head = nil
        let collected = response!.collected
        response!.collected = []
        var framing = clientFraming
        if response!.reader.isFinished, exchange.rules.method != .head, framing != .none {
            framing = .length(UInt64(collected.count))
        }
        var edits = edits(framing: framing)
        edits.proxyStatus = proxyStatus
        edits.retryAfter = retryAfter
        beginRelay(head.readable, edits)
        resources.buffers.give(head)
        collected.withUnsafeBytes { write($0) }
        if response!.reader.isFinished { return finishRelay() }
        let now = MonotonicClock.now()
        setDeadline(now: now)
        resumeUpstream()
        // The rest of the request may have been waiting.
        pumpBody(now: now)
        if exchange.isFinished { return }
        if let input = attempt?.input { relayBuffered(input) } else { client.flush() }
    }

    /// The collected body is not what was expected, or took too long.
    func relayCollected(proxyStatus: String? = nil) {
        if case .collecting(.verdict, _) = exchange.state, exchange.hasReplayed { recordReplay(isAccepted: true) }
        guard exchange.relayCollected() else { return }
        request.upstreamTime.stop(now: MonotonicClock.now())
        relayHeld(proxyStatus: proxyStatus)
    }

    /// Relays body bytes that were received.
    private func relayBuffered(_ buffer: ByteBuffer) {
        switch readBody(of: buffer, deliver: recordAndWrite) {
        case .complete: return finishRelay()
        case .partial: break
        case .failed(let error): return fail(.protocolError(error))
        }
        client.flush()
        setDeadline(now: MonotonicClock.now())
        checkPressure()
    }

    enum Progress {
        case complete
        case partial
        case failed(HTTP1Error)
    }

    /// Extracts as much of the body from `buffer` as possible.
    @inline(__always)
    func readBody(of buffer: ByteBuffer, deliver: (UnsafeRawBufferPointer) -> Void) -> Progress {
        var offset = 0
        let octets = buffer.octets
        while true {
            switch response!.reader.next(octets.span, from: offset) {
            case .data(let range):
                deliver(UnsafeRawBufferPointer(rebasing: buffer.readable[range.range]))
                offset = Int(range.upperBound)
            case .needsMore(let end):
                buffer.consume(end)
                return .partial
            case .finished(let end):
                buffer.consume(end)
                response!.hasSurplus = !buffer.isEmpty
                return .complete
            case .failed(let error):
                return .failed(error)
            }
        }
    }

    private func recordAndWrite(_ bytes: UnsafeRawBufferPointer) {
        recordBody(.responseBody, bytes)
        write(bytes)
    }

    private func write(_ bytes: UnsafeRawBufferPointer) {
        guard !bytes.isEmpty else { return }
        outcome.bytes += UInt64(bytes.count)
        let output = client.outputBuffer()
        if response!.writesChunks {
            output.append(hexadecimal: bytes.count)
            output.append("\r\n")
            output.append(bytes)
            output.append("\r\n")
        } else {
            output.append(bytes)
        }
    }

    private func relay(_ connection: UpstreamConnection) {
        guard let remaining = response!.reader.remaining, attempt!.input?.isEmpty ?? true, !response!.writesChunks
        else {
            return readBody(connection, deliver: relayBuffered)
        }
        // Receives directly into the client's output.
        let output = client.outputBuffer()
        let room = output.writable(minimum: Self.smallBody)
        switch connection.receive(into: room) {
        case .moved(let count):
            let part = Int(min(UInt64(count), remaining))
            output.commit(part)
            outcome.bytes += UInt64(part)
            recordBody(.responseBody, UnsafeRawBufferPointer(rebasing: room[..<part]))
            response!.reader.skip(part)
            if response!.reader.isFinished {
                response!.hasSurplus = count > part
                return finishRelay()
            }
            client.flush()
            setDeadline(now: MonotonicClock.now())
            checkPressure()
        case .wouldBlock:
            // A paused stream holds no buffer.
            client.flush()
        case .endOfStream, .failed:
            fail(.upstreamReset)
        }
    }

    /// Receives more of a body and passes it to `deliver`.
    private func readBody(_ connection: UpstreamConnection, deliver: (ByteBuffer) -> Void) {
        let buffer = inputBuffer()
        switch connection.receive(into: buffer.writable(minimum: Self.smallBody)) {
        case .moved(let count):
            buffer.commit(count)
            deliver(buffer)
        case .wouldBlock:
            break
        case .endOfStream where attempt?.upload == .reset:
            fail(.upstreamReset)
        case .endOfStream:
            if case .finished = response!.reader.end() { deliver(buffer) } else { fail(.upstreamReset) }
        case .failed:
            fail(.upstreamReset)
        }
        releaseEmptyInput()
    }

    private func finishRelay() {
        if response!.writesChunks {
            let output = client.outputBuffer()
            output.append("0\r\n")
            if case .chunked = responseHead.framing {
                output.append(response!.reader.forwardableTrailers(proxy.responses.trailers))
            }
            output.append("\r\n")
        }
        noteReusability()
        end(.complete, request.closes || request.isBodyUnread ? .close : .keepAlive)
    }

    /// The response is complete. If both messages passed over the connection completely, and the upstream keeps it
    /// open, other exchanges may use it.
    private func noteReusability() {
        guard responseHead.keepsAlive, response?.hasSurplus == false, let attempt, attempt.upload == .none,
            attempt.input?.isEmpty ?? true, attempt.headSent == request.head.count,
            request.upload.map({ $0.body.isComplete && attempt.bodySent == $0.body.count }) ?? true
        else { return }
        self.attempt!.isReusable = true
    }

    /// Drops the held response in order to replay the request. Keeps the connection if the whole response is here.
    func dropHeld(now: UInt64) {
        if let input = attempt?.input, response?.reader.isFinished == false {
            if case .complete = readBody(of: input, deliver: { recordBody(.responseBody, $0) }) {}
        }
        if response?.reader.isFinished ?? false { noteReusability() }
        releaseAttempt(now: now)
        dropResponse()
    }
}
