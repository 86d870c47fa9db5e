import EventIO
import HTTP1
import Platform
import Upstream

/// The path of the request: from the client's input through `RequestBody` to the upstream.
extension ExchangeRunner {
    /// The client sent part of the body.
    func bodyArrived() {
        // The client did not wait, so Squire does not either, unless for its own purpose.
        if request.expectation == .client { attempt?.awaitsContinue = false }
        request.expectation.clientGoesOn()
        takeBody()
        switch exchange.state {
        case .sending, .collecting, .relaying:
            guard let attempt else { return }
            let now = MonotonicClock.now()
            if !attempt.awaitsContinue { uploadMoved(now: now) }
            pumpBody(now: now)
        case .awaitingCredential, .holding, .settling, .tunnelling, .finished:
            break
        }
    }

    /// Moves body bytes from the client's input into the upload, reframed, as far as the window allows.
    func takeBody() {
        guard let body = request.upload?.body, let input = client.input else { return }
        while !input.isEmpty, !body.isComplete {
            guard body.count - (attempt?.bodySent ?? 0) < Self.uploadWindow else { return client.pauseReading() }
            if let error = takePart(body, input) { return fail(Problem(error)) }
        }
    }

    /// Takes the body bytes from `input`; the data of several chunks becomes one chunk.
    private func takePart(_ body: RequestBody, _ input: ByteBuffer) -> HTTP1Error? {
        let isChunked = request.upload!.isChunked
        let data = resources.scratch
        data.clear()
        var offset = 0
        let octets = input.octets
        reading: while true {
            switch request.upload!.reader.next(octets.span, from: offset) {
            case .data(let range):
                let bytes = UnsafeRawBufferPointer(rebasing: input.readable[range.range])
                request.bytes += UInt64(bytes.count)
                if isChunked { data.append(bytes) } else { keep(bytes, in: body) }
                offset = Int(range.upperBound)
            case .needsMore(let end):
                offset = end
                break reading
            case .finished(let end):
                offset = end
                body.isComplete = true
                break reading
            case .failed(let error):
                return error
            }
        }
        if isChunked {
            if !data.isEmpty {
                recordBody(.requestBody, data.readable)
                let frame = resources.buffers.take()
                frame.append(hexadecimal: data.count)
                frame.append("\r\n")
                body.append(frame.readable, isFraming: true)
                resources.buffers.give(frame)
                body.append(data.readable)
                body.append(framing: "\r\n")
            }
            if body.isComplete {
                body.append(framing: "0\r\n")
                request.upload!.reader.forwardableTrailers(proxy.headers.trailers).withUnsafeBytes {
                    body.append($0, isFraming: true)
                }
                body.append(framing: "\r\n")
            }
        }
        input.consume(offset)
        return nil
    }

    private func keep(_ bytes: UnsafeRawBufferPointer, in body: RequestBody) {
        recordBody(.requestBody, bytes)
        body.append(bytes)
    }

    /// Sends the head, then as much of the body as is available.
    func send() {
        guard case .sending = exchange.state, let connection = attempt?.connection else { return }
        let head = request.head
        while attempt!.headSent < head.count {
            let result = connection.send(UnsafeRawBufferPointer(rebasing: head.readable[attempt!.headSent...]))
            switch result {
            case .moved(let count): attempt!.headSent += count
            case .wouldBlock: return
            case .failed, .endOfStream:
                // The response, or the connection's end, can still be read.
                attempt!.upload = UploadEnd(result)
                return
            }
        }
        if request.upload != nil { pumpBody(now: MonotonicClock.now()) } else { recordSent() }
    }

    /// Sends the available part of the body, and takes more from the client as long as that succeeds.
    func pumpBody(now: UInt64) {
        guard let body = request.upload?.body, let connection = attempt?.connection, !attempt!.awaitsContinue,
            attempt!.upload == .none, attempt!.headSent == request.head.count
        else { return }
        var hasMoved = false
        pumping: while true {
            while attempt!.bodySent < body.count {
                let limit = BufferPool.bufferCapacity
                guard let bytes = body.bytes(from: attempt!.bodySent, limit: limit, scratch: resources.scratch) else {
                    return fail(.bodyLost)
                }
                let result = connection.send(bytes)
                switch result {
                case .moved(let count):
                    attempt!.bodySent += count
                    body.sent(upTo: attempt!.bodySent)
                    hasMoved = true
                case .wouldBlock:
                    break pumping
                case .failed, .endOfStream:
                    attempt!.upload = UploadEnd(result)
                    return
                }
            }
            guard !body.isComplete, let input = client.input, !input.isEmpty else { break }
            takeBody()
            if exchange.isFinished { return }
        }
        if hasMoved { uploadMoved(now: now) }
        // While some input is not taken, the client is not read: its end would be taken for the end of a partial body.
        takeBody()
        if exchange.isFinished { return }
        recordSent()
        if !body.isComplete, body.count - attempt!.bodySent < Self.uploadWindow { client.resumeReading() }
    }

    /// Progress restarts the deadline; a complete request waits for its response. A response that is being examined
    /// does not wait for the upload.
    private func uploadMoved(now: UInt64) {
        if case .collecting(.verdict, _) = exchange.state { return }
        setDeadline(now: now)
    }

    func upstreamIsWritable(_ connection: UpstreamConnection) {
        guard connection === attempt?.connection else { return }
        switch exchange.state {
        case .sending: send()
        // A response came before the request was complete: the rest is sent all the same.
        case .relaying, .collecting: pumpBody(now: MonotonicClock.now())
        case .tunnelling: pumpTunnel()
        // While the response is held, the rest waits: the whole body may have to be sent again, and is kept so far.
        case .holding: break
        case .awaitingCredential, .settling, .finished: break
        }
    }

    /// The upstream sent "100 Continue", or its time to do so is over.
    func continueUpload(now: UInt64) {
        guard attempt?.awaitsContinue ?? false else { return }
        attempt?.awaitsContinue = false
        tellToContinue()
        setDeadline(now: now)
        pumpBody(now: now)
    }

    /// Passes "100 Continue" on to a client that waits for it.
    func tellToContinue() {
        guard request.expectation.clientWaits, request.minorVersion > 0 else { return }
        request.expectation.clientGoesOn()
        client.outputBuffer().append("HTTP/1.1 100 Continue\r\n\r\n")
        client.flush()
    }
}
