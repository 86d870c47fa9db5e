import Credentials
import HTTP1
import Testing
import Upstream

@testable import ReverseProxy

@Suite struct ProblemTests {
    /// The spellings are a contract: scripts and dashboards read them.
    @Test func codesAreSpeltAsDocumented() {
        let expected = [
            "bad_request", "forbidden_origin", "forbidden_user", "wrong_key", "method_not_allowed", "request_timeout",
            "body_too_large", "target_too_long", "expectation_failed", "misdirected_request", "head_too_large",
            "login_needed", "session_unavailable", "upstream_unreachable", "upstream_tls", "upstream_protocol",
            "upstream_reset", "upstream_timeout", "overloaded", "shutting_down", "loop_detected", "internal_error",
            "not_found", "evicted", "pins_full", "header_required",
            "unsupported_media_type", "invalid_request", "not_replayable", "nothing_to_refresh", "configuration_error",
            "other_configuration",
        ]
        #expect(Problem.Code.allCases.map(\.rawValue) == expected)
    }

    @Test(arguments: Problem.Code.allCases) func everyStatusHasAPhrase(_ code: Problem.Code) {
        #expect((400...599).contains(code.status))
        #expect("\(StatusPhrase.of(code.status))" != "Unknown")
    }

    @Test(
        arguments: [
            (.malformed("x"), 400, .badRequest), (.headTooLarge, 431, .headTooLarge),
            (.tooManyFields, 431, .headTooLarge),
            (.targetTooLong, 414, .targetTooLong), (.bodyTooLarge, 413, .bodyTooLarge),
            (.unknownExpectation, 417, .expectationFailed), (.unsupportedVersion, 505, .badRequest),
        ] as [(HTTP1Error, Int, Problem.Code)]
    )
    func clientsBytesThatAreNoRequest(_ error: HTTP1Error, _ status: Int, _ code: Problem.Code) {
        let problem = Problem(error)
        #expect(problem.status == status && problem.code == code)
        #expect(problem.proxyError == .httpRequestError && problem.detail.hasSuffix("."))
    }

    @Test(
        arguments: [
            (.unresolvable, 502, .upstreamUnreachable, .dnsError),
            (.unreachable, 502, .upstreamUnreachable, .connectionRefused), (.tls, 502, .upstreamTLS, .tlsProtocolError),
            (.handshakeCut, 502, .upstreamTLS, .tlsProtocolError),
            (.configuration, 502, .upstreamTLS, .tlsProtocolError),
            (.timeout, 504, .upstreamTimeout, .connectionTimeout),
            (.reset, 502, .upstreamReset, .connectionTerminated),
        ] as [(UpstreamError.Kind, Int, Problem.Code, Problem.ProxyError)]
    )
    func connectionsThatFail(
        _ kind: UpstreamError.Kind,
        _ status: Int,
        _ code: Problem.Code,
        _ proxyError: Problem.ProxyError
    ) {
        let problem = Problem(UpstreamError(kind: kind, detail: "why"))
        #expect(problem.status == status && problem.code == code && problem.proxyError == proxyError)
    }

    /// The one fault of which a person can do something at once.
    @Test func aRefusedConnectionIsAdvisedUpon() {
        let problem = Problem(UpstreamError(kind: .unreachable, detail: "Nobody listens"))
        #expect(problem.detail == "Nobody listens. Is it up, and are the upstream and proxy settings right?")
    }

    @Test(
        arguments: [
            (.loginNeeded("It is over."), 401, .loginNeeded, nil), (.notRefreshable, 401, .loginNeeded, nil),
            (.unavailable(retryAfter: 7, isUnreachable: true), 503, .sessionUnavailable, 7),
            (.paused(retryAfter: 9), 503, .sessionUnavailable, 9), (.refreshDidNotHelp, 503, .sessionUnavailable, 1),
            (.notWritable("full"), 503, .sessionUnavailable, 5), (.overloaded, 503, .sessionUnavailable, 1),
            (.shuttingDown, 503, .shuttingDown, 1),
        ] as [(CredentialFailure, Int, Problem.Code, Int?)]
    )
    func sessionsWithoutAToken(_ failure: CredentialFailure, _ status: Int, _ code: Problem.Code, _ retryAfter: Int?) {
        let problem = Problem(failure)
        #expect(problem.status == status && problem.code == code && problem.retryAfter == retryAfter)
        #expect(Problem.proxyStatus(of: failure).hasPrefix("squire; error="))
    }

    @Test func causeThatClientsMayReadIsSaid() {
        let failure = CredentialFailure.unavailable(retryAfter: 7, isUnreachable: false, because: "the command x fails")
        let told = "No token can be obtained right now: the command x fails. Trying again in 7 s."
        #expect(Problem(failure).detail == told)
    }

    @Test func noWayToRefreshIsSaidOnlyWhenThereIsNone() {
        #expect(Problem(CredentialFailure.notRefreshable).detail.contains("nothing to refresh it with"))
        #expect(!Problem(CredentialFailure.refreshDidNotHelp).detail.contains("nothing to refresh it with"))
    }

    @Test func aBodyLostBySquireIsNotTheUpstreamsFault() {
        #expect(Problem.bodyLost.status == 500 && Problem.bodyLost.code == .internalError)
        #expect(Problem.bodyLost.proxyError == .proxyInternalError)
    }
}
