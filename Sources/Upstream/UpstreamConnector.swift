internal import CCurl
public import EventIO

/// Makes connections to the upstream on one event loop.
///
/// libcurl resolves the name, races the addresses, speaks to a corporate proxy and does TLS; what comes out is an
/// `UpstreamConnection` that carries bytes (`CURLOPT_CONNECT_ONLY`). No HTTP is spoken here.
///
/// *Ownership*: owns the `CURLM`; its callbacks hold an unretained pointer to this object. Connections hold it.
/// *Threading*: made and used on its loop. libcurl is never called from one of its own callbacks.
public final class UpstreamConnector: DescriptorWatchDelegate {
    let multi: UnsafeMutableRawPointer
    private let share: UnsafeMutableRawPointer
    private let loop: EventLoop
    public let settings: UpstreamSettings
    private var timer: EventTimer?
    private var pending: [UnsafeMutableRawPointer: Pending] = [:]
    /// Where TLS sends are offered from; see `UpstreamConnection.send`.
    private var stagingBuffer: ByteBuffer?
    /// Connections that exist, connecting ones included.
    public internal(set) var connectionCount = 0

    private struct Pending {
        let easy: EasyHandle
        let completion: (Result<UpstreamConnection, UpstreamError>) -> Void
    }

    public init(loop: EventLoop, settings: UpstreamSettings) {
        self.loop = loop
        self.settings = settings
        guard let multi = curl_multi_init(), let share = curl_share_init() else {
            fatalError("libcurl has no memory for a handle")
        }
        self.multi = multi
        self.share = share
        // Names are cached per multi handle; TLS sessions are shared so that a new connection can resume one.
        ccurl_share_data(share, CURL_LOCK_DATA_SSL_SESSION)
        timer = EventTimer(loop: loop) { [unowned self] in act(on: CURL_SOCKET_TIMEOUT, events: 0) }
        let context = Unmanaged.passUnretained(self).toOpaque()
        ccurl_multi_set_socket_callback(
            multi,
            { _, descriptor, what, context, watch in
                Unmanaged<UpstreamConnector>.fromOpaque(context!).takeUnretainedValue()
                    .watch(descriptor, what: what, existing: watch)
                return 0
            },
            context
        )
        ccurl_multi_set_timer_callback(
            multi,
            { _, milliseconds, context in
                Unmanaged<UpstreamConnector>.fromOpaque(context!).takeUnretainedValue().setTimer(milliseconds)
                return 0
            },
            context
        )
    }

    deinit {
        timer?.cancel()
        cancelAll()
        curl_multi_cleanup(multi)
        curl_share_cleanup(share)
    }

    /// A connection attempt that can be given up.
    public struct Attempt {
        let curl: UnsafeMutableRawPointer
    }

    /// Starts connecting; `completion` is called once, later, from the loop, unless the attempt is cancelled.
    public func connect(
        completion: @escaping (Result<UpstreamConnection, UpstreamError>) -> Void
    ) -> Attempt {
        let easy = EasyHandle()
        easy.set(CURLOPT_URL, settings.origin + "/")
        easy.set(CURLOPT_CONNECT_ONLY, 1)
        easy.set(CURLOPT_FRESH_CONNECT, 1)
        // One HTTP proxy rule for both schemes: a tunnel, so that our codec speaks to the upstream alone.
        easy.set(CURLOPT_HTTPPROXYTUNNEL, 1)
        // Our codec speaks HTTP/1.1 and nothing else may be negotiated.
        easy.set(CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_1_1))
        easy.set(CURLOPT_SSL_ENABLE_ALPN, 0)
        // The transfer is "done" for libcurl once connected, and an old connection "too old": never prune ours.
        easy.set(CURLOPT_MAXAGE_CONN, Int(Int32.max))
        easy.set(CURLOPT_TCP_NODELAY, 1)
        easy.set(CURLOPT_TCP_KEEPALIVE, 1)
        easy.apply(settings)
        if settings.isSecure { easy.prepareTLS() }
        ccurl_set_share(easy.curl, share)
        connectionCount += 1
        pending[easy.curl] = Pending(easy: easy, completion: completion)
        // Asks for its first round through the timer callback; nothing completes inside this call.
        curl_multi_add_handle(multi, easy.curl)
        return Attempt(curl: easy.curl)
    }

    /// Gives up; the completion is not called.
    public func cancel(_ attempt: Attempt) {
        guard let entry = pending.removeValue(forKey: attempt.curl) else { return }
        curl_multi_remove_handle(multi, entry.easy.curl)
        connectionCount -= 1
    }

    /// Gives up all attempts.
    public func cancelAll() {
        for (_, entry) in pending { curl_multi_remove_handle(multi, entry.easy.curl) }
        connectionCount -= pending.count
        pending = [:]
    }

    // MARK: Staging of TLS sends

    /// Lends the buffer that TLS sends are offered from.
    func takeStaging() -> ByteBuffer {
        defer { stagingBuffer = nil }
        return stagingBuffer ?? ByteBuffer(capacity: UpstreamConnection.stagingCapacity)
    }

    func giveStaging(_ buffer: ByteBuffer) {
        buffer.clear()
        stagingBuffer = buffer
    }

    // MARK: libcurl's callbacks

    /// `CURLMOPT_SOCKETFUNCTION`: which descriptors to wait for while connections are being made.
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
        } else {
            timer?.arm(nanoseconds: UInt64(milliseconds) * 1_000_000)
        }
    }

    public func descriptorIsReadable(_ watch: DescriptorWatch) {
        act(on: watch.descriptor, events: CURL_CSELECT_IN)
    }

    public func descriptorIsWritable(_ watch: DescriptorWatch) {
        act(on: watch.descriptor, events: CURL_CSELECT_OUT)
    }

    private func act(on descriptor: curl_socket_t, events: Int32) {
        var running: Int32 = 0
        curl_multi_socket_action(multi, descriptor, events, &running)
        readMessages()
    }

    private func readMessages() {
        var remaining: Int32 = 0
        while let message = curl_multi_info_read(multi, &remaining) {
            guard message.pointee.msg == CURLMSG_DONE, let curl = message.pointee.easy_handle else { continue }
            // The message dies with the next call to libcurl.
            let result = ccurl_message_result(message)
            guard let entry = pending.removeValue(forKey: curl) else { continue }
            finish(entry, result: result)
        }
    }

    private func finish(_ entry: Pending, result: CURLcode) {
        var descriptor: curl_socket_t = -1
        if result == CURLE_OK { ccurl_get_socket(entry.easy.curl, &descriptor) }
        guard result == CURLE_OK, descriptor >= 0 else {
            let error = entry.easy.error(result == CURLE_OK ? CURLE_COULDNT_CONNECT : result)
            curl_multi_remove_handle(multi, entry.easy.curl)
            connectionCount -= 1
            entry.completion(.failure(error))
            return
        }
        let connection = UpstreamConnection(connector: self, loop: loop, easy: entry.easy, descriptor: descriptor)
        entry.completion(.success(connection))
    }
}
