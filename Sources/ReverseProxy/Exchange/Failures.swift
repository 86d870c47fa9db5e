public import Credentials
public import HTTP1
public import Upstream

/// Every answer of Squire's own.
extension Failure {
    public static let misdirected = Failure(
        421,
        "misdirected_request",
        "Misdirected Request",
        detail:
            "The Host is neither this proxy's nor the upstream's. Call it by a loopback name, or add the name to access.hosts.",
        proxyError: "http_request_denied"
    )
    public static let forbiddenOrigin = Failure(
        403,
        "forbidden_origin",
        "Forbidden",
        detail: "A web page of another origin may not use this session. Add its origin to access.origins to let it.",
        proxyError: "http_request_denied"
    )
    public static let forbiddenUser = Failure(
        403,
        "forbidden_user",
        "Forbidden",
        detail:
            "The connection comes from another user of this machine. Set access.same-user to false to let others in.",
        proxyError: "http_request_denied"
    )
    public static let unknownUser = Failure(
        403,
        "forbidden_user",
        "Forbidden",
        detail:
            "The system does not say whose connection this is, neither by AF_NETLINK nor by /proc/net/tcp. Allow one of them, listen on a Unix socket, or set access.same-user to false to let everybody in.",
        proxyError: "http_request_denied"
    )
    public static let wrongKey = Failure(
        403,
        "wrong_key",
        "Forbidden",
        detail: "The X-Squire-Key header is missing or wrong.",
        proxyError: "http_request_denied"
    )
    public static let methodNotAllowed = Failure(
        405,
        "method_not_allowed",
        "Method Not Allowed",
        detail: "CONNECT and TRACE are not served: this is a reverse proxy for one upstream.",
        proxyError: "http_request_denied"
    )
    public static let requestTimeout = Failure(
        408,
        "request_timeout",
        "Request Timeout",
        detail: "The request did not arrive in time.",
        proxyError: "http_request_error"
    )
    public static let loopDetected = Failure(
        508,
        "loop_detected",
        "Loop Detected",
        detail: "The request has passed this proxy before: the upstream setting points at Squire itself.",
        proxyError: "proxy_loop_detected"
    )
    /// `story` is what happened, as a sentence.
    public static func loginNeeded(_ story: String? = nil) -> Failure {
        Failure(
            401,
            "login_needed",
            "Login Needed",
            detail: "\(story ?? "There is no usable session.") Run: squire login",
            proxyError: "http_request_denied"
        )
    }
    public static let overloaded = Failure(
        503,
        "overloaded",
        "Overloaded",
        detail: "Too many connections are open (limits.connections).",
        proxyError: "connection_limit_reached",
        retryAfter: 1
    )
    public static let shuttingDown = Failure(
        503,
        "shutting_down",
        "Shutting Down",
        detail: "Squire is stopping.",
        proxyError: "proxy_internal_error",
        retryAfter: 1
    )
    public static let incomplete = Failure(
        502,
        "upstream_reset",
        "Upstream Reset",
        detail: "The upstream closed the connection before it answered.",
        proxyError: "connection_terminated"
    )
    public static let firstByteTimeout = Failure(
        504,
        "upstream_timeout",
        "Upstream Timeout",
        detail: "The upstream did not answer in time (timeouts.first-byte).",
        proxyError: "http_response_timeout"
    )
    public static let sessionSwitched = Failure(
        503,
        "session_unavailable",
        "Session Changed",
        detail: "Another customer logged in while this request waited; it was not sent again on their behalf.",
        proxyError: "http_request_denied",
        retryAfter: 0
    )

    public static let sessionBusy = Failure(
        503,
        "session_unavailable",
        "Session Unavailable",
        detail:
            "The token is being refreshed, and that takes too long, or too many wait for it. Try again in a moment.",
        proxyError: "connection_limit_reached",
        retryAfter: 1
    )

    public static func protocolError(_ error: HTTP1Error) -> Failure {
        Failure(
            502,
            "upstream_protocol",
            "Bad Gateway",
            detail: "The upstream's answer cannot be passed on: \(error.detail).",
            proxyError: "http_protocol_error"
        )
    }

    /// Bytes of a client that are not a request.
    public init(_ error: HTTP1Error) {
        let (status, code, title) =
            switch error {
            case .malformed: (400, "bad_request", "Bad Request")
            case .headTooLarge, .tooManyFields: (431, "head_too_large", "Request Header Fields Too Large")
            case .targetTooLong: (414, "target_too_long", "URI Too Long")
            case .bodyTooLarge: (413, "body_too_large", "Content Too Large")
            case .unknownExpectation: (417, "expectation_failed", "Expectation Failed")
            case .unsupportedVersion: (505, "bad_request", "HTTP Version Not Supported")
            }
        let detail = error.detail
        self.init(
            status,
            code,
            title,
            detail: detail.prefix(1).uppercased() + detail.dropFirst() + ".",
            proxyError: "http_request_error"
        )
    }

    public init(_ error: UpstreamError) {
        switch error.kind {
        case .unresolvable:
            self.init(
                502,
                "upstream_unreachable",
                "Upstream Unreachable",
                detail: "\(error.detail). Check the upstream setting and the network.",
                proxyError: "dns_error"
            )
        case .unreachable:
            self.init(
                502,
                "upstream_unreachable",
                "Upstream Unreachable",
                detail: "\(error.detail).",
                proxyError: "connection_refused"
            )
        case .tls, .configuration:
            self.init(
                502,
                "upstream_tls",
                "Upstream TLS Failure",
                detail: "\(error.detail).\(error.advice.map { " \($0)" } ?? "")",
                proxyError: "tls_protocol_error"
            )
        case .timeout:
            self.init(
                504,
                "upstream_timeout",
                "Upstream Timeout",
                detail: "\(error.detail).",
                proxyError: "connection_timeout"
            )
        case .reset:
            self = .incomplete
        }
    }

    public init(_ failure: CredentialFailure) {
        switch failure {
        case .loginNeeded(let story):
            self = .loginNeeded(story)
        case .notRefreshable, .refreshDidNotHelp:
            self = .loginNeeded("The token has expired, and no way to refresh it is configured.")
        case .overloaded:
            self = .sessionBusy
        case .unavailable(let seconds, _), .paused(let seconds):
            self.init(
                503,
                "session_unavailable",
                "Session Unavailable",
                detail:
                    "The session's token has expired and cannot be refreshed right now. Trying again in \(seconds) s.",
                proxyError: "destination_unavailable",
                retryAfter: seconds
            )
        case .notWritable(let reason):
            self.init(
                503,
                "session_unavailable",
                "Session Unavailable",
                detail: "The token was not refreshed because the result could not be saved: \(reason).",
                proxyError: "proxy_internal_error",
                retryAfter: 5
            )
        case .shuttingDown:
            self = .shuttingDown
        }
    }

    /// What Proxy-Status says of the upstream's own 401 when refreshing did not help.
    static func proxyStatus(of failure: CredentialFailure) -> String {
        switch failure {
        case .loginNeeded: "squire; error=http_request_denied; details=\"login needed\""
        case .notRefreshable: "squire; error=http_request_denied; details=\"no way to refresh is configured\""
        case .overloaded: "squire; error=connection_limit_reached; details=\"too many wait for a refresh\""
        case .unavailable: "squire; error=destination_unavailable; details=\"the refresh failed, try again later\""
        case .paused, .refreshDidNotHelp:
            "squire; error=http_request_denied; details=\"refreshing does not help; paused\""
        case .notWritable: "squire; error=proxy_internal_error; details=\"the session file cannot be written\""
        case .shuttingDown: "squire; error=proxy_internal_error; details=\"shutting down\""
        }
    }
}
