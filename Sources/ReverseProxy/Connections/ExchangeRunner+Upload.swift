import EventIO
import HTTP1
import Upstream

/// The request's way: from the client's input through `RequestBody` to the upstream.
extension ExchangeRunner {
    /// The client's bytes belong to this request's body, not to the next request.
    var wantsBody: Bool {
        if case .tunnelling = phase { return true }
        return isBodyUnread
    }

    /// The client sent something of the body.
    func bodyArrived() {
        if case .tunnelling = phase { return pumpTunnel() }
        takeBody()
        guard phaseIsActive, client != nil else { return }
        if case .waiting = phase { return }
        if case .connecting = phase { return }
        if awaitsContinue, (body?.count ?? 0) > 0 {
            // It did not wait; neither do we.
            awaitsContinue = false
        }
        setDeadline(now: MonotonicClock.now())
        pumpBody()
    }

    /// Moves body bytes from the client's input into `body`, reframed, as far as the window allows.
    func takeBody() {
        guard let body, let input = client.pendingInput else { return }
        if !input.isEmpty { clientExpects = false }
        while !input.isEmpty, !body.isComplete {
            guard body.count - bodySent < Self.uploadWindow else { return client.pauseReading() }
            if bodyDecoder == nil {
                let part = Int(min(UInt64(input.count), bodyRemaining))
                body.append(UnsafeRawBufferPointer(rebasing: input.readable[..<part]))
                input.consume(part)
                bodyRemaining -= UInt64(part)
                requestBytes += UInt64(part)
                body.isComplete = bodyRemaining == 0
            } else if let failure = takeChunks(body, input) {
                return fault(Problem(failure))
            }
        }
    }

    /// Decodes all chunks that are in `input` and frames their data as one chunk.
    private func takeChunks(_ body: RequestBody, _ input: ByteBuffer) -> HTTP1Error? {
        let data = worker.scratch
        data.clear()
        var offset = 0
        var isFinished = false
        var error: HTTP1Error?
        let octets = input.octets
        decoding: while true {
            switch bodyDecoder!.next(octets.span, from: offset) {
            case .data(let range):
                data.append(UnsafeRawBufferPointer(rebasing: input.readable[range.range]))
                offset = Int(range.upperBound)
            case .needsMore(let end):
                offset = end
                break decoding
            case .finished(let end):
                offset = end
                isFinished = true
                break decoding
            case .failed(let failure):
                error = failure
                break decoding
            }
        }
        if let error { return error }
        if !data.isEmpty {
            requestBytes += UInt64(data.count)
            let frame = worker.buffers.take()
            frame.append(hexadecimal: data.count)
            frame.append("\r\n")
            body.append(frame.readable)
            worker.buffers.give(frame)
            body.append(data.readable)
            body.append("\r\n")
        }
        if isFinished {
            body.append("0\r\n")
            bodyDecoder!.forwardableTrailers(context.headers.trailers).withUnsafeBytes { body.append($0) }
            body.append("\r\n")
            body.isComplete = true
        }
        input.consume(offset)
        return nil
    }

    /// Sends the head, then as much of the body as there is.
    func send() {
        guard let connection else { return }
        while headSent < requestHead.count {
            switch connection.send(UnsafeRawBufferPointer(rebasing: requestHead.readable[headSent...])) {
            case .moved(let count): headSent += count
            case .wouldBlock: return
            case .failed, .endOfStream:
                // The answer, or the end of the connection, is there to be read.
                uploadFailed = true
                return
            }
        }
        pumpBody()
    }

    func pumpBody() {
        guard let body, let connection, !awaitsContinue, !uploadFailed, headSent == requestHead.count else { return }
        while bodySent < body.count {
            guard let bytes = body.bytes(from: bodySent, limit: BufferPool.bufferCapacity, scratch: worker.scratch)
            else {
                return fault(.bodyLost)
            }
            switch connection.send(bytes) {
            case .moved(let count):
                bodySent += count
                body.sent(upTo: bodySent)
            case .wouldBlock:
                return
            case .failed, .endOfStream:
                uploadFailed = true
                return
            }
        }
        if body.isComplete {
            setDeadline(now: MonotonicClock.now())
        } else {
            client.resumeBody()
        }
    }

    func upstreamIsWritable(_ connection: UpstreamConnection) {
        guard connection === self.connection else { return }
        if case .tunnelling = phase { return pumpTunnel() }
        send()
        guard phaseIsActive, let body, !body.isComplete, body.count - bodySent < Self.uploadWindow / 2 else { return }
        client.resumeBody()
    }

    /// Passes "100 Continue" on to a client that waits for it.
    func tellToContinue() {
        guard clientExpects, clientMinorVersion > 0 else { return }
        clientExpects = false
        client.outputBuffer().append("HTTP/1.1 100 Continue\r\n\r\n")
        client.flush()
    }
}
