internal import CCurl
import Platform

/// The same request, with a response that is delivered while it arrives.
extension BlockingRequest {
    /// One part of a response with status 200.
    public enum Arrival: Sendable {
        /// The head, once and first.
        case head
        case bytes([UInt8])
        /// The moment of the last `until` has passed.
        case due
    }

    /// How the follower of a response wants to continue.
    public enum Continuation: Sendable {
        /// Deliver more; call with `due` at a moment of `MonotonicClock`.
        case until(UInt64)
        case enough
    }

    /// How following a response ended.
    public enum StreamEnd: Sendable {
        /// The response is complete; its body is the part that was not delivered.
        case response(Response)
        case failed(Failure)
        /// `receive` returned that it has enough.
        case enough
        /// `stop` became readable.
        case stopped
    }

    /// Sends the request and delivers the body of a response with status 200 to `receive`, on this thread, until that
    /// has enough or the response ends. Other responses are collected. Ends when `stop`, a descriptor, becomes
    /// readable.
    ///
    /// `timeout` covers the whole exchange, so it has to be long; `due` is the first moment at which `receive` is
    /// called. At most `maximumResponseBytes` are held at a time.
    public func follow(
        _ settings: UpstreamSettings,
        stop: Int32,
        due: UInt64,
        _ receive: (Arrival) -> Continuation
    ) -> StreamEnd {
        let easy = EasyHandle()
        let sink = ResponseSink(limit: maximumResponseBytes)
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
        into sink: ResponseSink,
        stop: Int32,
        due: UInt64,
        _ receive: (BlockingRequest.Arrival) -> BlockingRequest.Continuation
    ) -> BlockingRequest.Drive {
        var due = due
        var hasHead = false
        /// False if the receiver has enough.
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

    /// libcurl does not report that a pipe was closed.
    private func hasEnded(_ descriptor: Int32) -> Bool {
        var polled = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&polled, 1, 0) > 0
    }

    private func isStream(_ sink: ResponseSink) -> Bool {
        guard !sink.heads.isEmpty, !sink.isInHead else { return false }
        var status = 0
        ccurl_get_long(curl, CURLINFO_RESPONSE_CODE, &status)
        return status == 200
    }
}
