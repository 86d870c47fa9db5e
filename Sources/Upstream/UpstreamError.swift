internal import CCurl
import Platform

/// Why the upstream could not be reached, or stopped answering.
public struct UpstreamError: Error, Equatable, Sendable {
    public enum Kind: String, Sendable {
        /// The name does not resolve.
        case unresolvable
        /// Nothing accepts connections at the address.
        case unreachable
        /// The proxy refused to connect to the upstream: see `proxy`.
        case refusedByProxy
        /// The TLS handshake or the verification of the certificate failed.
        case tls
        /// The connection ended during the TLS handshake: the peer died, or closed without an alert.
        case handshakeCut
        /// The connection or the answer took too long.
        case timeout
        /// The connection broke.
        case reset
        /// A file named in `tls:` cannot be used, or libcurl refuses an option.
        case configuration
    }

    public var kind: Kind
    /// One sentence for people, without its full stop; contains no secret and no byte of the peer.
    public var detail: String
    /// A remedy, as a sentence; nil if none is known.
    public var advice: String?
    /// The proxy that refused.
    public var proxy: ProxyRefusal?

    /// Both, without the last full stop.
    public var explained: String {
        guard let advice else { return detail }
        return "\(detail). \(advice.hasSuffix(".") ? String(advice.dropLast()) : advice)"
    }

    /// How a proxy refused to connect to the upstream.
    public struct ProxyRefusal: Equatable, Sendable {
        /// `host:port`, without scheme and credentials.
        public var name: String
        /// The status of its answer to CONNECT; nil if it gave none.
        public var status: Int?
    }

    public init(kind: Kind, detail: String, advice: String? = nil) {
        self.kind = kind
        self.detail = detail
        self.advice = advice
    }

    /// A proxy's answer to CONNECT; `status` is nil if it closed the connection instead.
    init(refusal status: Int?, by name: String, hasCredentials: Bool) {
        kind = .refusedByProxy
        proxy = ProxyRefusal(name: name, status: status)
        guard let status else {
            detail = "The proxy \(name) closed the connection without an answer"
            advice = "Is it a proxy, and is the scheme in the proxy setting right?"
            return
        }
        detail = "The proxy \(name) refused to connect to the upstream (status \(status))"
        switch status {
        case 407 where hasCredentials:
            advice = "It does not take the user and the password of the proxy setting by Basic, Digest or NTLM."
        case 407: advice = "It wants a user and a password: proxy: http://USER:PASSWORD@HOST:PORT, percent-encoded."
        case 400...499: advice = "Ask whoever runs it to allow the upstream, or connect without it."
        case 500...599: advice = "It cannot reach the upstream itself: check the upstream setting, or try again later."
        default: advice = "Is it a proxy that makes tunnels (CONNECT)?"
        }
    }

    /// Translates libcurl's code; `text` is the contents of the error buffer, `systemError` the `errno` of connect(2),
    /// or 0.
    init(code: CURLcode, text: String, systemError: Int32) {
        switch code {
        case CURLE_SSL_CONNECT_ERROR where Self.isCut(text):
            kind = .handshakeCut
        case CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY:
            kind = .unresolvable
        case CURLE_OPERATION_TIMEDOUT:
            kind = .timeout
        case CURLE_SSL_CONNECT_ERROR, CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CERTPROBLEM, CURLE_SSL_CIPHER,
            CURLE_SSL_ISSUER_ERROR, CURLE_SSL_INVALIDCERTSTATUS, CURLE_SSL_PINNEDPUBKEYNOTMATCH:
            kind = .tls
        case CURLE_SSL_CACERT_BADFILE, CURLE_UNSUPPORTED_PROTOCOL, CURLE_URL_MALFORMAT, CURLE_SSL_ENGINE_NOTFOUND:
            kind = .configuration
        case CURLE_SEND_ERROR, CURLE_RECV_ERROR, CURLE_GOT_NOTHING, CURLE_PARTIAL_FILE:
            kind = .reset
        default:
            kind = .unreachable
        }
        var sentence = text.isEmpty ? String(cString: curl_easy_strerror(code)) : text
        if code == CURLE_COULDNT_CONNECT, systemError != 0 {
            sentence += ": " + String(cString: strerror(systemError)).lowercased()
        }
        advice = kind == .tls ? Self.advice(code, text) : nil
        detail = String(decoding: sentence.utf8.map { $0 < 0x20 || $0 >= 0x7F ? 0x20 : $0 }, as: UTF8.self)
    }

    /// Recognises OpenSSL's text for a connection that ends during a handshake.
    private static func isCut(_ text: String) -> Bool {
        ["SSL_ERROR_SYSCALL", "SSL_ERROR_ZERO_RETURN", "unexpected eof", "Connection reset", "Broken pipe"]
            .contains { text.contains($0) }
    }

    /// Chooses by OpenSSL's text, because libcurl has one code for many failures.
    private static func advice(_ code: CURLcode, _ text: String) -> String? {
        func says(_ parts: String...) -> Bool { parts.contains { text.contains($0) } }
        if says("expired", "not yet valid") {
            return "Is this machine's clock right? If it is, the upstream needs a new certificate."
        }
        if says("subject name", "host name") { return "Use a name in the upstream setting that the certificate has." }
        if says("self-signed", "self signed", "issuer") { return "Name the authority that signed it with tls.ca." }
        if says("wrong version number", "packet length", "http request") {
            return "It does not seem to speak TLS: try http:// in the upstream setting."
        }
        if says("certificate required", "handshake failure", "bad certificate") || code == CURLE_SSL_CERTPROBLEM {
            return "If it wants a client certificate, name one with tls.certificate and tls.key."
        }
        return nil
    }
}
