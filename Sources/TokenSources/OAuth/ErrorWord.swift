public import Support

/// The `error` of an answer to a token request (RFC 6749 section 5.2), in a word.
public enum ErrorWord {
    public enum Meaning: Sendable {
        /// Only a login helps.
        case final
        /// It is about how was asked, and says nothing of what was spent.
        case request
        case other
    }

    /// RFC 6749 section 5.2, OpenID Connect Core section 3.1.2.6, and what GitHub, Slack, Zoho and Salesforce call it.
    static let final: Set<String> = [
        "invalid_grant", "bad_refresh_token", "invalid_refresh_token", "token_revoked", "token_expired", "invalid_code",
        "login_required", "interaction_required", "consent_required", "bad_verification_code", "inactive_user",
    ]

    private static let request: Set<String> = [
        "invalid_client", "unauthorized_client", "unsupported_grant_type", "invalid_scope", "invalid_request",
        "invalid_target", "access_denied", "use_dpop_nonce", "invalid_dpop_proof", "incorrect_client_credentials",
        "device_flow_disabled", "invalid_client_id", "bad_client_secret", "deleted_client",
    ]

    /// What a word means to whoever spends a refresh token.
    public static func meaning(of word: String) -> Meaning {
        if final.contains(word) { return .final }
        return request.contains(word) ? .request : .other
    }

    /// The word of an answer, which is short and of printable ASCII; nil if there is none.
    public static func word(in json: JSONValue?) -> String? {
        guard let text = json?["error"]?.string, (1...64).contains(text.utf8.count),
            text.utf8.allSatisfy({ (0x21...0x7E).contains($0) })
        else { return nil }
        return text
    }
}
