import Support

/// Keys by which other programs name what Squire names otherwise.
enum ForeignKey {
    /// By the key's place, with `-` for `_`: the rest of the message that it is unknown.
    private static let top: [String: String] = {
        var all: [String: String] = [:]
        for key in ["port", "address", "bind", "bind-address", "listen-address"] { all[key] = meant("listen") }
        for key in ["url", "target", "base-url", "baseurl", "api", "backend", "remote"] {
            all[key] = meant("upstream")
        }
        for key in ["api-key", "apikey"] {
            all[key] = ": a key is a header: headers: {X-Api-Key: {env: API_KEY}}, with session: none"
        }
        for key in ["oauth", "exec", "token-file", "refresh"] { all[key] = meant("session.\(key)") }
        for key in ["auth", "credentials"] { all[key] = meant("session") }
        all["log-level"] = ": it is an option, --log-level, or the variable SQUIRE_LOG_LEVEL"
        all["log-format"] = ": it is an option, --log-format, or the variable SQUIRE_LOG_FORMAT"
        all["timeout"] = meant("timeouts")
        return all
    }()
    private static let oauth = [
        "token-url": "token-endpoint", "token-uri": "token-endpoint", "auth-url": "authorization-endpoint",
        "authorize-url": "authorization-endpoint", "authorization-url": "authorization-endpoint",
        "auth-uri": "authorization-endpoint", "device-url": "device-authorization-endpoint",
        "revoke-url": "revocation-endpoint", "id": "client-id", "secret": "client-secret",
        "grant-type": "grant", "flow": "grant", "redirect-url": "redirect-uri", "callback": "redirect-uri",
    ].mapValues(meant)
    private static let session = [
        "header": "apply", "expiry": "margin", "refresh-before": "margin", "leeway": "margin", "login": "sign-in",
        "logout": "sign-out",
    ].mapValues(meant)
    private static let verification = ": verification cannot be turned off; tls.ca names a private authority"

    /// What to write instead, as the end of a sentence; nil if the key is not known from elsewhere. `prefix` is the
    /// path of its map, such as `session.`.
    static func hint(_ key: String, in prefix: String) -> String? {
        let key = key.lowercased().replacingAll("_", with: "-")
        switch prefix {
        case "": return top[key]
        case "session.": return session[key]
        case "session.oauth.": return oauth[key]
        case "tls." where ["verify", "insecure", "skip-verify", "reject-unauthorized", "verify-peer"].contains(key):
            return verification
        default: return nil
        }
    }

    private static func meant(_ key: String) -> String { ": did you mean \"\(key)\"?" }
}
