/// A failure that Squire reports in a response of its own (RFC 9457 problem details, RFC 9209 Proxy-Status).
public struct Problem: Error, Sendable, Equatable {
    /// The name of a problem in responses, logs and metrics. The list is closed: each code is counted, and none can be
    /// misspelt.
    public enum Code: String, CaseIterable, Sendable, BitwiseCopyable {
        // Faults of the client's request.
        case badRequest = "bad_request"
        case forbiddenOrigin = "forbidden_origin"
        case forbiddenUser = "forbidden_user"
        case wrongKey = "wrong_key"
        case methodNotAllowed = "method_not_allowed"
        case requestTimeout = "request_timeout"
        case bodyTooLarge = "body_too_large"
        case targetTooLong = "target_too_long"
        case expectationFailed = "expectation_failed"
        case misdirectedRequest = "misdirected_request"
        case headTooLarge = "head_too_large"
        // Faults of the session.
        case loginNeeded = "login_needed"
        case sessionUnavailable = "session_unavailable"
        // Faults of the upstream.
        case upstreamUnreachable = "upstream_unreachable"
        case upstreamTLS = "upstream_tls"
        case upstreamProtocol = "upstream_protocol"
        case upstreamReset = "upstream_reset"
        case upstreamTimeout = "upstream_timeout"
        // Faults of Squire itself.
        case overloaded
        case shuttingDown = "shutting_down"
        case loopDetected = "loop_detected"
        case internalError = "internal_error"
        // Problems of the inspector.
        case notFound = "not_found"
        case evicted
        case pinsFull = "pins_full"
        case headerRequired = "header_required"
        case unsupportedMediaType = "unsupported_media_type"
        case invalidRequest = "invalid_request"
        case notReplayable = "not_replayable"
        case nothingToRefresh = "nothing_to_refresh"
        case configurationError = "configuration_error"
        case otherConfiguration = "other_configuration"
    }

    /// The `error` of a Proxy-Status field (RFC 9209 section 2.3).
    public enum ProxyError: String, Sendable {
        case dnsError = "dns_error"
        case destinationUnavailable = "destination_unavailable"
        case connectionRefused = "connection_refused"
        case connectionTerminated = "connection_terminated"
        case connectionTimeout = "connection_timeout"
        case connectionLimitReached = "connection_limit_reached"
        case tlsProtocolError = "tls_protocol_error"
        case httpRequestError = "http_request_error"
        case httpRequestDenied = "http_request_denied"
        case httpProtocolError = "http_protocol_error"
        case httpResponseTimeout = "http_response_timeout"
        case proxyInternalError = "proxy_internal_error"
        case proxyLoopDetected = "proxy_loop_detected"
        case proxyConfigurationError = "proxy_configuration_error"
    }

    public var code: Code
    public var status: Int
    /// Sentences for people: what is wrong, and what to do. Contains no secret and nothing from the request.
    public var detail: String
    public var proxyError: ProxyError
    /// Seconds after which a retry may succeed; nil if unknown.
    public var retryAfter: Int?
    /// The server between Squire and the upstream, if it is the one that failed.
    public var nextHop: NextHop?
    /// The part of the request that caused the problem, redacted and short. For the log only, because a client must not
    /// be made to repeat text that somebody else put into its request.
    public var evidence: String?

    /// The text for the log.
    public var explanation: String { evidence.map { "\($0): \(detail)" } ?? detail }

    /// The next-hop and received-status of a Proxy-Status field (RFC 9209 sections 2.1.2 and 2.1.4).
    public struct NextHop: Sendable, Equatable {
        /// The name in the configuration.
        public var name: String
        public var status: Int?
    }

    /// `status` and `proxyError` default to those of the code.
    public init(
        _ code: Code,
        status: Int? = nil,
        detail: String,
        proxyError: ProxyError? = nil,
        retryAfter: Int? = nil
    ) {
        self.code = code
        self.status = status ?? code.status
        self.detail = detail
        self.proxyError = proxyError ?? code.proxyError
        self.retryAfter = retryAfter
    }
}

extension Problem.Code {
    /// The status code of a response with this problem, unless the problem overrides it.
    public var status: Int {
        switch self {
        case .badRequest: 400
        case .loginNeeded: 401
        case .forbiddenOrigin, .forbiddenUser, .wrongKey, .headerRequired: 403
        case .notFound, .evicted: 404
        case .methodNotAllowed: 405
        case .requestTimeout: 408
        case .notReplayable, .nothingToRefresh, .otherConfiguration, .pinsFull: 409
        case .bodyTooLarge: 413
        case .targetTooLong: 414
        case .unsupportedMediaType: 415
        case .expectationFailed: 417
        case .misdirectedRequest: 421
        case .invalidRequest, .configurationError: 422
        case .headTooLarge: 431
        case .internalError: 500
        case .upstreamUnreachable, .upstreamTLS, .upstreamProtocol, .upstreamReset: 502
        case .sessionUnavailable, .overloaded, .shuttingDown: 503
        case .upstreamTimeout: 504
        case .loopDetected: 508
        }
    }

    /// The Proxy-Status error, unless the problem overrides it.
    var proxyError: Problem.ProxyError {
        switch self {
        case .badRequest, .requestTimeout, .bodyTooLarge, .targetTooLong, .expectationFailed, .headTooLarge,
            .unsupportedMediaType, .invalidRequest:
            .httpRequestError
        case .forbiddenOrigin, .forbiddenUser, .wrongKey, .methodNotAllowed, .misdirectedRequest, .loginNeeded,
            .notFound, .evicted, .pinsFull, .headerRequired, .notReplayable, .nothingToRefresh,
            .configurationError, .otherConfiguration:
            .httpRequestDenied
        case .sessionUnavailable, .upstreamUnreachable: .destinationUnavailable
        case .upstreamTLS: .tlsProtocolError
        case .upstreamProtocol: .httpProtocolError
        case .upstreamReset: .connectionTerminated
        case .upstreamTimeout: .httpResponseTimeout
        case .overloaded: .connectionLimitReached
        case .shuttingDown, .internalError: .proxyInternalError
        case .loopDetected: .proxyLoopDetected
        }
    }
}
