import Credentials
import ReverseProxy
import Settings
import TokenSources
import Upstream

/// Ends tokens at their source: by `session.sign-out` at the API, or at the authorization server.
struct SignOut {
    private let configuration: ProxyConfiguration
    private let way: Way

    private enum Way {
        /// A request of the API that ends the token with which it is sent.
        case route(method: String, path: String)
        /// RFC 7009, or the server's substitute for it.
        case revocation(TokenEndpoint)
    }

    enum Outcome {
        case ended
        /// The API rejects the token, as `session.rejected` says: it is dead or has only expired.
        case rejected
        /// The session cannot continue, but its access token may live until it expires.
        case endedPartly(reason: String)
        /// The access token had ended before, and with it the request that would have ended the session: the refresh token
        /// may live.
        case cameTooLate
        /// There is no way to end the tokens, which live on.
        case noWay
        case failed(Failure)
    }

    /// Why nothing was ended.
    enum Failure {
        /// Another attempt may succeed.
        case later(reason: String)
        case unreachable(reason: String)
        /// The server does not support this, or not in this form.
        case refused(reason: String)
    }

    /// Nil if no way to end a token is configured. An authorization server may turn out to have none.
    init?(_ loaded: LoadedConfiguration) {
        configuration = loaded.configuration
        switch configuration.session.source {
        case .oauth(let oauth): way = .revocation(ConfiguredSource.tokenEndpoint(oauth, loaded))
        case .given, .recipe:
            guard let (method, path) = configuration.session.signOut.lazy.compactMap(\.singleRequest).first else {
                return nil
            }
            way = .route(method: method, path: path)
        case .unused, .exec, .tokenFile: return nil
        }
    }

    /// Ends the held tokens. A route needs a live access token.
    func end(_ held: HeldTokens) -> Outcome {
        switch way {
        case .revocation(let endpoint): revoke(held, at: endpoint)
        case .route(let method, let path): held.accessToken.map { call(method, path, $0) } ?? .rejected
        }
    }

    private func call(_ method: String, _ path: String, _ token: Token) -> Outcome {
        let timeout = configuration.session.timeout ?? .seconds(30)
        let policy = RejectionPolicy(configuration.session.rejected)
        switch SessionRequests(configuration).send(method, path, token: token, timeout: timeout) {
        // Its status says that the session has ended, however the rest of it fails.
        case .failure(.noResponse(_, let cut?)) where !policy.isRejected(cut, to: method): return .ended
        case .failure(.notSent(let error)), .failure(.noResponse(let error, _)):
            return .failed(.unreachable(reason: error.explained))
        case .success(let response) where policy.isRejected(response, to: method): return .rejected
        case .success(let response) where (200..<300).contains(response.status): return .ended
        case .success(let response): return .failed(.later(reason: "status \(response.status)"))
        }
    }

    // MARK: RFC 7009

    private func revoke(_ held: HeldTokens, at endpoint: TokenEndpoint) -> Outcome {
        let outcome = endpoint.revoke(held)
        return switch outcome {
        case .ended: .ended
        case .endedPartly(let reason): .endedPartly(reason: reason)
        case .rejected: .cameTooLate
        case .noWay: .noWay
        case .unavailable: .failed(.later(reason: outcome.reason))
        case .unreachable: .failed(.unreachable(reason: outcome.reason))
        case .refused: .failed(.refused(reason: outcome.reason))
        }
    }

    // MARK: Tokens that no session has

    /// Ends tokens that no session contains any more. A rejected one is refreshed first, because whoever has an expired
    /// token could still refresh it; nobody else knows the new one. `mayRefresh` says whether the tokens may be sent to
    /// this configuration's refresh endpoint. Returns true if none of them lives.
    func endForGood(_ held: HeldTokens, mayRefresh: Bool = true) -> Bool {
        switch end(held) {
        case .ended: return true
        case .endedPartly, .cameTooLate, .noWay, .failed: return false
        case .rejected: break
        }
        guard let source = RecipeSource(configuration) else { return true }
        guard mayRefresh else { return false }
        switch source.get(held) {
        case .obtained(let tokens, _):
            if case .ended = end(HeldTokens(accessToken: tokens.accessToken, refreshToken: tokens.refreshToken)) {
                return true
            }
            return false
        case .refused: return true
        // The token is alive: the API returned it again, although it rejected the sign-out.
        case .unchanged: return false
        case .misconfigured, .unavailable, .unreachable, .lost: return false
        }
    }

    /// Ends tokens that the session does not adopt. Returns a sentence about the outcome.
    static func endRefused(_ tokens: TokenSet, _ loaded: LoadedConfiguration) -> String {
        endRefused(UnusableTokens(tokens), loaded)
    }

    static func endRefused(_ tokens: UnusableTokens, _ loaded: LoadedConfiguration) -> String {
        let held = HeldTokens(accessToken: tokens.accessToken, refreshToken: tokens.refreshToken)
        return SignOut(loaded)?.endForGood(held) ?? false
            ? "The new token was ended at the API." : "The new token was thrown away, and lives on at the API."
    }
}

extension SignOut.Failure {
    var reason: String {
        switch self {
        case .later(let reason), .unreachable(let reason), .refused(let reason): reason
        }
    }
}
