internal import CCurl

/// Whether a port speaks TLS: a handshake, and nothing after it. No request, no client certificate, no secret goes along,
/// so that there is nothing for verification to protect.
public enum TLSQuestion {
    /// True when the other end answers a handshake, be its certificate good or not. Blocking.
    public static func isAnswered(_ settings: UpstreamSettings) -> Bool {
        var settings = settings
        settings.certificate = nil
        settings.key = nil
        let easy = EasyHandle()
        easy.apply(settings)
        easy.set(CURLOPT_SSL_VERIFYPEER, 0)
        easy.set(CURLOPT_SSL_VERIFYHOST, 0)
        easy.set(CURLOPT_URL, settings.origin + "/")
        easy.set(CURLOPT_CONNECT_ONLY, 1)
        easy.set(CURLOPT_TIMEOUT_MS, settings.connectTimeout)
        return curl_easy_perform(easy.curl) == CURLE_OK || TLSReason(easy.errorText)?.alert != nil
    }
}
