import Credentials
import Platform
import Threads

/// How the client authenticates: secrets and signed assertions.
extension TokenEndpoint {
    func proof(for url: EndpointURL) throws(EndpointFailure) -> ClientProof {
        switch configuration.authentication {
        case .none, .tlsClientAuth: return ClientProof(name: configuration.clientID)
        case .secret(let reference, let form):
            let secret = try secret(reference, of: "client-secret")
            let name = configuration.clientID ?? ""
            if let form { return ClientProof(name: name, secret: secret, form: form) }
            return ClientProof(name: name, secret: secret, form: .init(of: try formMethods()))
        case .privateKeyJWT(let signing):
            let name = configuration.clientID ?? ""
            let assertion = try assertion(signing, issuer: name, subject: name, for: url)
            return ClientProof(name: name, assertion: assertion)
        }
    }

    /// The authentication methods in the server's metadata; nil if unknown. The metadata may be missing if nothing else
    /// needs them.
    private func formMethods() throws(EndpointFailure) -> [String]? {
        do throws(EndpointFailure) {
            return try metadata()?.authenticationMethods
        } catch {
            guard configuration.tokenEndpoint == nil else { return nil }
            throw error
        }
    }

    /// The secret that `session.oauth.KEY` refers to.
    func secret(_ reference: SecretReference, of key: String) throws(EndpointFailure) -> String {
        if case .command(let command) = reference, let kept = state.with({ $0.secrets[command] }) { return kept }
        let secret = try fresh(reference, of: key)
        if case .command(let command) = reference { state.with { $0.secrets[command] = secret } }
        return secret
    }

    /// Discards cached secrets, so that commands run again when a secret is needed.
    func forgetSecrets() {
        state.with { $0.secrets = [:] }
    }

    /// The same, without the cache.
    func fresh(_ reference: SecretReference, of key: String) throws(EndpointFailure) -> String {
        switch services.readSecret(reference) {
        case .success(let secret): return secret
        case .failure(.configuration(let text)): throw .misconfigured("session.oauth.\(key) \(text)")
        case .failure(.passing(let text)): throw .unavailable("session.oauth.\(key) \(text)")
        }
    }

    /// Creates a signed assertion for the endpoint. `issuer` nil means the key's own, or else the client identifier.
    func assertion(
        _ signing: OAuthConfiguration.AssertionSigning,
        issuer: String?,
        subject: String?,
        scope: String? = nil,
        for url: EndpointURL
    ) throws(EndpointFailure) -> String {
        let text = try secret(signing.key, of: "private-key")
        do throws(SigningKey.Problem) {
            let key = try SigningKey(text)
            if let algorithm = signing.algorithm, algorithm != key.algorithm {
                throw .init(description: "it is a key for \(key.algorithm.rawValue), not for \(algorithm.rawValue)")
            }
            let assertion = ClientAssertion(
                issuer: issuer ?? key.issuer ?? configuration.clientID ?? "",
                subject: subject,
                audience: signing.audience ?? url.text,
                scope: scope,
                keyID: signing.keyID,
                lifetime: Int(signing.lifetime.components.seconds)
            )
            let now = services.clock.wall().adding(saturating: state.with { $0.assumedSkew })
            return try assertion.signed(with: key, now: now, identifier: ClientAssertion.newIdentifier())
        } catch {
            throw .misconfigured("session.oauth.private-key: \(error)")
        }
    }
}
