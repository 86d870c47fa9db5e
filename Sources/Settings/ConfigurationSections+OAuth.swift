import HTTP1
import ReverseProxy
import Support
import TokenSources
import Upstream

/// Reads `session.oauth`: the authorization server that provides tokens.
extension ConfigurationSections {
    private static let oauthKeys = [
        "issuer", "grant", "token-endpoint", "authorization-endpoint", "device-authorization-endpoint",
        "revocation-endpoint", "revocation", "client-id", "client-secret", "client-authentication", "scope",
        "refresh-scope", "offline-scope", "parameters", "authorization-parameters", "request", "redirect-uri", "token",
        "answer", "final", "tls", "timeout", "proxy", "private-key", "key-id", "algorithm", "assertion-issuer",
        "subject", "audience", "lifetime", "subject-token", "subject-token-type", "requested-token-type",
    ]
    private static let oauthTimeouts = Duration.seconds(1)...Duration.seconds(600)
    private static let assertionLives = Duration.seconds(1)...Duration.seconds(3600)

    /// Nil if the key is missing. `tls` are the settings of the upstream's connections.
    func oauth(_ session: MapReader, tls: TLSConfiguration) -> OAuthConfiguration? {
        guard let map = session.map("oauth", keys: Self.oauthKeys) else { return nil }
        var oauth = OAuthConfiguration()
        oauth.issuer = issuer(map)
        oauth.tokenEndpoint = endpoint(map, "token-endpoint")
        oauth.authorizationEndpoint = endpoint(map, "authorization-endpoint")
        oauth.deviceEndpoint = endpoint(map, "device-authorization-endpoint")
        if let way = revocation(map) { oauth.revocation = way }
        oauth.clientID = word(map, "client-id")
        oauth.scope = scope(map)
        oauth.refreshScope = map.bool("refresh-scope") ?? false
        oauth.offlineScope = word(map, "offline-scope")
        oauth.parameters = parameters(map, "parameters")
        oauth.authorizationParameters = parameters(map, "authorization-parameters")
        oauth.requestForm = map.choice("request", OAuthConfiguration.RequestForm.self) ?? .form
        oauth.redirectURI = map.value("redirect-uri", "a URL such as http://127.0.0.1/callback") {
            Self.isRedirect($0) ? $0 : nil
        }
        oauth.token = map.choice("token", OAuthConfiguration.WantedToken.self) ?? .accessToken
        answer(map, &oauth.answer)
        oauth.final = map.list("final")?.map(\.text) ?? []
        oauth.timeout = map.duration("timeout", Self.oauthTimeouts) ?? oauth.timeout
        oauth.proxy = proxy(map)
        var certificate = TLSConfiguration()
        self.tls(map, &certificate, keys: ["certificate", "key"])
        oauth.certificate = certificate.certificate.map { .init(certificate: $0, key: certificate.key) }

        let (signing, keyIssuer) = signing(map, &oauth)
        grant(map, signing, keyIssuer, &oauth)
        authentication(map, signing, hasCertificate: oauth.certificate != nil || tls.certificate != nil, &oauth)
        checkTogether(session, map, signing != nil, oauth)
        return oauth
    }

    // MARK: The source

    private static let keepAlives = Duration.seconds(3600)...Duration.seconds(90 * 86_400)

    /// Reads the source of tokens, unless it is a recipe, and how the session is kept alive.
    func source(_ map: MapReader, _ session: inout SessionConfiguration, tls: TLSConfiguration) {
        let given = ["refresh", "oauth", "exec", "token-file"].filter { map.node($0) != nil }
        if given.count > 1 {
            let others = given.dropLast().map { "session.\($0)" }.joined(separator: " and ")
            map.fail(given[given.count - 1], "and \(others) are two sources of tokens: give one")
        }
        if let oauth = oauth(map, tls: tls) {
            session.source = .oauth(oauth)
            // An issuer may provide tokens of any form.
            session.tokensAreJWTs = false
        }
        if let retry = map.choice("retry-lost", RetryLost.self) { session.retriesLost = retry == .once }
        session.keepAlive = map.duration("keep-alive", Self.keepAlives) ?? session.keepAlive
        if map.node("keep-alive") != nil, case .oauth(let oauth) = session.source, !oauth.grant.spends {
            map.fail("keep-alive", "has nothing to keep alive: \(oauth.grant.name) asks for a new token each time")
        }
    }

    private enum RetryLost: String, CaseIterable {
        case once, never
    }

    // MARK: Values

    private func issuer(_ map: MapReader) -> String? {
        guard let url = endpoint(map, "issuer") else { return nil }
        guard !url.target.contains("?") else {
            map.fail("issuer", "must be a URL without a query (RFC 8414 section 2)")
            return nil
        }
        return url.text
    }

    private func endpoint(_ map: MapReader, _ key: String) -> EndpointURL? {
        guard let text = map.string(key) else { return nil }
        do throws(EndpointURL.Problem) {
            return try EndpointURL(text)
        } catch {
            map.fail(key, error.description + Suggestion.question(Suggestion.url(text)))
            return nil
        }
    }

    /// A text that is not empty and contains no control characters.
    func word(_ map: MapReader, _ key: String) -> String? {
        map.value(key, "text on one line") { Self.isLine($0) ? $0 : nil }
    }

    private static func isLine(_ text: String) -> Bool {
        !text.isEmpty && text.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F }
    }

    private func scope(_ map: MapReader) -> String? {
        if case .sequence? = map.node("scope") {
            map.fail("scope", "must be text, not a list: write it as the provider wants it, such as \"read write\"")
            return nil
        }
        return word(map, "scope")
    }

    private static func isRedirect(_ text: String) -> Bool {
        guard let colon = text.firstIndex(of: ":"), colon > text.startIndex, !text.contains("#") else { return false }
        return text[..<colon].utf8.allSatisfy { Octet.isToken($0) }
            && text.utf8.allSatisfy { (0x21...0x7E).contains($0) }
    }

    /// Parameters that Squire sets itself.
    private static let ownParameters: Set<String> = [
        "grant_type", "code", "code_verifier", "refresh_token", "redirect_uri", "assertion", "device_code", "scope",
        "subject_token", "subject_token_type", "requested_token_type", "state", "response_type", "code_challenge",
        "code_challenge_method",
    ]

    private func parameters(_ map: MapReader, _ key: String) -> [OAuthConfiguration.Parameter] {
        guard let node = map.node(key) else { return [] }
        guard case .mapping(let mapping) = node else {
            map.fail(key, "must be a map of names and values")
            return []
        }
        return mapping.entries.compactMap { entry in
            guard let name = entry.key.text, case .scalar(let scalar) = entry.value else {
                issues.add("session.oauth.\(key): a parameter is a name and a single value", at: entry.key)
                return nil
            }
            guard !name.isEmpty else {
                issues.add("session.oauth.\(key): a parameter needs a name", at: entry.key)
                return nil
            }
            guard !Self.ownParameters.contains(name), !name.hasPrefix("client_") else {
                issues.add("session.oauth.\(key): \(name) is set by Squire itself", at: entry.key)
                return nil
            }
            return .init(name, scalar.text)
        }
    }

    private func revocation(_ map: MapReader) -> OAuthConfiguration.RevocationWay? {
        let endpoint = endpoint(map, "revocation-endpoint")
        guard map.node("revocation") != nil else { return endpoint.map { .endpoint($0) } }
        guard map.node("revocation-endpoint") == nil else {
            map.fail("revocation", "and session.oauth.revocation-endpoint cannot both be given")
            return nil
        }
        guard let odd = map.map("revocation", keys: ["method", "url", "body"]) else { return nil }
        let method = odd.value("method", "GET or POST") { ["GET", "POST"].contains($0) ? $0 : nil } ?? "POST"
        guard let url = self.endpoint(odd, "url") else {
            if !odd.has("url") { map.fail("revocation", "needs a url") }
            return nil
        }
        return .request(method: method, url: url, body: odd.string("body"))
    }

    private func answer(_ oauth: MapReader, _ answer: inout OAuthConfiguration.AnswerPlaces) {
        let keys = [
            "access-token", "id-token", "refresh-token", "expires-in", "expires-at", "refresh-expires-in", "scope",
            "token-type", "error",
        ]
        guard let map = oauth.map("answer", keys: keys) else { return }
        answer.accessToken = pointer(map, "access-token") ?? answer.accessToken
        answer.idToken = pointer(map, "id-token") ?? answer.idToken
        answer.refreshToken = pointer(map, "refresh-token") ?? answer.refreshToken
        answer.expiresIn = span(map, "expires-in") ?? answer.expiresIn
        answer.expiresAt = pointer(map, "expires-at") ?? answer.expiresAt
        answer.refreshExpiresIn = span(map, "refresh-expires-in").map { [$0] } ?? answer.refreshExpiresIn
        answer.scope = pointer(map, "scope") ?? answer.scope
        answer.tokenType = pointer(map, "token-type") ?? answer.tokenType
        answer.error = pointer(map, "error") ?? answer.error
    }

    /// A pointer to a span of time, or a map that also names its unit.
    func span(_ map: MapReader, _ key: String) -> ExpiryReader.Place? {
        guard case .mapping? = map.node(key) else { return pointer(map, key).map { .init($0) } }
        guard let place = map.map(key, keys: ["pointer", "unit"]) else { return nil }
        guard let pointer = pointer(place, "pointer") else {
            if !place.has("pointer") { map.fail(key, "needs a pointer, such as /expires_in") }
            return nil
        }
        return .init(pointer, unit: place.choice("unit", ExpiryReader.Unit.self) ?? .seconds)
    }

    // MARK: Keys and secrets

    /// The settings for signing assertions, nil without a private key, and the issuer in the key's file.
    private func signing(
        _ map: MapReader,
        _ oauth: inout OAuthConfiguration
    ) -> (OAuthConfiguration.AssertionSigning?, keyIssuer: String?) {
        guard map.node("private-key") != nil else {
            if map.has("private-key") { return (nil, nil) }
            for key in ["key-id", "algorithm", "audience", "lifetime"] where map.node(key) != nil {
                map.fail(key, "is for an assertion, which needs session.oauth.private-key")
            }
            return (nil, nil)
        }
        guard let reference = privateKey(map) else { return (nil, nil) }
        var signing = OAuthConfiguration.AssertionSigning(key: reference)
        signing.keyID = word(map, "key-id")
        signing.algorithm = map.choice("algorithm", OAuthConfiguration.Algorithm.self)
        signing.audience = word(map, "audience")
        signing.lifetime = map.duration("lifetime", Self.assertionLives) ?? signing.lifetime
        let key = look(at: reference, map, signing, &oauth)
        return (signing, key?.issuer)
    }

    /// Reads the key now, so that mistakes are found before a token is needed, and because a service account's key
    /// names the token endpoint.
    private func look(
        at reference: SecretReference,
        _ map: MapReader,
        _ signing: OAuthConfiguration.AssertionSigning,
        _ oauth: inout OAuthConfiguration
    ) -> SigningKey? {
        guard let text = keyText(reference, map) else { return nil }
        do throws(SigningKey.Problem) {
            let key = try SigningKey(text)
            if let algorithm = signing.algorithm, algorithm != key.algorithm {
                map.fail("algorithm", "is \(algorithm.rawValue), and the key is one for \(key.algorithm.rawValue)")
            }
            guard map.node("token-endpoint") == nil, oauth.issuer == nil, let found = key.tokenEndpoint else {
                return key
            }
            do throws(EndpointURL.Problem) {
                oauth.tokenEndpoint = try EndpointURL(found)
            } catch {
                map.fail("private-key", "names a file whose token_uri \(error)")
            }
            return key
        } catch {
            map.fail("private-key", "cannot be used: \(error)")
            return nil
        }
    }
}
