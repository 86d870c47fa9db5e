internal import CCurl

/// Whether a port speaks TLS: a handshake that is verified as always, and nothing after it. No request, no client
/// certificate, no secret goes along.
public enum TLSQuestion {
    /// True when the other end answers a handshake, be its certificate good or not. Blocking.
    public static func isAnswered(_ settings: UpstreamSettings) -> Bool {
        var settings = settings
        settings.certificate = nil
        settings.key = nil
        let easy = EasyHandle()
        easy.apply(settings)
        easy.set(CURLOPT_URL, settings.origin + "/")
        easy.set(CURLOPT_CONNECT_ONLY, 1)
        easy.set(CURLOPT_TIMEOUT_MS, settings.connectTimeout)
        switch curl_easy_perform(easy.curl) {
        case CURLE_OK, CURLE_PEER_FAILED_VERIFICATION: return true
        default: return TLSReason(easy.errorText)?.alert != nil
        }
    }
}
