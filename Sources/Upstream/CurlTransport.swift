internal import CCurl
import EventIO

/// One connection that libcurl makes, in a multi handle of its own.
///
/// libcurl counts a connection that was only connected (`CURLOPT_CONNECT_ONLY`) as idle, and closes idle ones that look
/// dead whenever it makes another in the same multi handle (`prune_dead_connections` in lib/url.c). So each has its
/// own: between `connected` and `end` nobody but the owner acts on the handles, the TLS session or the descriptor.
/// `CURLOPT_CLOSESOCKETFUNCTION` verifies that: if a libcurl closes the descriptor all the same, it calls `closed` at
/// that moment, and nothing uses the number any more.
///
/// *Ownership*: owns both handles; libcurl's callbacks hold an unretained pointer to this object, so `end` must be
/// called before it goes away. *Threading*: created and used on its loop. libcurl is never called from one of its own
/// callbacks.
final class CurlTransport: DescriptorWatchDelegate {
    private enum State {
        case connecting(completion: (Result<Int32, UpstreamError>) -> Void)
        /// The descriptor is the connection's, and libcurl has no reason to touch it.
        case connected(descriptor: Int32, closed: () -> Void)
        case ended
    }

    let easy: EasyHandle
    /// Nil if libcurl could not make one: some versions need descriptors for it. The attempt fails then.
    private let multi: UnsafeMutableRawPointer?
    private let loop: EventLoop
    private var timer: EventTimer?
    private var state = State.ended

    /// `configure` sets the options of the connection.
    init(loop: EventLoop, configure: (EasyHandle) -> Void) {
        multi = curl_multi_init()
        self.loop = loop
        easy = EasyHandle()
        configure(easy)
        timer = EventTimer(loop: loop) { [unowned self] in act(on: CURL_SOCKET_TIMEOUT, events: 0) }
        guard let multi else { return }
        let context = Unmanaged.passUnretained(self).toOpaque()
        ccurl_multi_set_socket_callback(
            multi,
            { _, descriptor, what, context, watch in
                Unmanaged<CurlTransport>.fromOpaque(context!).takeUnretainedValue()
                    .watch(descriptor, what: what, existing: watch)
                return 0
            },
            context
        )
        ccurl_multi_set_timer_callback(
            multi,
            { _, milliseconds, context in
                Unmanaged<CurlTransport>.fromOpaque(context!).takeUnretainedValue().setTimer(milliseconds)
                return 0
            },
            context
        )
        ccurl_set_close_callback(
            easy.curl,
            { context, descriptor in
                Unmanaged<CurlTransport>.fromOpaque(context!).takeUnretainedValue().willClose(descriptor)
                SocketIO.close(descriptor)
                return 0
            },
            context
        )
    }

    deinit {
        guard case .ended = state else { fatalError("a connection of libcurl's was not ended") }
        if let multi { curl_multi_cleanup(multi) }
    }

    /// Begins to connect. Calls `completion` once, later, from the loop, unless `end` comes first. The connected
    /// descriptor still belongs to this object.
    func connect(completion: @escaping (Result<Int32, UpstreamError>) -> Void) {
        state = .connecting(completion: completion)
        guard let multi else {
            timer?.arm(nanoseconds: 0)
            return
        }
        // libcurl asks for its first round through the timer callback; nothing completes within this call.
        curl_multi_add_handle(multi, easy.curl)
    }

    /// Ends the connection, or the attempt to make it. No callback follows.
    func end() {
        if case .ended = state { return }
        state = .ended
        timer?.cancel()
        if let multi { curl_multi_remove_handle(multi, easy.curl) }
    }

    /// Duplicates the connected socket's descriptor for the caller alone; libcurl's part in the connection ends.
    func takeDescriptor() -> Int32? {
        guard case .connected(let descriptor, _) = state else { return nil }
        let own = SocketIO.duplicate(descriptor)
        end()
        return own
    }

    /// Calls `closed` from now on if libcurl closes the descriptor by itself.
    func guardDescriptor(closed: @escaping () -> Void) {
        guard case .connected(let descriptor, _) = state else { return }
        state = .connected(descriptor: descriptor, closed: closed)
    }

    // MARK: libcurl's callbacks

    /// `CURLMOPT_SOCKETFUNCTION`: the descriptors to watch while the connection is being made.
    private func watch(_ descriptor: curl_socket_t, what: Int32, existing: UnsafeMutableRawPointer?) {
        if what == CURL_POLL_REMOVE {
            guard let existing else { return }
            let watch = Unmanaged<DescriptorWatch>.fromOpaque(existing)
            watch.takeUnretainedValue().close()
            watch.release()
            return
        }
        let watch: DescriptorWatch
        if let existing {
            watch = Unmanaged<DescriptorWatch>.fromOpaque(existing).takeUnretainedValue()
        } else {
            watch = DescriptorWatch(loop: loop, descriptor: descriptor, delegate: self)
            // Retained by libcurl's table; released on CURL_POLL_REMOVE.
            curl_multi_assign(multi, descriptor, Unmanaged.passRetained(watch).toOpaque())
        }
        watch.setReading(what == CURL_POLL_IN || what == CURL_POLL_INOUT)
        watch.setWriting(what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
    }

    /// `CURLMOPT_TIMERFUNCTION`: only arms; calling libcurl from here is forbidden.
    private func setTimer(_ milliseconds: Int) {
        if milliseconds < 0 {
            timer?.cancel()
        } else if case .connecting = state {
            timer?.arm(nanoseconds: UInt64(milliseconds) &* 1_000_000)
        }
    }

    /// `CURLOPT_CLOSESOCKETFUNCTION`, before the descriptor is closed.
    private func willClose(_ descriptor: curl_socket_t) {
        guard case .connected(descriptor, let closed) = state else { return }
        state = .connected(descriptor: -1, closed: {})
        closed()
    }

    func descriptorIsReadable(_ watch: DescriptorWatch) {
        act(on: watch.descriptor, events: CURL_CSELECT_IN)
    }

    func descriptorIsWritable(_ watch: DescriptorWatch) {
        act(on: watch.descriptor, events: CURL_CSELECT_OUT)
    }

    private func act(on descriptor: curl_socket_t, events: Int32) {
        guard case .connecting = state else { return }
        guard let multi else { return finish(CURLE_OUT_OF_MEMORY) }
        var running: Int32 = 0
        curl_multi_socket_action(multi, descriptor, events, &running)
        var remaining: Int32 = 0
        while let message = curl_multi_info_read(multi, &remaining) {
            // The message is invalid after the next call to libcurl.
            if message.pointee.msg == CURLMSG_DONE { return finish(ccurl_message_result(message)) }
        }
    }

    private func finish(_ code: CURLcode) {
        guard case .connecting(let completion) = state else { return }
        timer?.cancel()
        var descriptor: curl_socket_t = -1
        if code == CURLE_OK { ccurl_get_socket(easy.curl, &descriptor) }
        guard code == CURLE_OK, descriptor >= 0 else {
            let error = easy.error(code == CURLE_OK ? CURLE_COULDNT_CONNECT : code)
            end()
            return completion(.failure(error))
        }
        state = .connected(descriptor: descriptor, closed: {})
        completion(.success(descriptor))
    }
}
