import Credentials
import EventIO
import HTTP1
import Upstream

/// The answer's way: from the upstream, perhaps held or collected, to the client.
extension ExchangeRunner {
    func upstreamIsReadable(_ connection: UpstreamConnection) {
        guard connection === self.connection else { return connection.close() }
        switch phase {
        case .exchanging: readHead(connection)
        case .collecting: receiveBody(connection, take: collect, ended: collectedAll)
        case .relaying: readBody(connection)
        case .tunnelling: readTunnel(connection)
        case .idle, .waiting, .connecting: connection.setReading(false)
        }
    }

    // MARK: The head

    private func readHead(_ connection: UpstreamConnection) {
        let buffer = upstreamInput ?? worker.buffers.take()
        upstreamInput = buffer
        switch connection.receive(into: buffer.writable(minimum: Self.smallBody)) {
        case .moved(let count):
            buffer.commit(count)
            parseHead(buffer)
        case .wouldBlock:
            break
        case .endOfStream, .failed:
            connectionBroke(hadBytes: !buffer.isEmpty)
        }
    }

    private func connectionBroke(hadBytes: Bool) {
        let action =
            hadBytes || interimCount > 0
            ? .fail
            : exchange.connectionBroke(
                wasReused: connectionWasReused,
                isReplayable: body?.isReplayable ?? true
            )
        switch action {
        case .sendAgain:
            releaseConnection(isReusable: false)
            beginAttempt(onFreshConnection: true)
        case .fail:
            fault(.upstreamReset)
        }
    }

    private func parseHead(_ buffer: ByteBuffer) {
        while true {
            switch parser.parse(buffer.octets.span, answering: exchange.method, into: &responseHead) {
            case .incomplete:
                return
            case .failed(let error):
                return fault(.protocolError(error))
            case .complete(let length):
                guard responseHead.isInterim else { return finalHead(buffer, length: length) }
                if responseHead.switchesToWebSocket, mayTunnel { return beginTunnel(buffer, length: length) }
                guard relayInterim(buffer, length: length) else { return }
                if buffer.isEmpty { return }
            }
        }
    }

    /// 1xx: false when the exchange ended here.
    private func relayInterim(_ buffer: ByteBuffer, length: Int) -> Bool {
        interimCount += 1
        guard responseHead.status != 101, interimCount <= 32 else {
            fault(.protocolError(.malformed("it switches protocols, or sends interim answers without end")))
            return false
        }
        if responseHead.status == 100 {
            buffer.consume(length)
            tellToContinue()
            guard phaseIsActive else { return false }
            if awaitsContinue {
                awaitsContinue = false
                setDeadline(now: MonotonicClock.now())
                pumpBody()
            }
            return phaseIsActive
        }
        if clientMinorVersion > 0 {
            let bytes = UnsafeRawBufferPointer(rebasing: buffer.readable[..<length])
            context.responses.render(
                responseHead,
                bytes,
                ResponsePolicy.Additions(framing: .none, closes: false),
                into: client.outputBuffer()
            )
            client.flush()
        }
        buffer.consume(length)
        return true
    }

    private func finalHead(_ buffer: ByteBuffer, length: Int) {
        let now = MonotonicClock.now()
        firstByteAt = now
        let verdict = verdict(UnsafeRawBufferPointer(rebasing: buffer.readable[..<length]))
        if verdict == .accepted {
            noteAcceptance(now: now)
            if exchange.hasReplayed { noteReplay(isAccepted: true) }
        }
        let action = exchange.headArrived(
            status: responseHead.status,
            verdict: verdict,
            isReplayable: body?.isReplayable ?? true
        )
        setBodyMode()
        switch action {
        case .relay:
            if exchange.hasReplayed, verdict == .rejected { noteReplay(isAccepted: false) }
            let head = UnsafeRawBufferPointer(rebasing: buffer.readable[..<length])
            beginRelay(head, additions: additions(framing: clientFraming()))
            buffer.consume(length)
            relayBuffered(buffer)
        case .hold:
            keepHead(buffer, length: length)
            // What follows stays with the upstream until it is decided what becomes of it.
            connection?.setReading(false)
            isUpstreamPaused = true
            askForAnotherCredential()
        case .collect(let purpose):
            keepHead(buffer, length: length)
            phase = .collecting(purpose)
            setDeadline(now: now)
            collect(buffer)
        }
    }

    private func verdict(_ head: UnsafeRawBufferPointer) -> RejectionPolicy.Verdict {
        guard context.rejection.concerns(status: responseHead.status) else { return .accepted }
        return context.rejection.verdict(
            status: responseHead.status,
            challenges: responseHead.text(of: .wwwAuthenticate, in: head),
            body: RejectionPolicy.Body(
                type: responseHead.text(of: .contentType, in: head).first,
                encoding: responseHead.text(of: .contentEncoding, in: head).first,
                isThere: responseHead.framing != .none
            )
        )
    }

    private func keepHead(_ buffer: ByteBuffer, length: Int) {
        let held = heldHead ?? worker.buffers.take()
        held.clear()
        held.append(UnsafeRawBufferPointer(rebasing: buffer.readable[..<length]))
        heldHead = held
        buffer.consume(length)
    }

    private func setBodyMode() {
        switch responseHead.framing {
        case .none, .length(0): bodyMode = .none
        case .length(let length): bodyMode = .length(length)
        case .chunked:
            bodyMode = .chunked
            responseDecoder = ChunkedDecoder()
        case .untilClose: bodyMode = .untilClose
        }
    }

    /// How the client gets the body's length.
    private func clientFraming() -> MessageFraming {
        switch responseHead.framing {
        case .none:
            // The length that GET would have had is part of the answer to HEAD, and of 304.
            let saysLength = exchange.method == .head || responseHead.status == 304
            return saysLength ? responseHead.contentLength.map(MessageFraming.length) ?? .none : .none
        case .length(let length): return .length(length)
        case .chunked, .untilClose: return clientMinorVersion > 0 ? .chunked : .untilClose
        }
    }

    private func additions(framing: MessageFraming) -> ResponsePolicy.Additions {
        let names = responseHead.names
        return ResponsePolicy.Additions(
            framing: framing,
            closes: client.willClose || framing == .untilClose || isBodyUnread,
            date: names.contains(.date) ? nil : worker.date(),
            pageOrigin: pageOrigin,
            ownOrigin: names.contains(.location) || names.contains(.contentLocation) ? client.ownOrigin : nil
        )
    }

    // MARK: Relaying

    private func beginRelay(_ head: UnsafeRawBufferPointer, additions: ResponsePolicy.Additions) {
        exchange.hasAnswered = true
        // Not before: an answer that is held may be followed by an attempt that does want the body.
        clientExpects = false
        responseStatus = responseHead.status
        phase = .relaying
        writesChunks = additions.framing == .chunked
        announcesClose = additions.closes
        context.responses.render(responseHead, head, additions, into: client.outputBuffer())
    }

    /// An answer that was held goes to the client after all.
    func relayHeld(proxyStatus: String?, retryAfter: Int? = nil) {
        guard let heldHead else { return fault(.internalError) }
        var additions = additions(
            framing: hasWholeBody && exchange.method != .head ? .length(UInt64(collected.count)) : clientFraming()
        )
        additions.proxyStatus = proxyStatus
        additions.retryAfter = retryAfter
        beginRelay(heldHead.readable, additions: additions)
        self.heldHead = nil
        worker.buffers.give(heldHead)
        if hasWholeBody {
            bodyMode = .none
            if exchange.method != .head {
                responseBytes += UInt64(collected.count)
                client.outputBuffer().append(collected)
            }
            return finishRelay()
        }
        resumeRelay()
    }

    /// The collected part, and from now on everything as it comes.
    private func relayCollected() {
        guard let heldHead else { return }
        if exchange.hasReplayed { noteReplay(isAccepted: true) }
        beginRelay(heldHead.readable, additions: additions(framing: clientFraming()))
        self.heldHead = nil
        worker.buffers.give(heldHead)
        collected.withUnsafeBytes { write($0) }
        collected = []
        client.flush()
    }

    private func resumeRelay() {
        isUpstreamPaused = false
        setDeadline(now: MonotonicClock.now())
        let buffer = upstreamInput ?? worker.buffers.take()
        upstreamInput = buffer
        let serial = serial
        relayBuffered(buffer)
        guard self.serial == serial, phaseIsActive else { return }
        connection?.setReading(true)
    }

    /// Relays body bytes that came with the head.
    private func relayBuffered(_ buffer: ByteBuffer) {
        switch bodyMode {
        case .none:
            hasExtraBytes = !buffer.isEmpty
            return finishRelay()
        case .length(let remaining):
            let part = Int(min(UInt64(buffer.count), remaining))
            write(UnsafeRawBufferPointer(rebasing: buffer.readable[..<part]))
            buffer.consume(part)
            if UInt64(part) == remaining {
                hasExtraBytes = !buffer.isEmpty
                return finishRelay()
            }
            bodyMode = .length(remaining - UInt64(part))
        case .chunked:
            if takeChunks(buffer, data: write) { return finishRelay() }
            guard phaseIsActive else { return }
        case .untilClose:
            write(buffer.readable)
            buffer.clear()
        }
        client.flush()
        setDeadline(now: MonotonicClock.now())
        checkPressure()
    }

    /// Takes the chunks in `buffer` apart; true when the body is complete. A faulty one ends the exchange.
    private func takeChunks(_ buffer: ByteBuffer, data: (UnsafeRawBufferPointer) -> Void) -> Bool {
        var offset = 0
        let octets = buffer.octets
        while true {
            switch responseDecoder.next(octets.span, from: offset) {
            case .data(let range):
                data(UnsafeRawBufferPointer(rebasing: buffer.readable[range.range]))
                offset = Int(range.upperBound)
            case .needsMore(let end):
                buffer.consume(end)
                return false
            case .finished(let end):
                buffer.consume(end)
                hasExtraBytes = !buffer.isEmpty
                return true
            case .failed(let error):
                fault(.protocolError(error))
                return false
            }
        }
    }

    private func write(_ bytes: UnsafeRawBufferPointer) {
        guard !bytes.isEmpty else { return }
        responseBytes += UInt64(bytes.count)
        let output = client.outputBuffer()
        if writesChunks {
            output.append(hexadecimal: bytes.count)
            output.append("\r\n")
            output.append(bytes)
            output.append("\r\n")
        } else {
            output.append(bytes)
        }
    }

    private func readBody(_ connection: UpstreamConnection) {
        guard case .length(let remaining) = bodyMode, upstreamInput?.isEmpty ?? true else {
            return receiveBody(connection, take: relayBuffered, ended: finishRelay)
        }
        // Straight into what the client gets.
        let output = client.outputBuffer()
        switch connection.receive(into: output.writable(minimum: Self.smallBody)) {
        case .moved(let count):
            let part = Int(min(UInt64(count), remaining))
            output.commit(part)
            responseBytes += UInt64(part)
            bodyMode = .length(remaining - UInt64(part))
            if UInt64(part) == remaining {
                hasExtraBytes = count > part
                return finishRelay()
            }
            client.flush()
            client.setDeadline(nanoseconds: context.intervals.body, now: MonotonicClock.now())
            checkPressure()
        case .wouldBlock:
            // A stream that pauses holds no buffer.
            client.flush()
        case .endOfStream, .failed:
            fault(.upstreamReset)
        }
    }

    /// Receives more of a body and hands it to `take`; `ended` comes when the body ends with the connection.
    private func receiveBody(
        _ connection: UpstreamConnection,
        take: (ByteBuffer) -> Void,
        ended: () -> Void
    ) {
        let buffer = upstreamInput ?? worker.buffers.take()
        upstreamInput = buffer
        switch connection.receive(into: buffer.writable(minimum: Self.smallBody)) {
        case .moved(let count):
            buffer.commit(count)
            take(buffer)
        case .wouldBlock:
            break
        case .endOfStream:
            if case .untilClose = bodyMode { ended() } else { fault(.upstreamReset) }
        case .failed:
            fault(.upstreamReset)
        }
        releaseEmptyInput()
    }

    private func releaseEmptyInput() {
        guard let buffer = upstreamInput, buffer.isEmpty else { return }
        upstreamInput = nil
        worker.buffers.give(buffer)
    }

    /// A slow client stops the upstream from being read.
    func checkPressure() {
        guard client.pendingOutput > ClientConnection.outputWindow, !isUpstreamPaused else { return }
        isUpstreamPaused = true
        connection?.setReading(false)
    }

    /// The client caught up.
    func outputDrained() {
        switch phase {
        case .relaying, .tunnelling: break
        case .idle, .waiting, .connecting, .exchanging, .collecting: return
        }
        guard isUpstreamPaused else { return }
        isUpstreamPaused = false
        connection?.setReading(true)
    }

    private func finishRelay() {
        if writesChunks {
            let output = client.outputBuffer()
            output.append("0\r\n")
            if case .chunked = bodyMode { output.append(responseDecoder.forwardableTrailers()) }
            output.append("\r\n")
        }
        client.flushAtTurnEnd()
        let now = MonotonicClock.now()
        releaseConnection(isReusable: isConnectionReusable, now: now)
        finish(.complete, closes: announcesClose || isBodyUnread, now: now)
    }

    /// Everything of this exchange went over it, both ways, and the upstream keeps it.
    private var isConnectionReusable: Bool {
        guard responseHead.keepsAlive, !hasExtraBytes, !uploadFailed, upstreamInput?.isEmpty ?? true else {
            return false
        }
        guard headSent == requestHead.count else { return false }
        return body.map { $0.isComplete && bodySent == $0.count } ?? true
    }

    /// Gives the held answer up, to send the request again: its connection is kept when the whole answer is here.
    func dropHeld() {
        var isWhole = hasWholeBody
        if !isWhole, let buffer = upstreamInput {
            switch bodyMode {
            case .none: isWhole = buffer.isEmpty
            case .length(let remaining):
                isWhole = UInt64(buffer.count) == remaining
            case .chunked:
                isWhole = skipChunks(buffer)
            case .untilClose: break
            }
            if isWhole { buffer.clear() }
        }
        let isReusable = isWhole && isConnectionReusable
        releaseConnection(isReusable: isReusable)
        if let heldHead { worker.buffers.give(heldHead) }
        heldHead = nil
        collected = []
        hasWholeBody = false
    }

    /// Whether `buffer` holds the rest of a chunked body, and nothing else.
    private func skipChunks(_ buffer: ByteBuffer) -> Bool {
        var offset = 0
        let octets = buffer.octets
        while true {
            switch responseDecoder.next(octets.span, from: offset) {
            case .data(let range): offset = Int(range.upperBound)
            case .finished(let end): return end == buffer.count
            case .needsMore, .failed: return false
            }
        }
    }

    // MARK: Collecting

    private func collect(_ buffer: ByteBuffer) {
        switch bodyMode {
        case .none:
            return collectedAll()
        case .length(let remaining):
            let part = Int(min(UInt64(buffer.count), remaining))
            collected += buffer.readable[..<part]
            buffer.consume(part)
            bodyMode = .length(remaining - UInt64(part))
            if UInt64(part) == remaining { return collectedAll() }
        case .chunked:
            if takeChunks(buffer, data: { collected += $0 }) { return collectedAll() }
            guard phaseIsActive else { return }
        case .untilClose:
            collected += buffer.readable
            buffer.clear()
        }
        guard collected.count > Self.collectLimit else { return }
        // Too large to be what is looked for.
        relayCollected()
    }

    private func collectedAll() {
        guard case .collecting(let purpose) = phase else { return }
        hasWholeBody = true
        hasExtraBytes = !(upstreamInput?.isEmpty ?? true)
        bodyMode = .none
        phase = .waiting
        client.clearDeadline()
        switch purpose {
        case .verdict:
            let challenges = heldText(.wwwAuthenticate)
            let isRejected = decodedBody.map {
                context.rejection.isRejected(status: responseHead.status, challenges: challenges, body: $0)
            }
            if isRejected == true, exchange.mayReplay { return askForAnotherCredential() }
            if exchange.hasReplayed { noteReplay(isAccepted: isRejected != true) }
            relayHeld(proxyStatus: nil)
        case .signIn: learnToken()
        case .signOut: forgetToken()
        }
    }
}
