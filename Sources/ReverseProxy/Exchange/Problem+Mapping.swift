public import Credentials
public import HTTP1
public import Upstream

/// Converts errors of other modules to problems.
extension Problem {
    /// The client's bytes are not a request that Squire can forward.
    public init(_ error: HTTP1Error) {
        let detail = error.detail.prefix(1).uppercased() + error.detail.dropFirst() + "."
        switch error {
        case .malformed, .speaksTLS, .answersTLS, .speaksHTTP2: self.init(.badRequest, detail: detail)
        case .headTooLarge, .tooManyFields: self.init(.headTooLarge, detail: detail)
        case .targetTooLong: self.init(.targetTooLong, detail: detail)
        case .bodyTooLarge: self.init(.bodyTooLarge, detail: detail)
        case .unknownExpectation: self.init(.expectationFailed, detail: detail)
        case .unsupportedVersion: self.init(.badRequest, status: 505, detail: detail)
        }
    }

    /// The upstream's bytes are not a response that Squire can forward.
    public static func protocolError(_ error: HTTP1Error) -> Problem {
        Problem(.upstreamProtocol, detail: "The upstream's response cannot be forwarded: \(error.detail).")
    }

    /// There is no connection to the upstream.
    public init(_ error: UpstreamError) {
        let detail = "\(error.detail)."
        switch error.kind {
        case .unresolvable:
            self.init(
                .upstreamUnreachable,
                detail: "\(detail) Check the upstream setting and the network.",
                proxyError: .dnsError
            )
        case .unreachable:
            self.init(
                .upstreamUnreachable,
                detail: "\(detail) Is it up, and are the upstream and proxy settings right?",
                proxyError: .connectionRefused
            )
        case .refusedByProxy:
            self.init(
                .upstreamUnreachable,
                detail: error.advice.map { "\(detail) \($0)" } ?? detail,
                proxyError: Self.proxyError(connectStatus: error.proxy?.status)
            )
            if let proxy = error.proxy { nextHop = NextHop(name: proxy.name, status: proxy.status) }
        case .tls, .handshakeCut, .configuration:
            self.init(.upstreamTLS, detail: error.advice.map { "\(detail) \($0)" } ?? detail)
        case .timeout:
            self.init(.upstreamTimeout, detail: detail, proxyError: .connectionTimeout)
        case .reset:
            self = .upstreamReset
        }
    }

    /// The Proxy-Status error for a proxy's answer to CONNECT.
    private static func proxyError(connectStatus: Int?) -> ProxyError {
        guard let connectStatus else { return .connectionTerminated }
        return switch connectStatus {
        case 407: .proxyConfigurationError
        case 400...499: .httpRequestDenied
        case 504: .connectionTimeout
        default: .destinationUnavailable
        }
    }

    /// The request needs a token and there is none. `login` is the command line that logs in.
    public init(_ failure: CredentialFailure, login: String = "squire login") {
        switch failure {
        case .loginNeeded(let explanation):
            self = .loginNeeded(explanation, login: login)
        case .notRefreshable:
            self = .loginNeeded(
                "The token has expired or was rejected, and there is nothing to refresh it with.",
                login: login
            )
        case .refreshDidNotHelp:
            self.init(
                .sessionUnavailable,
                detail: "The API rejects a token that was refreshed a moment ago.",
                proxyError: .httpRequestDenied,
                retryAfter: 1
            )
        case .overloaded:
            self = .sessionBusy
        case .unchanged(let seconds):
            self.init(
                .sessionUnavailable,
                detail: "The refresh brought the same token, which the API rejects. Trying again in \(seconds) s.",
                proxyError: .httpRequestDenied,
                retryAfter: seconds
            )
        case .unavailable(let seconds, _, let because):
            let story =
                because.map { "No token can be obtained right now: \($0)." }
                ?? "The session's token cannot be refreshed right now."
            self.init(
                .sessionUnavailable,
                detail: "\(story) Trying again in \(seconds) s.",
                retryAfter: seconds
            )
        case .misconfigured(let reason, let seconds):
            self.init(
                .sessionUnavailable,
                detail: "No token can be obtained: \(reason). Trying again in \(seconds) s.",
                proxyError: .proxyConfigurationError,
                retryAfter: seconds
            )
        case .paused(let seconds):
            self.init(
                .sessionUnavailable,
                detail: "The API rejects tokens that were just refreshed, so refreshing is paused for \(seconds) s.",
                proxyError: .httpRequestDenied,
                retryAfter: seconds
            )
        case .notWritable(let reason):
            self.init(
                .sessionUnavailable,
                detail: "The token was not refreshed because the result could not be saved: \(reason).",
                proxyError: .proxyInternalError,
                retryAfter: 5
            )
        case .shuttingDown:
            self = .shuttingDown
        }
    }

    /// The text as a string of a structured field (RFC 9651 section 3.3.3), which contains printable ASCII only.
    private static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars.prefix(300) {
            if scalar == "\"" || scalar == "\\" { result += "\\" }
            result.unicodeScalars.append((" "..."~").contains(scalar) ? scalar : "?")
        }
        return result + "\""
    }

    /// The Proxy-Status of the response to a sign-in whose token cannot be used, for that reason.
    static func proxyStatus(unusable reason: String) -> String {
        "squire; details=\(quoted("the session is as it was: \(reason)"))"
    }

    /// The Proxy-Status of the upstream's own 401 after a refresh that did not help.
    public static func proxyStatus(of failure: CredentialFailure) -> String {
        switch failure {
        case .loginNeeded: "squire; error=http_request_denied; details=\"login needed\""
        case .notRefreshable: "squire; error=http_request_denied; details=\"nothing to refresh the token with\""
        case .unchanged: "squire; error=http_request_denied; details=\"the refresh brought the same token again\""
        case .overloaded: "squire; error=connection_limit_reached; details=\"too many wait for a refresh\""
        case .unavailable: "squire; error=destination_unavailable; details=\"the refresh failed, try again later\""
        case .misconfigured(let reason, _):
            "squire; error=proxy_configuration_error; details=\(quoted(reason))"
        case .paused, .refreshDidNotHelp:
            "squire; error=http_request_denied; details=\"refreshing does not help; paused\""
        case .notWritable: "squire; error=proxy_internal_error; details=\"the session file cannot be written\""
        case .shuttingDown: "squire; error=proxy_internal_error; details=\"shutting down\""
        }
    }
}
