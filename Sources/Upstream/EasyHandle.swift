internal import CCurl
import EventIO
import Platform
import Threads

/// A `CURL *` and the memory it points to.
///
/// *Ownership*: freed in `deinit`; must be out of its multi handle by then.
final class EasyHandle {
    let curl: UnsafeMutableRawPointer
    /// libcurl writes its explanation here (`CURLOPT_ERRORBUFFER`).
    private let errorBuffer = UnsafeMutablePointer<CChar>.allocate(capacity: Int(CURL_ERROR_SIZE))

    init() {
        guard let curl = curl_easy_init() else { fatalError("libcurl has no memory for a handle") }
        self.curl = curl
        errorBuffer.pointee = 0
        ccurl_set_error_buffer(curl, errorBuffer)
        // Without it libcurl changes signal handlers around each send and name lookup (libcurl-thread(3)).
        set(CURLOPT_NOSIGNAL, 1)
    }

    deinit {
        curl_easy_cleanup(curl)
        errorBuffer.deallocate()
    }

    func set(_ option: CURLoption, _ value: Int) {
        ccurl_set_long(curl, option, value)
    }

    func set(_ option: CURLoption, _ value: String?) {
        ccurl_set_string(curl, option, value)
    }

    /// A timeout in milliseconds: never 0, which means "for ever", nor above libcurl's maximum, because it ignores
    /// larger values.
    func set(_ option: CURLoption, _ timeout: Duration) {
        set(option, Int(min(max(timeout.wholeMilliseconds, 1), Int64(Int32.max) - 1)))
    }

    /// How Squire authenticates to a proxy.
    enum ProxyAuthentication {
        /// Basic (RFC 7617) with the first CONNECT, as curl does: many proxies close the connection after their 407.
        case atOnce
        /// One of the methods that the proxy offers, other than Basic, which it has refused: Digest, NTLM or Negotiate.
        case negotiated
    }

    /// Sets the options that every connection to the upstream shares.
    func apply(_ settings: UpstreamSettings, authentication: ProxyAuthentication = .atOnce) {
        proxy = settings.proxy
        set(CURLOPT_CONNECTTIMEOUT_MS, settings.connectTimeout)
        switch settings.proxy {
        case .none:
            // The empty string, not NULL: NULL means "look into the environment".
            set(CURLOPT_PROXY, "")
        case .environment:
            break
        case .url(let url):
            set(CURLOPT_PROXY, url)
            set(CURLOPT_NOPROXY, "")
        }
        // One rule for both schemes: a tunnel. The proxy only carries bytes; requests and bearers are for the upstream.
        set(CURLOPT_HTTPPROXYTUNNEL, 1)
        switch authentication {
        case .atOnce: set(CURLOPT_PROXYAUTH, ccurl_basic_authentication())
        case .negotiated: set(CURLOPT_PROXYAUTH, ccurl_any_authentication() & ~ccurl_basic_authentication())
        }
        set(CURLOPT_SSL_VERIFYPEER, 1)
        set(CURLOPT_SSL_VERIFYHOST, 2)
        if let authorities = settings.authorities {
            set(CURLOPT_CAINFO, authorities)
            set(CURLOPT_CAPATH, nil)
        }
        if let certificate = settings.certificate { set(CURLOPT_SSLCERT, certificate) }
        if let key = settings.key { set(CURLOPT_SSLKEY, key) }
        // A protected key without a pass phrase causes an error, not a prompt on the terminal.
        set(CURLOPT_KEYPASSWD, "")
    }

    /// libcurl uses OpenSSL for this connection, so the ways in which it can end are distinguished.
    private(set) var usesOpenSSL = false
    private var hasCloseNotify = false

    /// Call before connecting through TLS: from now on an end without close_notify is an error (RFC 9112 section 9.8),
    /// and the caller must check `holdsBytes`.
    func prepareTLS() {
        usesOpenSSL = ccurl_prepare_tls(curl)
    }

    /// Receives the available bytes, after `CURLOPT_CONNECT_ONLY`.
    func receive(into buffer: UnsafeMutableRawBufferPointer) -> (code: CURLcode, count: Int) {
        var count = 0
        let code = ccurl_receive(curl, buffer.baseAddress, buffer.count, &count, &hasCloseNotify)
        if code == CURLE_OK, count == 0, usesOpenSSL, !hasCloseNotify { return (CURLE_RECV_ERROR, 0) }
        return (code, count)
    }

    /// The proxy of the connection, as far as is known.
    private(set) var proxy = UpstreamSettings.Proxy.none

    /// libcurl has found `url` in the environment.
    func learn(proxy url: String) {
        proxy = .url(url)
    }

    /// The proxy requires credentials, or rejects those that it received.
    var isChallengedByProxy: Bool { proxy.mayHaveCredentials && connectStatus == 407 }

    /// The status of the proxy's last answer to CONNECT; 0 if there was none.
    var connectStatus: Int {
        var status = 0
        ccurl_get_long(curl, CURLINFO_HTTP_CONNECTCODE, &status)
        return status
    }

    /// Part of the request may have been sent. libcurl's PRETRANSFER_TIME does not tell: newer versions set it for
    /// transfers that fail earlier.
    private(set) var hasSent = false

    /// See `BlockingRequest.maySend`.
    private var maySend: (@Sendable () -> Bool)?
    /// `maySend` has returned false.
    private var isTooLate = false

    /// Call before the transfer: `hasSent` is maintained from now on, and nothing is sent if `maySend` returns false then.
    func watchSending(_ maySend: (@Sendable () -> Bool)? = nil) {
        self.maySend = maySend
        ccurl_set_sending_callback(
            curl,
            { context, _, _, _, _ in
                let easy = Unmanaged<EasyHandle>.fromOpaque(context!).takeUnretainedValue()
                easy.isTooLate = !(easy.maySend?() ?? true)
                if easy.isTooLate { return Int32(CURL_PREREQFUNC_ABORT) }
                // Last: from then on a signal waits for the answer.
                if let attendant = BlockingRequest.attendant.with({ $0 }), !attendant.maySend() {
                    return Int32(CURL_PREREQFUNC_ABORT)
                }
                easy.hasSent = true
                return Int32(CURL_PREREQFUNC_OK)
            },
            Unmanaged.passUnretained(self).toOpaque()
        )
    }

    /// Seconds from the transfer's start to one of its events; nil if that did not happen.
    func time(_ information: CURLINFO) -> Double? {
        var seconds = 0.0
        ccurl_get_double(curl, information, &seconds)
        return seconds > 0 ? seconds : nil
    }

    /// Of the connection that it has made.
    var connectionSetup: ConnectionSetup {
        let nanoseconds = { (seconds: Double) in UInt64(min(max(seconds, 0), 1e9) * 1e9) }
        var setup = ConnectionSetup(lookup: time(CURLINFO_NAMELOOKUP_TIME).map(nanoseconds))
        if let secured = time(CURLINFO_APPCONNECT_TIME), let connected = time(CURLINFO_CONNECT_TIME) {
            setup.tls = nanoseconds(secured - connected)
        }
        return setup
    }

    /// libcurl's description of the last failure. May contain bytes of the peer.
    var errorText: String { String(cString: errorBuffer) }

    /// The `errno` of connect(2), or 0.
    var systemError: Int32 {
        var number = 0
        ccurl_get_long(curl, CURLINFO_OS_ERRNO, &number)
        return Int32(truncatingIfNeeded: number)
    }

    func error(_ code: CURLcode) -> UpstreamError {
        if isTooLate {
            return UpstreamError(kind: .timeout, detail: "Nothing was sent: it took too long to make the connection")
        }
        let status = connectStatus
        if status != 0, !(200...299).contains(status) { return refusal(status) }
        let isClosed = [CURLE_SEND_ERROR, CURLE_RECV_ERROR, CURLE_GOT_NOTHING, CURLE_WEIRD_SERVER_REPLY].contains(code)
        if isClosed, status == 0, proxy.usesConnect { return refusal(nil) }
        return UpstreamError(code: code, text: errorText, systemError: systemError)
    }

    private func refusal(_ status: Int?) -> UpstreamError {
        let hasCredentials = if case .url = proxy { proxy.mayHaveCredentials } else { false }
        return UpstreamError(refusal: status, by: proxyName, hasCredentials: hasCredentials)
    }

    /// The configured name, or else the address, because a proxy from the environment may have any name.
    var proxyName: String {
        if let name = proxy.name { return name }
        var port = 0
        ccurl_get_long(curl, CURLINFO_PRIMARY_PORT, &port)
        guard let address = ccurl_primary_address(curl) else { return "of the environment" }
        return SocketAddress(host: String(cString: address), port: port).description
    }
}
