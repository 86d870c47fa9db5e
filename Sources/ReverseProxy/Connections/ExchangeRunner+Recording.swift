import Credentials
import EventIO
import HTTP1
import Platform
import Upstream

/// Records the exchange for the inspector. An exchange that is not recorded pays for little more than one test at each
/// place; nothing here allocates.
extension ExchangeRunner {
    // MARK: Beginning

    /// The request's head is parsed. `isRefused`: the request is not forwarded.
    @inline(__always)
    func recordBeginning(_ head: UnsafeRawBufferPointer, isRefused: Bool, now: UInt64) {
        recording = gate.admit(client.name.origin, isRefused: isRefused, now: now, recorder)
        if recording.isRunning { beginRecording(head, isRefused: isRefused, now: now) }
    }

    @inline(never)
    private func beginRecording(_ head: UnsafeRawBufferPointer, isRefused: Bool, now: UInt64) {
        recorder?.begin(
            &recording,
            request.id,
            client.name,
            isLate: false,
            startedAt: request.startedAt,
            now: now
        )
        recorder?.tellHead(&recording, .requestHead, request.place, head, at: now)
        if !isRefused { recordSentHead(now: now) }
    }

    /// The credential's line lies behind the recorded part: tokens are never copied.
    private func recordSentHead(now: UInt64) {
        recorder?.tellHead(
            &recording,
            .sentHead,
            RecordKind.SentHead(
                route: exchange.rules.route,
                carriesCredential: exchange.rules.carriesCredential,
                place: request.placeInHead,
                madeOffset: UInt32(clamping: request.madeOffset),
                rulesOffset: UInt32(clamping: request.rulesOffset),
                configuration: proxy.number
            ),
            UnsafeRawBufferPointer(rebasing: request.head.readable[..<request.prefixLength]),
            at: now
        )
    }

    /// Something has gone wrong: an exchange that was not recorded for its rate is recorded from now on.
    @inline(__always)
    func recordLate(now: @autoclosure () -> UInt64) {
        if case .absent(let absence) = recording, absence.mayBeginLate { beginLate(now: now()) }
    }

    @inline(never)
    private func beginLate(now: UInt64) {
        guard let recorder, let admitted = recorder.admitLate(now: now) else { return }
        recording = admitted
        recorder.begin(&recording, request.id, client.name, isLate: true, startedAt: request.startedAt, now: now)
        recordSentHead(now: now)
        recordBodySoFar(now: now)
        // Time stamps are those of the events, not of the report.
        if exchange.attempts > 0 { recordAttempt(now: request.attemptStartedAt) }
        if attempt != nil { recordConnected(now: request.attemptConnectedAt) }
        guard let response, let head = response.head else { return }
        recordResponseHead(head.readable, now: now)
        response.collected.withUnsafeBytes { recordBody(.responseBody, $0) }
    }

    /// The part of the request's body that is still in memory. A body in a file is not read for this.
    private func recordBodySoFar(now: UInt64) {
        guard let upload = request.upload, request.bytes > 0 else { return }
        guard let kept = upload.body.inMemory else {
            recording.takesNoRequestBody()
            return
        }
        guard upload.isChunked else { return recordBody(.requestBody, kept) }
        // The kept body contains the framing of its chunks.
        var reader = BodyReader(.chunked)
        var offset = 0
        let octets = kept.assumingMemoryBound(to: UInt8.self)
        while case .data(let range) = reader.next(octets.span, from: offset) {
            recordBody(.requestBody, UnsafeRawBufferPointer(rebasing: kept[range.range]))
            offset = Int(range.upperBound)
        }
    }

    // MARK: On the way

    /// An event without octets.
    @inline(__always)
    func recordEvent<Fixed: BitwiseCopyable>(_ kind: RecordKind, _ fixed: Fixed, now: @autoclosure () -> UInt64) {
        if recording.isRunning { recorder?.tell(&recording, kind, fixed, at: now()) }
    }

    @inline(__always)
    func recordAttempt(now: UInt64) {
        recordEvent(
            .attempt,
            RecordKind.Attempt(number: exchange.attempts, generation: exchange.generation),
            now: now
        )
    }

    @inline(__always)
    func recordConnected(now: UInt64) {
        if recording.isRunning { tellConnected(now: now) }
    }

    @inline(never)
    private func tellConnected(now: UInt64) {
        guard let attempt else { return }
        let setup = attempt.isReused ? ConnectionSetup() : attempt.connection.setup
        let connected = RecordKind.Connected(
            isReused: attempt.isReused,
            lookup: setup.lookup ?? 0,
            tls: setup.tls ?? 0
        )
        recordEvent(.connected, connected, now: now)
    }

    /// Records, once, that the last octet of the request has been written to the connection, if it has.
    @inline(__always)
    func recordSent() {
        if recording.isRunning { tellSent() }
    }

    @inline(never)
    private func tellSent() {
        guard let attempt, attempt.headSent == request.head.count else { return }
        if let body = request.upload?.body, !body.isComplete || attempt.bodySent < body.count { return }
        guard recording.tellsSent(attempt: request.attemptStartedAt) else { return }
        recordEvent(.sent, (), now: MonotonicClock.now())
    }

    @inline(__always)
    func recordResponseHead(_ head: UnsafeRawBufferPointer, now: UInt64) {
        guard recording.isRunning else { return }
        if let recorder { recording.takesAnotherResponse(limit: recorder.recordings.bodyLimit) }
        recorder?.tellHead(&recording, .responseHead, (), head, at: now)
    }

    /// Octets of a body or a tunnel.
    @inline(__always)
    func recordBody(_ kind: RecordKind, _ bytes: UnsafeRawBufferPointer) {
        if recording.isRunning { tellBody(kind, bytes) }
    }

    @inline(never)
    private func tellBody(_ kind: RecordKind, _ bytes: UnsafeRawBufferPointer) {
        recorder?.tellBody(
            &recording,
            kind,
            bytes,
            RecordKind.Progress(requestBytes: request.bytes, responseBytes: outcome.bytes),
            at: MonotonicClock.now()
        )
    }

    @inline(__always)
    func recordTokenWait(_ need: RecordedEvent.TokenNeed, _ awaited: Awaited, now: UInt64) {
        recordEvent(.tokenWait, RecordKind.TokenWait(need: need, awaited: awaited), now: now)
    }

    @inline(__always)
    func recordTokenArrived(_ arrival: RecordedEvent.TokenArrival, now: UInt64) {
        guard recording.isRunning else { return }
        var text = arrival.failure?.text ?? ""
        text.withUTF8 {
            let words = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer($0).prefix(Self.longestText))
            recorder?.tell(&recording, .tokenArrived, RecordKind.TokenArrival(arrival), words, at: now)
        }
    }

    private static let longestText = 1024

    /// Squire's own answer: the pending output from `start` on, whose last `count` bytes are the body.
    func recordOwnAnswer(status: Int, code: Problem.Code?, from start: Int, count: Int) {
        guard recording.isRunning, let recorder else { return }
        let answer = UnsafeRawBufferPointer(rebasing: client.outputBuffer().readable.dropFirst(start))
        recorder.tellOwnAnswer(&recording, status: status, code: code, answer, count: count, at: MonotonicClock.now())
    }

    // MARK: Ending

    /// Called once: when the exchange has ended, and before its client can know.
    @inline(__always)
    func recordEnd(now: @autoclosure () -> UInt64) {
        switch recording {
        case .ended: return
        case .absent(let absence): gate.count(absence)
        case .running(let flow): endRecording(flow, now: now())
        }
        recording = .ended
    }

    @inline(never)
    private func endRecording(_ flow: Recording.Flow, now: UInt64) {
        recorder?.end(flow, recordedEnding(now: now), at: now)
    }

    private func recordedEnding(now: UInt64) -> RecordedEvent.Ending {
        var result = ExchangeRecord.Outcome.shutDown
        if case .finished(let finished) = exchange.state { result = finished }
        return RecordedEvent.Ending(
            status: outcome.status,
            outcome: result,
            needsLogin: outcome.needsLogin,
            attempts: exchange.attempts,
            requestBytes: request.bytes,
            responseBytes: outcome.bytes,
            totalNanoseconds: now &- request.startedAt,
            upstreamNanoseconds: request.upstreamTime.elapsed(now: now) ?? 0,
            tokenNanoseconds: request.tokenTime.elapsed(now: now) ?? 0,
            refresh: ledRefreshResult,
            wasReplayable: request.isReplayable
        )
    }
}
