import Credentials
import EventIO
import HTTP1
import Platform
import Upstream

/// A WebSocket: after the upstream's 101, bytes pass in both directions as they arrive, until the upstream ends or
/// nothing moves for `timeouts.idle`. The client's end is passed on: the upstream may still answer its last message.
extension ExchangeRunner {
    /// The upstream switched protocols; `buffer` begins with its head and may contain its first message.
    func beginTunnel(_ buffer: ByteBuffer, length: Int) {
        let now = MonotonicClock.now()
        request.upstreamTime.stop(now: now)
        if outcome.firstStatus == 0 { outcome.firstStatus = responseHead.status }
        if exchange.hasReplayed { recordReplay(isAccepted: true) }
        outcome.isTokenRejected = false
        credentialPassed(status: responseHead.status)
        outcome.status = responseHead.status
        recordResponseHead(UnsafeRawBufferPointer(rebasing: buffer.readable[..<length]), now: now)
        recordEvent(.tunnelOpened, (), now: now)
        if proxy.detail > .ends { traceAnswer(.accepted) }
        let edits = ResponsePolicy.Edits(
            framing: .none,
            closes: false,
            cookies: request.cookies,
            place: request.place
        )
        render(UnsafeRawBufferPointer(rebasing: buffer.readable[..<length]), edits)
        if let observer = proxy.observer {
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

    /// From the client to the upstream. The client is not read while the upstream does not accept bytes.
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

    /// From the upstream to the client. A slow client slows the upstream down.
    func readTunnel(_ connection: UpstreamConnection) {
        let output = client.outputBuffer()
        let room = output.writable(minimum: Self.receiveRoom)
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

    /// Pending bytes are delivered to the client; then its connection closes.
    func endTunnel(_ outcome: ExchangeRecord.Outcome) {
        end(outcome, .close)
    }
}
