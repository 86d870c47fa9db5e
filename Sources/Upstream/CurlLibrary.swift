internal import CCurl
import Platform

/// libcurl's process-wide state.
public enum CurlLibrary {
    /// Prepares libcurl. Call before anything else, while the process has one thread (curl_global_init(3)).
    public static func initialize() {
        // libcurl's TLS backend would write session keys to the file that this variable names.
        unsetenv("SSLKEYLOGFILE")
        let status = curl_global_init(Int(CURL_GLOBAL_DEFAULT))
        precondition(status == CURLE_OK, "libcurl cannot be initialised")
        // A peer that closes must cause an error value, not the end of the process.
        signal(SIGPIPE, SIG_IGN)
        // So must a limit on the size of files (ulimit -f), which a save of the session file or a kept body may hit.
        signal(SIGXFSZ, SIG_IGN)
    }

    /// The version of libcurl at run time.
    public static var version: String { ccurl_versions()?.pointee.version.map { String(cString: $0) } ?? "unknown" }

    /// The version of its OpenSSL, or another TLS library's name and version.
    public static var tlsVersion: String {
        guard let text = ccurl_versions()?.pointee.ssl_version else { return "none" }
        let version = String(cString: text)
        return version.hasPrefix("OpenSSL/") ? String(version.dropFirst(8)) : version
    }
}
