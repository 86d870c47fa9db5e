internal import CCurl
import Platform

/// The same request, with a report on how far it came.
extension BlockingRequest {
    /// Sends the request and waits for the response's head, which must arrive within `answerLimit` after the request
    /// was sent, and within `timeout` overall. A body that does not arrive, or is larger than `maximumResponseBytes`,
    /// is cut.
    ///
    /// The certificate is verified as always: faults are recorded while the handshake fails.
    public func report(_ settings: UpstreamSettings, answerWithin answerLimit: Duration) -> RequestReport {
        let (report, mayNegotiate) = report(settings, .atOnce, answerLimit)
        return mayNegotiate ? self.report(settings, .negotiated, answerLimit).report : report
    }

    private func report(
        _ settings: UpstreamSettings,
        _ authentication: EasyHandle.ProxyAuthentication,
        _ answerLimit: Duration
    ) -> (report: RequestReport, mayNegotiate: Bool) {
        let easy = EasyHandle()
        let sink = ResponseSink(limit: maximumResponseBytes)
        let watch = TransferWatch(easy)
        let code = perform(settings, on: easy, authentication, into: sink) {
            watch.during { easy.drive(answerWithin: answerLimit) }
        }
        if settings.proxy == .environment, let url = watch.proxyURL { easy.learn(proxy: url) }
        let report = RequestReport(
            outcome: outcome(code, easy, sink, watch),
            progress: easy.progress(watch),
            address: ccurl_primary_address(easy.curl).map { String(cString: $0) },
            proxy: easy.isProxied ? easy.proxyName : nil,
            proxyDate: (easy.connectStatus == 0 ? nil : sink.heads.first)?.first { $0.name.lowercased() == "date" }?
                .value,
            certificates: watch.certificates
        )
        if case .failed(let failure) = report.outcome, failure.stage < .answering {
            return (report, authentication == .atOnce && easy.isChallengedByProxy)
        }
        return (report, false)
    }

    private func outcome(
        _ code: CURLcode,
        _ easy: EasyHandle,
        _ sink: ResponseSink,
        _ watch: TransferWatch
    ) -> RequestReport.Outcome {
        // The status is 0 until a response other than the proxy's own has arrived.
        let response = response(of: easy, sink)
        // The head is all that the caller needs.
        if code == CURLE_OK || response.status >= 200 && !sink.isInHead {
            return .response(response)
        }
        let reason = TLSReason(easy.errorText)
        let stage = easy.stage(code, isSecure: url.hasPrefix("https:"), reason, watch)
        let isOfProxy =
            switch stage {
            case .resolving: code == CURLE_COULDNT_RESOLVE_PROXY || easy.proxy.usesConnect
            case .connecting: easy.isProxied
            case .tunnelling: true
            case .securing, .answering: false
            }
        return .failed(
            RequestReport.Failure(
                stage: stage,
                cause: Self.cause(code, stage, reason, watch.fault, easy),
                error: easy.error(code),
                isOfProxy: isOfProxy
            )
        )
    }

    private static func cause(
        _ code: CURLcode,
        _ stage: RequestReport.Stage,
        _ reason: TLSReason?,
        _ fault: Int,
        _ easy: EasyHandle
    ) -> RequestReport.Cause {
        if let alert = reason?.alert { return .alert(alert) }
        switch code {
        case CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY: return .unresolved
        case CURLE_OPERATION_TIMEDOUT: return .timeout
        case CURLE_COULDNT_CONNECT: return .notConnected(easy.systemError)
        // libcurl reports the peer's complaint about our certificate as its own complaint about the peer's.
        case CURLE_PEER_FAILED_VERIFICATION where fault == 0 && easy.errorText.contains("verification failed"):
            return .alert(TLSReason.certificateExpired)
        case CURLE_PEER_FAILED_VERIFICATION: return fault == 0 ? .wrongName : .untrusted(fault)
        case CURLE_SSL_CLIENTCERT: return .alert(TLSReason.certificateRequired)
        case CURLE_SSL_CERTPROBLEM, CURLE_SSL_CACERT_BADFILE: return .files
        case CURLE_UNSUPPORTED_PROTOCOL where stage == .answering: return .notHTTP
        case CURLE_WEIRD_SERVER_REPLY: return .notHTTP
        case CURLE_SSL_CONNECT_ERROR:
            guard let reason, !reason.isClosure else { return .closed }
            return reason.isNotTLS ? .notTLS : reason.isIncompatible ? .incompatible : .other
        case CURLE_SEND_ERROR, CURLE_RECV_ERROR, CURLE_GOT_NOTHING, CURLE_PARTIAL_FILE: return .closed
        default: return .other
        }
    }
}

/// A reason that OpenSSL gives, identified by the number in libcurl's text: `error:0A00010B:SSL routines::…`.
struct TLSReason: Equatable {
    let number: Int

    /// Alerts of RFC 8446 section 6.2.
    static let certificateExpired = 45
    static let certificateRequired = 116

    /// Nil if the text contains none.
    init?(_ text: String) {
        let mark = Array("error:".utf8)
        let bytes = Array(text.utf8)
        guard bytes.count >= mark.count + 8 else { return nil }
        for start in 0...(bytes.count - mark.count - 8) where bytes[start..<(start + mark.count)] == mark[...] {
            let digits = bytes[(start + mark.count)..<(start + mark.count + 8)]
            guard let code = UInt32(String(decoding: digits, as: UTF8.self), radix: 16) else { continue }
            // ERR_GET_REASON(3): the reasons of TLS are below 4096 in every version.
            number = Int(code & 0xFFF)
            return
        }
        return nil
    }

    /// The alert that the peer sent: SSL_AD_REASON_OFFSET and its number.
    var alert: Int? { (1000...1255).contains(number) ? number - 1000 : nil }
    /// Wrong version number, HTTP request, HTTPS proxy request, packet or record too long, bad record type, unexpected
    /// message.
    var isNotTLS: Bool { [267, 156, 155, 198, 150, 443, 244].contains(number) }
    /// Unsupported protocol, no protocols, no ciphers, no shared cipher, weak keys, old renegotiation.
    var isIncompatible: Bool { [258, 191, 181, 193, 372, 394, 397, 399, 338, 370].contains(number) }
    /// Unexpected end.
    var isClosure: Bool { number == 294 }
}

extension EasyHandle {
    fileprivate var isProxied: Bool { proxy != .none && proxy != .environment }

    fileprivate func progress(_ watch: TransferWatch) -> RequestReport.Progress {
        RequestReport.Progress(
            resolved: time(CURLINFO_NAMELOOKUP_TIME),
            connected: watch.connected ?? time(CURLINFO_CONNECT_TIME),
            secured: time(CURLINFO_APPCONNECT_TIME)
        )
    }

    /// The step that failed.
    fileprivate func stage(
        _ code: CURLcode,
        isSecure: Bool,
        _ reason: TLSReason?,
        _ watch: TransferWatch
    ) -> RequestReport.Stage {
        var isConnected = watch.connected != nil || time(CURLINFO_CONNECT_TIME) != nil
        switch code {
        case CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY: return .resolving
        case CURLE_COULDNT_CONNECT: return .connecting
        case CURLE_SSL_CONNECT_ERROR, CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CERTPROBLEM, CURLE_SSL_CACERT_BADFILE:
            isConnected = true
        default: break
        }
        // With TLS 1.3 the server checks our certificate after we have sent the request.
        if hasSent { return isSecure && reason?.alert != nil ? .securing : .answering }
        guard isConnected else {
            return time(CURLINFO_NAMELOOKUP_TIME) == nil ? .resolving : .connecting
        }
        // The proxy has done its part once it has answered CONNECT, or TLS has begun through SOCKS.
        let isThrough = proxy.usesConnect ? (200...299).contains(connectStatus) : watch.hasBegunTLS
        if isProxied, code == CURLE_PROXY || !isThrough { return .tunnelling }
        return isSecure ? .securing : .answering
    }

    /// Makes the transfer. Gives up if the response has not arrived `limit` after the request was sent.
    fileprivate func drive(answerWithin limit: Duration) -> CURLcode {
        var deadline: UInt64?
        return drive(failure: { $0 }) { result in
            if let result { return .ended(result) }
            let now = MonotonicClock.now()
            if deadline == nil, hasSent { deadline = now.adding(saturating: limit.nanoseconds) }
            guard let deadline else { return .wait(until: .max) }
            return now < deadline ? .wait(until: deadline) : .ended(CURLE_OPERATION_TIMEDOUT)
        }
    }
}

/// Records what libcurl and OpenSSL report about one transfer while it runs. Of the sent data it notes only when the
/// first of it left.
private final class TransferWatch {
    /// The proxy that libcurl found, with its credentials.
    private(set) var proxyURL: String?
    /// Seconds from the start to the first bytes, of TLS or to a proxy: libcurl's own CONNECT_TIME is known only after
    /// all of that has succeeded.
    private(set) var connected: Double?
    /// Bytes of TLS were sent, possibly to a proxy.
    private(set) var hasBegunTLS = false
    private let start = MonotonicClock.now()
    private let seen = UnsafeMutablePointer<ccurl_certificates>.allocate(capacity: 1)
    private let easy: EasyHandle

    init(_ easy: EasyHandle) {
        self.easy = easy
        seen.initialize(to: ccurl_certificates())
    }

    deinit {
        ccurl_forget_certificates(seen)
        seen.deallocate()
    }

    func during(_ transfer: () -> CURLcode) -> CURLcode {
        ccurl_watch_certificates(easy.curl)
        ccurl_set_debug_callback(
            easy.curl,
            { _, kind, bytes, count, context in
                guard let bytes, let context else { return 0 }
                let watch = Unmanaged<TransferWatch>.fromOpaque(context).takeUnretainedValue()
                switch kind {
                case CURLINFO_TEXT: watch.note(UnsafeRawBufferPointer(start: bytes, count: count))
                case CURLINFO_SSL_DATA_OUT:
                    watch.noteConnected()
                    watch.hasBegunTLS = true
                case CURLINFO_HEADER_OUT: watch.noteConnected()
                default: break
                }
                return 0
            },
            Unmanaged.passUnretained(self).toOpaque()
        )
        easy.set(CURLOPT_VERBOSE, 1)
        ccurl_noted_certificates().pointee = seen
        defer { ccurl_noted_certificates().pointee = nil }
        return withExtendedLifetime(self) { transfer() }
    }

    /// Parses libcurl's text: `Connected to 127.0.0.1 (127.0.0.1) port 443`, `Uses proxy env variable https_proxy ==
    /// 'http://proxy.corp:3128'`.
    private func note(_ text: UnsafeRawBufferPointer) {
        if text.starts(with: "Connected to ".utf8) || text.starts(with: "SOCKS".utf8) { noteConnected() }
        guard text.starts(with: "Uses proxy env variable ".utf8) else { return }
        let parts = text.split(separator: UInt8(ascii: "'"), omittingEmptySubsequences: false)
        // A bare `host:port` is an HTTP proxy, as in curl(1).
        guard parts.count >= 3 else { return }
        let url = String(decoding: parts[1], as: UTF8.self)
        proxyURL = url.contains("://") ? url : "http://" + url
    }

    private func noteConnected() {
        guard connected == nil else { return }
        connected = Double(MonotonicClock.now().subtracting(saturating: start)) / 1e9
    }

    /// `X509_V_ERR_…`; 0 if the certificate was accepted.
    var fault: Int {
        if seen.pointee.peer_count > 0 { return Int(seen.pointee.fault) }
        var result = 0
        ccurl_get_long(easy.curl, CURLINFO_SSL_VERIFYRESULT, &result)
        // libcurl uses X509_V_ERR_UNSPECIFIED for "not known yet".
        return result == 1 ? 0 : result
    }

    var certificates: RequestReport.Certificates {
        RequestReport.Certificates(
            peer: Self.bytes(seen.pointee.peer, seen.pointee.peer_count),
            faulty: Self.bytes(seen.pointee.faulty, seen.pointee.faulty_count),
            depth: Int(seen.pointee.depth)
        )
    }

    private static func bytes(_ start: UnsafeMutablePointer<UInt8>?, _ count: Int32) -> [UInt8]? {
        guard let start, count > 0 else { return nil }
        return Array(UnsafeBufferPointer(start: start, count: Int(count)))
    }
}
