import ReverseProxy
import Support
import TokenSources

/// Reads the client and the grant of `session.oauth`, and checks that they fit together.
extension ConfigurationSections {
    private enum GrantName: String, CaseIterable {
        case authorizationCode = "authorization-code"
        case deviceCode = "device-code"
        case clientCredentials = "client-credentials"
        case accountCredentials = "account-credentials"
        case jwtBearer = "jwt-bearer"
        case tokenExchange = "token-exchange"
    }

    private enum AuthenticationName: String, CaseIterable {
        case basic = "client-secret-basic"
        case basicRaw = "client-secret-basic-raw"
        case post = "client-secret-post"
        case privateKeyJWT = "private-key-jwt"
        case tls = "tls-client-auth"
        case none
    }

    // MARK: The grant

    func grant(
        _ map: MapReader,
        _ signing: OAuthConfiguration.AssertionSigning?,
        _ keyIssuer: String?,
        _ oauth: inout OAuthConfiguration
    ) {
        let name = map.choice("grant", GrantName.self)
        if name != nil || !map.has("grant") { refuseStrayKeys(map, name) }
        switch name {
        case nil:
            // Decided by the configured endpoints; with an issuer, the login discovers them.
            let hasDeviceOnly = oauth.deviceEndpoint != nil && oauth.authorizationEndpoint == nil
            oauth.grant = hasDeviceOnly && oauth.issuer == nil ? .deviceCode : .authorizationCode
        case .authorizationCode:
            oauth.grant = .authorizationCode
            if !map.has("authorization-endpoint"), !map.has("issuer") {
                map.fail("grant", "is authorization-code: it needs authorization-endpoint, or issuer")
            }
        case .deviceCode:
            oauth.grant = .deviceCode
            if !map.has("device-authorization-endpoint"), !map.has("issuer") {
                map.fail("grant", "is device-code: it needs device-authorization-endpoint, or issuer")
            }
        case .clientCredentials:
            oauth.grant = .clientCredentials
        case .accountCredentials:
            oauth.grant = .accountCredentials
        case .jwtBearer:
            guard let signing else {
                if !map.has("private-key") { map.fail("grant", "is jwt-bearer: it needs private-key") }
                return
            }
            let issuer = word(map, "assertion-issuer") ?? keyIssuer
            if issuer == nil, oauth.clientID == nil, !map.has("client-id"), !map.has("assertion-issuer") {
                map.fail("grant", "is jwt-bearer: it needs assertion-issuer, or client-id")
            }
            oauth.grant = .jwtBearer(.init(signing: signing, issuer: issuer, subject: word(map, "subject")))
        case .tokenExchange:
            guard let token = secret(map, "subject-token") else {
                if !map.has("subject-token") { map.fail("grant", "is token-exchange: it needs subject-token") }
                return
            }
            if case .plain = token {
                map.fail("subject-token", "must be {file: PATH}, {env: NAME} or {exec: [COMMAND, …]}")
            }
            var exchange = OAuthConfiguration.TokenExchange(subjectToken: token)
            exchange.subjectTokenType = word(map, "subject-token-type") ?? exchange.subjectTokenType
            exchange.requestedTokenType = word(map, "requested-token-type")
            oauth.grant = .tokenExchange(exchange)
        }
    }

    private func grantName(_ map: MapReader) -> GrantName? {
        map.node("grant")?.text.flatMap(GrantName.init(rawValue:))
    }

    private func authenticationName(_ map: MapReader) -> AuthenticationName? {
        map.node("client-authentication")?.text.flatMap(AuthenticationName.init(rawValue:))
    }

    /// Keys for another grant would be ignored.
    private func refuseStrayKeys(_ map: MapReader, _ grant: GrantName?) {
        let owners: [(GrantName, [String])] = [
            (.jwtBearer, ["subject", "assertion-issuer"]),
            (.tokenExchange, ["subject-token", "subject-token-type", "requested-token-type"]),
        ]
        for (owner, keys) in owners where owner != grant {
            for key in keys where map.node(key) != nil { map.fail(key, "is for grant: \(owner.rawValue)") }
        }
    }

    // MARK: The client

    func authentication(
        _ map: MapReader,
        _ signing: OAuthConfiguration.AssertionSigning?,
        hasCertificate: Bool,
        _ oauth: inout OAuthConfiguration
    ) {
        let name = map.choice("client-authentication", AuthenticationName.self)
        let hasSecret = map.node("client-secret") != nil
        let secret = secret(map, "client-secret")
        if let name, hasSecret {
            switch name {
            case .basic, .basicRaw, .post: break
            case .privateKeyJWT, .tls, .none:
                map.fail("client-secret", "is not sent with client-authentication: \(name.rawValue)")
            }
        }
        switch name {
        case .basic, .basicRaw, .post:
            guard let secret else {
                if !map.has("client-secret") {
                    map.fail("client-authentication", "is \(name?.rawValue ?? ""): it needs client-secret")
                }
                return
            }
            oauth.authentication = .secret(secret, form: name.flatMap { .init(rawValue: $0.rawValue) })
        case .privateKeyJWT:
            guard let signing else {
                if !map.has("private-key") {
                    map.fail("client-authentication", "is private-key-jwt: it needs private-key")
                }
                return
            }
            oauth.authentication = .privateKeyJWT(signing)
        case .tls:
            oauth.authentication = .tlsClientAuth
            if !hasCertificate {
                map.fail("client-authentication", "is tls-client-auth: it needs session.oauth.tls.certificate")
            }
        case nil where hasSecret:
            if let secret { oauth.authentication = .secret(secret, form: nil) }
        case .none?, nil:
            oauth.authentication = .none
        }
    }

    // MARK: Together

    func checkTogether(_ session: MapReader, _ map: MapReader, _ hasKey: Bool, _ oauth: OAuthConfiguration) {
        // A service account's key names the token endpoint. Mistakes in these keys have been reported.
        let hasPlace = oauth.tokenEndpoint != nil || oauth.issuer != nil
        if !hasPlace, !map.has("token-endpoint"), !map.has("issuer") {
            session.fail("oauth", "needs token-endpoint, or issuer to find it by")
        }
        // An invalid grant could be any grant, so no key is required because of it.
        let isOtherGrant = grantName(map) == nil && map.has("grant")
        let authentication = authenticationName(map)
        let isOtherAuthentication = map.has("client-authentication") && authentication == nil
        if oauth.clientID == nil, !map.has("client-id"), !isOtherGrant {
            switch (oauth.grant, oauth.authentication) {
            case (.jwtBearer, .none), (.tokenExchange, .none): break
            default: session.fail("oauth", "needs client-id")
            }
        }
        if oauth.grant == .clientCredentials || oauth.grant == .accountCredentials,
            case .none = oauth.authentication, !map.has("client-secret"), !isOtherAuthentication,
            authentication == nil || authentication == AuthenticationName.none
        {
            map.fail(
                "grant",
                "is \(oauth.grant.name): it needs client-secret, or a key (private-key-jwt, tls-client-auth)"
            )
        }
        if oauth.grant == .accountCredentials,
            !oauth.parameters.contains(where: { $0.name == OAuthConfiguration.accountParameter && !$0.value.isEmpty })
        {
            map.fail("grant", "is account-credentials: it needs parameters: {account_id: …}")
        }
        if hasKey, !isOtherGrant, !isOtherAuthentication {
            switch (oauth.grant, oauth.authentication) {
            case (.jwtBearer, _), (_, .privateKeyJWT): break
            default:
                map.fail(
                    "private-key",
                    "is not used: it needs grant: jwt-bearer, or client-authentication: private-key-jwt"
                )
            }
        }
        if oauth.grant.spends { return }
        for key in ["refresh-scope", "redirect-uri", "authorization-parameters", "offline-scope"]
        where map.node(key) != nil {
            map.fail(key, "is for a login, and \(oauth.grant.name) has none")
        }
    }

    // MARK: Secrets

    private func secret(_ map: MapReader, _ key: String, mayRun: Bool = true) -> SecretReference? {
        guard let node = map.node(key) else { return nil }
        let reference = secret(node, "session.oauth.\(key)", mayRun: mayRun)
        guard reference != .plain("") else {
            map.fail(key, "is empty")
            return nil
        }
        return reference
    }

    /// The place of the private key: a path, `{file: PATH}` or `{env: NAME}`.
    func privateKey(_ map: MapReader) -> SecretReference? {
        if case .scalar? = map.node("private-key") {
            return word(map, "private-key") == nil ? nil : path(map, "private-key").map(SecretReference.file)
        }
        return secret(map, "private-key", mayRun: false)
    }

    /// The text of the private key. Nil, with an issue, if it cannot be read.
    func keyText(_ reference: SecretReference, _ map: MapReader) -> String? {
        switch secretReader.read(reference) {
        case .success(let text): return text
        case .failure(let problem):
            map.fail("private-key", problem.text)
            return nil
        }
    }
}
