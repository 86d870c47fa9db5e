public import Support

/// The error codes in responses to token requests (RFC 6749 section 5.2).
public enum ErrorWord {
    public enum Meaning: Sendable {
        /// Only a login helps.
        case final
        /// The request is wrong; the spent token may still be valid.
        case request
        case other
    }

    /// From RFC 6749 section 5.2 and OpenID Connect Core section 3.1.2.6, with the codes of GitHub, Slack, Zoho and
    /// Salesforce.
    static let final: Set<String> = [
        "invalid_grant", "bad_refresh_token", "invalid_refresh_token", "token_revoked", "token_expired", "invalid_code",
        "login_required", "interaction_required", "consent_required", "bad_verification_code", "inactive_user",
    ]

    private static let request: Set<String> = [
        "invalid_client", "unauthorized_client", "unsupported_grant_type", "invalid_scope", "invalid_request",
        "invalid_target", "access_denied", "use_dpop_nonce", "invalid_dpop_proof", "incorrect_client_credentials",
        "device_flow_disabled", "invalid_client_id", "bad_client_secret", "deleted_client",
    ]

    /// The meaning of an error code for a request that spends a refresh token.
    public static func meaning(of word: String) -> Meaning {
        if final.contains(word) { return .final }
        return request.contains(word) ? .request : .other
    }

    /// The error code of a response: short, printable ASCII. Nil if there is none.
    public static func word(in json: JSONValue?) -> String? {
        guard let text = json?["error"]?.string, (1...64).contains(text.utf8.count),
            text.utf8.allSatisfy({ (0x21...0x7E).contains($0) })
        else { return nil }
        return text
    }
}
