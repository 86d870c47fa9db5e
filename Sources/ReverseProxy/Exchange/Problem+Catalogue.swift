/// The problems whose text does not depend on what happened.
extension Problem {
    public static let misdirected = Problem(
        .misdirectedRequest,
        detail: "The Host is neither this proxy's nor the upstream's. "
            + "Use localhost or 127.0.0.1, or list the name in access.hosts."
    )
    public static let outsideBasePath = Problem(
        .misdirectedRequest,
        detail: "The target names the upstream, but is not below the path of its URL (upstream)."
    )
    public static let aboveBasePath = Problem(
        .badRequest,
        detail: "The target leads above the path of the upstream's URL (upstream), as some servers read it."
    )
    public static let forbiddenOrigin = Problem(
        .forbiddenOrigin,
        detail: "A web page of another origin may not use this session. Add its origin to access.origins to let it."
    )
    public static let speculative = Problem(
        .forbiddenOrigin,
        detail: "Prefetch and prerender requests are refused: any page can make a browser send them."
    )
    public static let unprovenPage = Problem(
        .forbiddenOrigin,
        detail: "A browser does not say which page sends a request to this Host, so it needs the X-Squire-Key header "
            + "(access.key). Or call Squire as localhost or 127.0.0.1."
    )
    public static let forbiddenUser = Problem(
        .forbiddenUser,
        detail: "The connection comes from another user of this machine. "
            + "Set access.same-user to false to let others in."
    )
    /// The owner of the connection cannot be found any more: it may have been anybody.
    public static let departedUser = Problem(
        .forbiddenUser,
        detail:
            "The client closed the connection before the system could be asked whose it was, so that its request is "
            + "not served (access.same-user)."
    )
    /// The owner of the connection is unknown, so it may be anybody.
    public static let unknownUser = Problem(
        .forbiddenUser,
        detail: "The system does not tell whose connection this is, neither by AF_NETLINK nor by /proc/net/tcp. "
            + "Allow one of them, listen on a Unix socket, or set access.same-user to false to let everybody in."
    )
    public static let wrongKey = Problem(.wrongKey, detail: "The X-Squire-Key header is missing or wrong.")
    public static let methodNotAllowed = Problem(
        .methodNotAllowed,
        detail: "CONNECT and TRACE are not served: this is a reverse proxy for one upstream."
    )
    public static let requestTimeout = Problem(.requestTimeout, detail: "The request did not arrive in time.")
    public static let loopDetected = Problem(
        .loopDetected,
        detail: "The request has passed this proxy before: the upstream setting points at Squire itself."
    )
    public static let overloaded = Problem(
        .overloaded,
        detail: "Too many connections are open (limits.connections).",
        retryAfter: 1
    )
    public static let shuttingDown = Problem(.shuttingDown, detail: "Squire is stopping.", retryAfter: 1)
    public static let upstreamReset = Problem(
        .upstreamReset,
        detail: "The upstream closed the connection before it answered."
    )
    /// The same on a new connection without TLS.
    public static let plainUpstreamReset = Problem(
        .upstreamReset,
        detail: "The upstream closed the connection before it answered. If it speaks TLS there, upstream must "
            + "begin with https://: squire check --online tells."
    )
    public static let firstByteTimeout = Problem(
        .upstreamTimeout,
        detail: "The upstream did not answer in time (timeouts.first-byte)."
    )
    public static let sessionSwitched = Problem(
        .sessionUnavailable,
        detail: "Another customer logged in while this request waited; it was not sent again on their behalf.",
        proxyError: .httpRequestDenied,
        retryAfter: 0
    )
    /// A sign-out with a token that machines share in `place`, which this configuration does not name.
    public static func sharedElsewhere(_ place: String) -> Problem {
        Problem(
            .sessionUnavailable,
            detail: "Nothing is ended, and the API was not asked: machines share this session in \(place), which "
                + "session.shared does not name, and they would lose it, and not know why. Log out on one of them.",
            proxyError: .proxyConfigurationError,
            retryAfter: 60
        )
    }
    public static let sessionBusy = Problem(
        .sessionUnavailable,
        detail: "The token refresh is taking too long or has too many requests waiting. Retry shortly.",
        proxyError: .connectionLimitReached,
        retryAfter: 1
    )
    /// The copy of a request's body on disk cannot be read back.
    public static let bodyLost = Problem(
        .internalError,
        detail: "The temporary copy of the request's body cannot be read."
    )
    /// A fault of Squire's own that ended the exchange.
    public static let internalError = Problem(.internalError, detail: "Squire failed to handle the request.")

    /// `explanation` says what happened to the session, as a sentence; `login` is the command line that logs in.
    public static func loginNeeded(_ explanation: String? = nil, login: String = "squire login") -> Problem {
        Problem(.loginNeeded, detail: "\(explanation ?? "There is no usable session.") Run: \(login)")
    }
}
