import Credentials
import ReverseProxy
import Settings
import Upstream

/// Ends tokens at the API, by `session.sign-out`.
struct SignOut {
    private let configuration: ProxyConfiguration
    private let path: String

    enum Outcome {
        case ended
        /// The API refuses the token: it has died before, or has only expired.
        case rejected
        case failed(status: Int)
        /// What went wrong on the way.
        case unreachable(String)
    }

    /// Nil if no way to end a token is configured.
    init?(_ configuration: ProxyConfiguration) {
        guard let path = configuration.session.signOut.compactMap(\.postPath).first else { return nil }
        self.configuration = configuration
        self.path = path
    }

    func end(_ token: Token) -> Outcome {
        let timeout = configuration.session.timeout ?? .seconds(30)
        switch SessionRequests(configuration).send("POST", path, token: token, timeout: timeout) {
        case .failure(.notSent(let error)), .failure(.noResponse(let error)): return .unreachable(error.detail)
        case .success(let response) where (200..<300).contains(response.status): return .ended
        case .success(let response) where response.status == 401: return .rejected
        case .success(let response): return .failed(status: response.status)
        }
    }

    /// Ends a token that no session has any more. One that is rejected is refreshed first, because an expired token
    /// could still be refreshed by whoever has it; the new one is known to nobody else. `mayRefresh` says whether the
    /// token may be sent to where this configuration refreshes. True if the token is dead.
    func endForGood(_ token: Token, mayRefresh: Bool = true) -> Bool {
        switch end(token) {
        case .ended: return true
        case .failed, .unreachable: return false
        case .rejected: break
        }
        guard let source = RecipeSource(configuration) else { return true }
        guard mayRefresh else { return false }
        switch source.get(HeldTokens(accessToken: token)) {
        case .obtained(let tokens, _):
            if case .ended = end(tokens.accessToken) { return true }
            return false
        case .refused: return true
        // It lives: it could not be ended a moment ago, though the API goes on giving it.
        case .unchanged: return false
        case .misconfigured, .unavailable, .unreachable, .lost: return false
        }
    }
}
