import EventIO
import HTTP1
import Upstream

/// A WebSocket: after the upstream's 101, bytes both ways as they come, until the upstream ends or nothing moves for `timeouts.idle`. The
/// client's end is passed on: it may still get an answer to its last words.
extension ExchangeRunner {
    /// The upstream switched protocols; `buffer` begins with its head, and may hold what it already says.
    func beginTunnel(_ buffer: ByteBuffer, length: Int) {
        firstByteAt = MonotonicClock.now()
        if exchange.hasReplayed { noteReplay(isAccepted: true) }
        exchange.hasAnswered = true
        responseStatus = responseHead.status
        phase = .tunnelling
        let output = client.outputBuffer()
        let head = UnsafeRawBufferPointer(rebasing: buffer.readable[..<length])
        context.responses.render(
            responseHead,
            head,
            ResponsePolicy.Additions(framing: .none, closes: false),
            into: output
        )
        buffer.consume(length)
        responseBytes += UInt64(buffer.count)
        output.append(buffer.readable)
        buffer.clear()
        upstreamInput = nil
        worker.buffers.give(buffer)
        noteProgress()
        client.flush()
        client.resumeBody()
    }

    func noteProgress() {
        client.setDeadline(nanoseconds: context.intervals.idle, now: MonotonicClock.now())
    }

    /// From the client to the upstream; the client is not read while the upstream does not take it.
    func pumpTunnel() {
        guard let connection else { return }
        while let input = client.pendingInput, !input.isEmpty {
            switch connection.send(input.readable) {
            case .moved(let count):
                requestBytes += UInt64(count)
                input.consume(count)
                noteProgress()
            case .wouldBlock:
                return client.pauseReading()
            case .failed, .endOfStream:
                return endTunnel(.upstreamBroke)
            }
        }
        if client.hasEnded {
            if connection.hasSentAll { connection.shutdownWriting() }
        } else {
            client.resumeReading()
        }
    }

    /// From the upstream to the client, which slows it down when it does not keep up.
    func readTunnel(_ connection: UpstreamConnection) {
        let output = client.outputBuffer()
        switch connection.receive(into: output.writable(minimum: Self.smallBody)) {
        case .moved(let count):
            output.commit(count)
            responseBytes += UInt64(count)
            noteProgress()
            client.flush()
            checkPressure()
        case .wouldBlock:
            // An idle tunnel holds no buffer.
            client.flush()
        case .endOfStream:
            endTunnel(.complete)
        case .failed:
            endTunnel(.upstreamBroke)
        }
    }

    /// What is still on its way to the client is delivered; then its connection closes.
    func endTunnel(_ outcome: ExchangeRecord.Outcome) {
        releaseConnection(isReusable: false)
        client.flush()
        finish(outcome, closes: true)
    }
}
