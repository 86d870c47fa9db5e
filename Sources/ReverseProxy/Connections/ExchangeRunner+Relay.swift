import EventIO
import HTTP1
import Platform
import Upstream

/// Relays the response to the client, at once or after it was held or collected.
extension ExchangeRunner {
    func beginRelay(_ head: UnsafeRawBufferPointer, _ edits: ResponsePolicy.Edits) {
        // Not earlier: after a held response another attempt may want the body.
        request.expectation = .none
        // A final response in place of "100 Continue": the upstream may want the body before it goes on.
        attempt?.awaitsContinue = false
        outcome.status = responseHead.status
        response!.writesChunks = edits.framing == .chunked
        response!.endsWithConnection = edits.framing == .untilClose
        if edits.framing == .untilClose { client.resetIfKilled() }
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
        beginRelay(head.readable, edits(framing: framing, proxyStatus: proxyStatus, retryAfter: retryAfter))
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
        guard exchange.relayCollected() else { return }
        request.upstreamTime.stop(now: MonotonicClock.now())
        relayHeld(proxyStatus: proxyStatus)
    }

    /// Relays body bytes that were received.
    func relayBuffered(_ buffer: ByteBuffer) {
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

    func relay(_ connection: UpstreamConnection) {
        guard let remaining = response!.reader.remaining, attempt!.input?.isEmpty ?? true, !response!.writesChunks
        else {
            return readBody(connection, deliver: relayBuffered)
        }
        // Receives directly into the client's output.
        let output = client.outputBuffer()
        let room = output.writable(minimum: Self.receiveRoom)
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
    func readBody(_ connection: UpstreamConnection, deliver: (ByteBuffer) -> Void) {
        let buffer = inputBuffer()
        switch connection.receive(into: buffer.writable(minimum: Self.receiveRoom)) {
        case .moved(let count):
            buffer.commit(count)
            deliver(buffer)
        case .wouldBlock:
            break
        case .endOfStream where attempt?.upload == .reset:
            bodyBroke()
        case .endOfStream:
            if case .finished = response!.reader.end() { deliver(buffer) } else { bodyBroke() }
        case .failed:
            bodyBroke()
        }
        releaseEmptyInput()
    }

    private func bodyBroke() {
        settleCutResponse()
        fail(.upstreamReset)
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
