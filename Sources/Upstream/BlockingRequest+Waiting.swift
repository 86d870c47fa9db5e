internal import CCurl
import Platform

extension EasyHandle {
    /// Makes the transfer, for at most that long.
    ///
    /// libcurl looks at the clock before it looks at the socket. A process that was stopped, or whose machine slept, would
    /// give up an answer that had come meanwhile, and the API has no second one. Here time is up only after a look.
    func transfer(within timeout: Duration) -> CURLcode {
        guard let multi = curl_multi_init() else { return CURLE_OUT_OF_MEMORY }
        defer { curl_multi_cleanup(multi) }
        guard curl_multi_add_handle(multi, curl) == CURLM_OK else { return CURLE_FAILED_INIT }
        defer { curl_multi_remove_handle(multi, curl) }
        let deadline = MonotonicClock.now().adding(saturating: timeout.nanoseconds)
        set(CURLOPT_TIMEOUT_MS, 0)
        var isLate = false
        while true {
            var running: Int32 = 0
            guard curl_multi_perform(multi, &running) == CURLM_OK else { return CURLE_FAILED_INIT }
            var left: Int32 = 0
            while let message = curl_multi_info_read(multi, &left) {
                if message.pointee.msg == CURLMSG_DONE { return ccurl_message_result(message) }
            }
            if isLate {
                // libcurl says in its own words what it waited for.
                set(CURLOPT_TIMEOUT_MS, 1)
                guard curl_multi_perform(multi, &running) == CURLM_OK else { return CURLE_FAILED_INIT }
                return CURLE_OPERATION_TIMEDOUT
            }
            let rest = deadline.subtracting(saturating: MonotonicClock.now())
            isLate = rest == 0
            if isLate { continue }
            guard curl_multi_poll(multi, nil, 0, Int32(min(rest / 1_000_000, 999) + 1), nil) == CURLM_OK else {
                return CURLE_FAILED_INIT
            }
        }
    }
}
