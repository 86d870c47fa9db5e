internal import CCurl
import Platform

/// The same request, whose response is handed on as it comes.
extension BlockingRequest {
    /// What comes of a response with status 200.
    public enum Arrival: Sendable {
        /// Its head, once and first.
        case head
        case bytes([UInt8])
        /// The moment of the last `until` has passed.
        case due
    }

    /// What whoever follows a response wants.
    public enum Continuation: Sendable {
        /// More of it; `due` at a moment of `MonotonicClock`.
        case until(UInt64)
        case enough
    }

    /// How following a response ended.
    public enum StreamEnd: Sendable {
        /// With the status of a whole response; the body is what was not handed on.
        case response(Response)
        case failed(Failure)
        /// `receive` had enough.
        case enough
        /// `stop` can be read.
        case stopped
    }

    /// Sends it, and hands the body of a response with status 200 to `receive`, on this thread, until that has enough or
    /// the response ends. Other responses are collected. Ends when `stop`, a descriptor, can be read.
    ///
    /// `timeout` is for all of it, so that it has to be long; `due` is the first moment that `receive` is called at.
    /// No more than `maximumResponseBytes` are kept at a time.
    public func follow(
        _ settings: UpstreamSettings,
        stop: Int32,
        due: UInt64,
        _ receive: (Arrival) -> Continuation
    ) -> StreamEnd {
        let easy = EasyHandle()
        let sink = AnswerSink(limit: maximumResponseBytes)
        var end = Drive.done(CURLE_FAILED_INIT)
        let code = perform(settings, on: easy, .atOnce, into: sink) {
            end = easy.drive(into: sink, stop: stop, due: due, receive)
            if case .done(let code) = end { return code }
            return CURLE_OK
        }
        switch end {
        case .enough: return .enough
        case .stopped: return .stopped
        case .done:
            guard code == CURLE_OK else {
                let error = sink.problem ?? easy.error(code)
                return .failed(easy.hasSent && error.kind != .refusedByProxy ? .noResponse(error) : .notSent(error))
            }
            return .response(response(of: easy, sink))
        }
    }

    fileprivate enum Drive {
        case done(CURLcode)
        case enough
        case stopped
    }
}

extension EasyHandle {
    fileprivate func drive(
        into sink: AnswerSink,
        stop: Int32,
        due: UInt64,
        _ receive: (BlockingRequest.Arrival) -> BlockingRequest.Continuation
    ) -> BlockingRequest.Drive {
        var due = due
        var hasHead = false
        /// False when that was enough.
        func hand(_ arrival: BlockingRequest.Arrival) -> Bool {
            guard case .until(let moment) = receive(arrival) else { return false }
            due = moment
            return true
        }
        return drive(watching: stop, failure: { .done($0) }) { result in
            if hasEnded(stop) { return .ended(.stopped) }
            if !hasHead, isStream(sink) {
                hasHead = true
                guard hand(.head) else { return .ended(.enough) }
            }
            if hasHead, !sink.body.isEmpty, !hand(.bytes(sink.takeBody())) { return .ended(.enough) }
            if result == nil, MonotonicClock.now() >= due, !hand(.due) { return .ended(.enough) }
            return result.map { .ended(.done($0)) } ?? .wait(until: due)
        }
    }

    /// libcurl does not tell of a pipe that was closed.
    private func hasEnded(_ descriptor: Int32) -> Bool {
        var polled = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&polled, 1, 0) > 0
    }

    private func isStream(_ sink: AnswerSink) -> Bool {
        guard !sink.heads.isEmpty, !sink.isInHead else { return false }
        var status = 0
        ccurl_get_long(curl, CURLINFO_RESPONSE_CODE, &status)
        return status == 200
    }
}
