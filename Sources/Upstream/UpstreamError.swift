internal import CCurl

/// Why the upstream could not be reached, or stopped answering.
package struct UpstreamError: Error, Equatable, Sendable {
    package enum Kind: String, Sendable {
        /// The name does not resolve.
        case unresolvable
        /// Nothing accepts connections there, or the configured proxy refused.
        case unreachable
        /// The TLS handshake or the verification of the certificate failed.
        case tls
        /// Not connected in time, or no answer in time.
        case timeout
        /// The connection broke.
        case reset
        /// A file named in `tls:` cannot be used, or libcurl refuses an option.
        case configuration
    }

    package var kind: Kind
    /// One sentence for people; holds no secret and no byte of the peer's.
    package var detail: String

    package init(kind: Kind, detail: String) {
        self.kind = kind
        self.detail = detail
    }

    /// Translates libcurl's code; `text` is what it wrote to the error buffer.
    init(code: CURLcode, text: String) {
        switch code {
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
        let sentence = text.isEmpty ? String(cString: curl_easy_strerror(code)) : text
        detail = String(decoding: sentence.utf8.map { $0 < 0x20 || $0 >= 0x7F ? 0x20 : $0 }, as: UTF8.self)
    }
}
