public import Credentials
import Support
import Upstream

/// The result of revoking a token, or all of a session's, at its issuer.
public enum RevocationOutcome: Equatable, Sendable {
    /// The token is revoked, or was not valid.
    case ended
    /// The session cannot continue, but its access token may live until it expires.
    case endedPartly(String)
    /// The API rejects the token that its own request is sent with: that has ended before, and nothing else was ended.
    case rejected
    /// The server offers no revocation: the token is valid until its end.
    case noWay
    /// It failed for now; `retryAfter` is what the server asked for, in seconds.
    case unavailable(String, retryAfter: Int? = nil)
    /// Nothing was sent.
    case unreachable(String)
    /// The server refuses the request.
    case refused(String)
}

extension RevocationOutcome {
    /// Why the token lives on, as a clause.
    public var reason: String {
        switch self {
        case .ended: "it has ended"
        case .rejected: "the access token had ended before, and session.oauth.revocation ends nothing without it"
        case .noWay: "the authorization server has no way to end tokens"
        case .unavailable(let reason, let seconds): reason + (seconds.map { ", and asks for \($0) s" } ?? "")
        case .endedPartly(let reason), .unreachable(let reason), .refused(let reason): reason
        }
    }
}

extension TokenEndpoint {
    /// Revokes the refresh token first: at most servers that also ends its access tokens, and the session cannot continue
    /// without it. Blocking.
    public func revoke(_ held: HeldTokens) -> RevocationOutcome {
        var hasEnded = false
        if let token = held.refreshToken {
            switch revoke(token, .refreshToken) {
            case .ended, .rejected: hasEnded = true
            case .noWay: break
            case let outcome: return outcome
            }
        }
        switch held.accessToken.map({ revoke($0, .accessToken) }) ?? .noWay {
        case .ended: return .ended
        case .rejected: return hasEnded || held.refreshToken == nil ? .ended : .rejected
        case .noWay: return hasEnded ? .ended : .noWay
        case let outcome: return hasEnded ? .endedPartly(outcome.reason) : outcome
        }
    }

    /// Which of a session's tokens is revoked (RFC 7009 section 2.1).
    public enum TokenKind: String, Sendable {
        case accessToken = "access_token"
        case refreshToken = "refresh_token"
    }

    /// Revokes a token at the issuer. Blocking. Most issuers revoke the access tokens of a refresh token with it (RFC
    /// 7009 section 2.1). A request of the API's own (`session.oauth.revocation`) revokes the access token alone.
    public func revoke(_ token: Token, _ kind: TokenKind) -> RevocationOutcome {
        do throws(EndpointFailure) {
            switch configuration.revocation {
            case .endpoint(let url): return try revoke(token, kind, at: url)
            case .discovered:
                guard let url = try discovered(.revocation) else { return .noWay }
                return try revoke(token, kind, at: url)
            case .request(let method, let url, let body):
                return kind == .accessToken ? request(method, url, body, token) : .noWay
            }
        } catch {
            switch error {
            case .misconfigured(let reason): return .refused(reason)
            case .unavailable(let reason, let retryAfter, _): return .unavailable(reason, retryAfter: retryAfter)
            case .unreachable(let reason, _): return .unreachable(reason)
            }
        }
    }

    private func revoke(
        _ token: Token,
        _ kind: TokenKind,
        at url: EndpointURL
    ) throws(EndpointFailure) -> RevocationOutcome {
        let sent = try post([("token", token.value), ("token_type_hint", kind.rawValue)], to: url)
        return outcome(sent.reply, hiding: sent.secrets + [token.value], isOwn: true)
    }

    /// Sends the API's own request, to which the token is applied as to any other.
    private func request(_ method: String, _ url: EndpointURL, _ body: String?, _ token: Token) -> RevocationOutcome {
        var fields = [
            ("Accept", "application/json"), ("User-Agent", "squire"),
            (services.apply.field, services.apply.value(token)),
        ]
        if let body {
            let isJSON = body.utf8.first { $0 > 0x20 } == UInt8(ascii: "{")
            fields.append(("Content-Type", isJSON ? "application/json" : "application/x-www-form-urlencoded"))
        }
        var request = BlockingRequest(
            method: method,
            url: url.text,
            fields: fields,
            body: body.map { Array($0.utf8) },
            timeout: configuration.timeout
        )
        request.maximumResponseBytes = Self.maxBytes
        return outcome(send(request, to: url), hiding: [token.value], isOwn: false)
    }

    /// `isOwn` is true for OAuth's own request (RFC 7009), where a 200 is a success; other APIs report errors with 200.
    private func outcome(_ reply: BlockingRequest.Outcome, hiding secrets: [String], isOwn: Bool) -> RevocationOutcome {
        switch reply {
        case .failure(.notSent(let error)): return .unreachable("revocation: \(error.detail)")
        case .failure(.noResponse(let error, _)): return .unavailable("revocation: \(error.detail)")
        case .success(let response):
            let answer = TokenAnswer(response, of: "revocation", configuration, hiding: secrets + services.secrets)
            let isSuccess = (200..<300).contains(response.status)
            if isSuccess, isOwn || !answer.hasError { return .ended }
            // The token authorizes the request itself, so a refusal means that it is no longer valid.
            if !isOwn, response.status == 401 { return .rejected }
            switch answer.revocationProblem(wall: services.clock.wall()) {
            case .dead: return isOwn ? .ended : .rejected
            case .passing(let reason, let retryAfter): return .unavailable(reason, retryAfter: retryAfter)
            case .lasting(let reason): return .refused(reason)
            }
        }
    }
}
