/// Who the session is and how it does; never the token.
package struct SessionStatus: Sendable {
    package enum State: String, Sendable {
        case usable, refreshing
        case loginNeeded = "login_needed"
        case none
    }

    package var state: State
    package var generation: Generation
    package var subject: String?
    /// Seconds since 1970, by the issuer's clock.
    package var issuedAt: Int?
    /// Seconds since 1970, by this machine's clock.
    package var expiresAt: Int?
    package var expiresIn: Int?
    package var refreshes: Int
    package var lastRefresh: SessionRecord.LastRefresh?
    /// The file holds a token, but of this other upstream: it is not sent.
    package var foreignUpstream: String?

    /// The `session` object of `/api/status` and of `squire status --json`.
    package var json: JSONValue {
        let number = { (value: Int?) in value.map(JSONValue.integer) ?? .null }
        let last: JSONValue =
            lastRefresh.map {
                .object([
                    .init("at", .integer($0.at)), .init("cause", .string($0.cause)),
                    .init("outcome", .string($0.outcome)),
                ])
            } ?? .null
        return .object([
            .init("state", .string(state.rawValue)), .init("generation", .number("\(generation)")),
            .init("subject", subject.map(JSONValue.string) ?? .null), .init("issued_at", number(issuedAt)),
            .init("expires_at", number(expiresAt)), .init("expires_in", number(expiresIn)),
            .init("refreshes", .integer(refreshes)), .init("last_refresh", last),
        ])
    }
}
