import EventIO
import HTTP1
import Platform
import Upstream

/// A WebSocket: after the upstream's 101, bytes both ways as they come, until the upstream ends or nothing moves for
/// `timeouts.idle`. The client's end is passed on: it may still get an answer to its last words.
extension ExchangeRunner {
    /// The upstream switched protocols; `buffer` begins with its head, and may hold what it already says.
    func beginTunnel(_ buffer: ByteBuffer, length: Int) {
        let now = MonotonicClock.now()
        request.upstreamTime.stop(now: now)
        if outcome.firstStatus == 0 { outcome.firstStatus = responseHead.status }
        if exchange.hasReplayed { recordReplay(isAccepted: true) }
        outcome.status = responseHead.status
        recordResponseHead(UnsafeRawBufferPointer(rebasing: buffer.readable[..<length]), now: now)
        recordEvent(.tunnelOpened, (), now: now)
        if context.detail > .ends { traceAnswer(.accepted) }
        var edits = ResponsePolicy.Edits(framing: .none, closes: false)
        edits.cookies = request.cookies
        render(UnsafeRawBufferPointer(rebasing: buffer.readable[..<length]), edits)
        if let observer = context.observer {
            resources.reportTunnel(record(.complete, now: now), texts, to: observer)
        }
        let output = client.outputBuffer()
        buffer.consume(length)
        outcome.bytes += UInt64(buffer.count)
        recordBody(.tunnelFromUpstream, buffer.readable)
        output.append(buffer.readable)
        buffer.clear()
        attempt!.input = nil
        resources.buffers.give(buffer)
        setDeadline(now: now)
        client.flush()
        pumpTunnel()
    }

    /// From the client to the upstream; the client is not read while the upstream does not take it.
    func pumpTunnel() {
        guard let connection = attempt?.connection else { return }
        while let input = client.input, !input.isEmpty {
            switch connection.send(input.readable) {
            case .moved(let count):
                request.bytes += UInt64(count)
                recordBody(.tunnelFromClient, UnsafeRawBufferPointer(rebasing: input.readable[..<count]))
                input.consume(count)
                setDeadline(now: MonotonicClock.now())
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

    /// From the upstream to the client, which slows it down if it does not keep up.
    func readTunnel(_ connection: UpstreamConnection) {
        let output = client.outputBuffer()
        let room = output.writable(minimum: Self.smallBody)
        switch connection.receive(into: room) {
        case .moved(let count):
            output.commit(count)
            outcome.bytes += UInt64(count)
            recordBody(.tunnelFromUpstream, UnsafeRawBufferPointer(rebasing: room[..<count]))
            setDeadline(now: MonotonicClock.now())
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
        end(outcome, .close)
    }
}
