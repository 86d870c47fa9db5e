internal import CCurl
public import EventIO

/// Makes connections to the upstream on one event loop.
///
/// libcurl resolves the name, races the addresses, speaks to a corporate proxy and does TLS; what comes out is an
/// `UpstreamConnection` that carries bytes (`CURLOPT_CONNECT_ONLY`). No HTTP is spoken here.
///
/// *Ownership*: holds the attempts that are under way; connections hold it. *Threading*: made and used on its loop.
public final class UpstreamConnector {
    private let share: UnsafeMutableRawPointer
    private let loop: EventLoop
    public let settings: UpstreamSettings
    private var attempts: [ObjectIdentifier: Attempt] = [:]
    /// The proxy has refused Basic.
    private var isNegotiatingWithProxy = false
    /// Nothing accepted a connection at the last address.
    private var isAddressDoubtful = false
    /// Where TLS sends are offered from; see `UpstreamConnection.send`.
    private var stagingBuffer: ByteBuffer?
    /// Connections that exist, connecting ones included.
    public internal(set) var connectionCount = 0

    public init(loop: EventLoop, settings: UpstreamSettings) {
        self.loop = loop
        self.settings = settings
        guard let share = curl_share_init() else { fatalError("libcurl has no memory for a handle") }
        self.share = share
        // Not the connections: those are what each handle must have for itself.
        ccurl_share_data(share, CURL_LOCK_DATA_DNS)
        // So that a new connection can resume a session.
        ccurl_share_data(share, CURL_LOCK_DATA_SSL_SESSION)
    }

    deinit {
        cancelAll()
        curl_share_cleanup(share)
    }

    /// A connection attempt that can be given up.
    public final class Attempt {
        /// The one that is being tried.
        fileprivate var transport: CurlTransport

        fileprivate init(_ transport: CurlTransport) {
            self.transport = transport
        }
    }

    /// Starts connecting; `completion` is called once, later, from the loop, unless the attempt is cancelled.
    public func connect(
        completion: @escaping (Result<UpstreamConnection, UpstreamError>) -> Void
    ) -> Attempt {
        connectionCount += 1
        let attempt = Attempt(CurlTransport(loop: loop) { configure($0) })
        attempts[ObjectIdentifier(attempt)] = attempt
        begin(attempt, completion)
        return attempt
    }

    private func begin(_ attempt: Attempt, _ completion: @escaping (Result<UpstreamConnection, UpstreamError>) -> Void)
    {
        let transport = attempt.transport
        transport.connect { [unowned self, unowned attempt] result in
            // They keep themselves through this call.
            guard let attempt = attempts[ObjectIdentifier(attempt)] else { return }
            let transport = attempt.transport
            if case .failure = result, transport.easy.isChallengedByProxy, !isNegotiatingWithProxy {
                // From now on nothing else is tried first: a proxy may count wrong passwords.
                isNegotiatingWithProxy = true
                attempt.transport = CurlTransport(loop: loop) { configure($0) }
                return begin(attempt, completion)
            }
            attempts[ObjectIdentifier(attempt)] = nil
            let connected = result.flatMap { connection(transport, descriptor: $0) }
            if case .failure(let error) = connected {
                connectionCount -= 1
                learn(error)
            }
            completion(connected)
        }
    }

    /// The name may have moved: the next attempt looks it up again, whatever is remembered.
    private func learn(_ error: UpstreamError) {
        switch error.kind {
        case .unreachable, .timeout, .unresolvable, .tls, .handshakeCut: isAddressDoubtful = true
        case .reset, .configuration, .refusedByProxy: break
        }
    }

    private func configure(_ easy: EasyHandle) {
        easy.set(CURLOPT_URL, settings.origin + "/")
        easy.set(CURLOPT_CONNECT_ONLY, 1)
        easy.set(CURLOPT_FRESH_CONNECT, 1)
        // Our codec speaks HTTP/1.1 and nothing else may be negotiated.
        easy.set(CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_1_1))
        easy.set(CURLOPT_SSL_ENABLE_ALPN, 0)
        easy.set(CURLOPT_TCP_NODELAY, 1)
        easy.set(CURLOPT_TCP_KEEPALIVE, 1)
        // A name that has moved is noticed soon; connections that go on need no name.
        easy.set(CURLOPT_DNS_CACHE_TIMEOUT, isAddressDoubtful ? 0 : 5)
        isAddressDoubtful = false
        // An attempt that is given up while its name is looked up must not wait for that: the resolver's thread ends by
        // itself.
        easy.set(CURLOPT_QUICK_EXIT, 1)
        easy.apply(settings, authentication: isNegotiatingWithProxy ? .negotiated : .atOnce)
        if settings.isSecure { easy.prepareTLS() }
        ccurl_set_share(easy.curl, share)
    }

    private func connection(
        _ transport: CurlTransport,
        descriptor: Int32
    ) -> Result<UpstreamConnection, UpstreamError> {
        let setup = transport.easy.connectionSetup
        guard settings.isBare else {
            return .success(UpstreamConnection(self, loop, .library(transport, descriptor: descriptor), setup))
        }
        guard let own = transport.takeDescriptor() else {
            return .failure(UpstreamError(kind: .unreachable, detail: "No descriptor is left for a connection"))
        }
        return .success(UpstreamConnection(self, loop, .socket(own), setup))
    }

    /// Gives up; the completion is not called.
    public func cancel(_ attempt: Attempt) {
        guard attempts.removeValue(forKey: ObjectIdentifier(attempt)) != nil else { return }
        attempt.transport.end()
        connectionCount -= 1
    }

    /// Gives up all attempts.
    public func cancelAll() {
        for attempt in attempts.values { attempt.transport.end() }
        connectionCount -= attempts.count
        attempts = [:]
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
}
