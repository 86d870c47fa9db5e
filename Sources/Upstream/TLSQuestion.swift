internal import CCurl

/// Tests whether a port speaks TLS, with a handshake and nothing after it. Sends no request, client certificate or
/// secret, so there is nothing for verification to protect.
public enum TLSQuestion {
    /// True if the peer answers a handshake, whether or not its certificate is valid. Blocking.
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
