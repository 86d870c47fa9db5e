internal import CCurl
import Platform
import Threads

extension EasyHandle {
    /// The next step after a look at a transfer.
    enum Step<End> {
        /// Wait until something happens or that moment of `MonotonicClock` comes, then look again.
        case wait(until: UInt64)
        /// Look again at once.
        case again
        case ended(End)
    }

    /// Makes the transfer, on this thread. After each of libcurl's looks at it, `step` decides how to continue; it
    /// receives the transfer's result once there is one, and must end then. `failure` is the result if libcurl cannot
    /// begin or continue. Waiting also ends when `stop`, a
    /// descriptor that is asked for each time, becomes readable.
    func drive<End>(
        watching stop: @autoclosure () -> Int32? = nil,
        failure: (CURLcode) -> End,
        _ step: (_ result: CURLcode?) -> Step<End>
    ) -> End {
        guard let multi = curl_multi_init() else { return failure(CURLE_OUT_OF_MEMORY) }
        defer { curl_multi_cleanup(multi) }
        guard curl_multi_add_handle(multi, curl) == CURLM_OK else { return failure(CURLE_FAILED_INIT) }
        defer { curl_multi_remove_handle(multi, curl) }
        while true {
            var running: Int32 = 0
            guard curl_multi_perform(multi, &running) == CURLM_OK else { return failure(CURLE_FAILED_INIT) }
            var (result, left): (CURLcode?, Int32) = (nil, 0)
            while result == nil, let message = curl_multi_info_read(multi, &left) {
                if message.pointee.msg == CURLMSG_DONE { result = ccurl_message_result(message) }
            }
            switch step(result) {
            case .ended(let end): return end
            case .again: continue
            case .wait(let moment):
                let rest = moment.subtracting(saturating: MonotonicClock.now())
                let milliseconds = Int32(min(rest / 1_000_000, 999)) + 1
                let stop = stop()
                var watched = curl_waitfd(fd: stop ?? -1, events: Int16(CURL_WAIT_POLLIN), revents: 0)
                guard curl_multi_poll(multi, &watched, stop == nil ? 0 : 1, milliseconds, nil) == CURLM_OK else {
                    return failure(CURLE_FAILED_INIT)
                }
            }
        }
    }

    private static func canBeRead(_ descriptor: Int32) -> Bool {
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&entry, 1, 0) > 0
    }

    /// Makes the transfer within `timeout`.
    ///
    /// libcurl looks at the clock before it looks at the socket. A process that was stopped, or whose machine slept,
    /// would discard an answer that had arrived meanwhile, and the API has no second one. Here the time is up only
    /// after a look at the socket.
    func transfer(within timeout: Duration) -> CURLcode {
        enum Patience { case waits, looksOnceMore, isOver }
        let deadline = MonotonicClock.now().adding(saturating: timeout.nanoseconds)
        set(CURLOPT_TIMEOUT_MS, 0)
        var patience = Patience.waits
        let stop = BlockingRequest.attendant.with { $0?.stop } ?? -1
        return drive(watching: hasSent || stop < 0 ? nil : stop, failure: { $0 }) { result in
            if let result { return .ended(result) }
            if !hasSent, stop >= 0, Self.canBeRead(stop) { return .ended(CURLE_ABORTED_BY_CALLBACK) }
            switch patience {
            case .waits where MonotonicClock.now() < deadline: return .wait(until: deadline)
            case .waits: patience = .looksOnceMore
            case .looksOnceMore:
                // Lets libcurl describe in its own words what it waited for.
                set(CURLOPT_TIMEOUT_MS, 1)
                patience = .isOver
            case .isOver: return .ended(CURLE_OPERATION_TIMEDOUT)
            }
            return .again
        }
    }
}
