public import Credentials
import Threads

/// Gets tokens from an authorization server by the configured grant.
///
/// *Threading*: call `get` on one thread at a time.
public final class OAuthSource: TokenSource {
    public let endpoint: TokenEndpoint

    private var configuration: OAuthConfiguration { endpoint.configuration }

    public init(_ endpoint: TokenEndpoint) {
        self.endpoint = endpoint
    }

    public convenience init(_ configuration: OAuthConfiguration, _ services: OAuthServices) {
        self.init(TokenEndpoint(configuration, services))
    }

    public var spends: Bool { configuration.grant.spends }

    public var grant: String? { configuration.grant.name }

    public var clockSkew: Int? { endpoint.correction }

    /// Fetches what the first refresh needs ahead of time, on a thread of its own. A source that starts alone asks for
    /// a token at once anyway.
    public func prepare() {
        guard spends else { return }
        NativeThread(name: "squire-prepare") { [endpoint] in endpoint.prepare() }?.detach()
    }

    public func canGet(with held: HeldTokens) -> Bool { startsAlone || held.refreshToken != nil }

    public func get(_ held: HeldTokens) -> TokenOutcome { get(held) { true } }

    public func get(_ held: HeldTokens, if maySend: @escaping @Sendable () -> Bool) -> TokenOutcome {
        switch configuration.grant {
        case .authorizationCode, .deviceCode: refresh(held, if: maySend)
        case .clientCredentials, .accountCredentials, .jwtBearer, .tokenExchange: mint(held)
        }
    }

    public func end(_ held: HeldTokens) -> String? {
        // Alone, the access token has ended with the session.
        guard held.refreshToken != nil else { return nil }
        return switch endpoint.revoke(held) {
        // The API has ended the access token.
        case .ended, .endedPartly: nil
        case let outcome: outcome.reason
        }
    }

    /// RFC 6749 section 6. Tried only once, because a failed request may have spent the refresh token.
    private func refresh(_ held: HeldTokens, if maySend: @escaping @Sendable () -> Bool) -> TokenOutcome {
        guard let refreshToken = held.refreshToken else {
            return .refused(reason: "the session has no refresh token, and cannot be refreshed")
        }
        var parameters = [("grant_type", "refresh_token"), ("refresh_token", refreshToken.value)]
        if configuration.refreshScope, let scope = configuration.scope { parameters.append(("scope", scope)) }
        let reply = endpoint.ask(parameters, held: held, if: maySend)
        // For the next refresh: this one is not repeated.
        if reply.error != nil, case .privateKeyJWT = configuration.authentication { _ = endpoint.correctClock() }
        return reply.outcome
    }

    /// Tries once more if the server refused an assertion and its clock differs from this machine's.
    private func mint(_ held: HeldTokens) -> TokenOutcome {
        let reply = ask(held)
        guard reply.error != nil, isDated, endpoint.correctClock() else { return reply.outcome }
        return ask(held).outcome
    }

    private var isDated: Bool {
        switch (configuration.grant, configuration.authentication) {
        case (.jwtBearer, _), (_, .privateKeyJWT): true
        default: false
        }
    }

    private func ask(_ held: HeldTokens) -> TokenReply {
        do throws(EndpointFailure) {
            return endpoint.ask(try parameters(), held: held, for: .mint)
        } catch {
            return TokenReply(error.outcome)
        }
    }

    private func parameters() throws(EndpointFailure) -> [(name: String, value: String)] {
        var parameters: [(name: String, value: String)] = []
        switch configuration.grant {
        case .authorizationCode, .deviceCode: break
        case .clientCredentials: parameters = [("grant_type", "client_credentials")]
        case .accountCredentials: parameters = [("grant_type", "account_credentials")]
        case .jwtBearer(let bearer):
            let assertion = try endpoint.assertion(
                bearer.signing,
                issuer: bearer.issuer,
                subject: bearer.subject,
                scope: configuration.scope,
                for: try endpoint.tokenEndpoint()
            )
            parameters = [("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"), ("assertion", assertion)]
        case .tokenExchange(let exchange):
            parameters = [
                ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
                ("subject_token", try endpoint.fresh(exchange.subjectToken, of: "subject-token")),
                ("subject_token_type", exchange.subjectTokenType),
            ]
            if let type = exchange.requestedTokenType { parameters.append(("requested_token_type", type)) }
        }
        if let scope = configuration.scope { parameters.append(("scope", scope)) }
        return parameters
    }
}
