public import Upstream

/// The settings for an OAuth 2.0 authorization server. Validated by whoever creates them.
public struct OAuthConfiguration: Equatable, Sendable {
    /// The grant that obtains tokens.
    public enum Grant: Equatable, Sendable {
        /// A person logs in with a browser (RFC 6749 section 4.1); refresh tokens are used afterwards.
        case authorizationCode
        /// A person logs in on another device (RFC 8628); refresh tokens are used afterwards.
        case deviceCode
        /// The client itself (RFC 6749 section 4.4).
        case clientCredentials
        /// Zoom's variant, for the account in the parameter `account_id`.
        case accountCredentials
        /// A signed assertion (RFC 7523 section 2.1).
        case jwtBearer(JWTBearer)
        /// Another token (RFC 8693).
        case tokenExchange(TokenExchange)

        /// The spelling in the configuration.
        public var name: String {
            switch self {
            case .authorizationCode: "authorization-code"
            case .deviceCode: "device-code"
            case .clientCredentials: "client-credentials"
            case .accountCredentials: "account-credentials"
            case .jwtBearer: "jwt-bearer"
            case .tokenExchange: "token-exchange"
            }
        }

        /// Whether each new token spends the held refresh token, so that a person has to log in first.
        public var spends: Bool {
            switch self {
            case .authorizationCode, .deviceCode: true
            case .clientCredentials, .accountCredentials, .jwtBearer, .tokenExchange: false
            }
        }
    }

    /// How the client authenticates (RFC 6749 section 2.3).
    public enum ClientAuthentication: Equatable, Sendable {
        /// A public client: only its identifier.
        case none
        /// A secret. `form` nil means the form in the server's metadata, or else Basic.
        case secret(SecretReference, form: SecretForm?)
        /// An assertion signed with a private key (RFC 7523 section 2.2).
        case privateKeyJWT(AssertionSigning)
        /// The certificate of the TLS connection (RFC 8705).
        case tlsClientAuth

        /// The spelling in the configuration.
        public var name: String {
            switch self {
            case .none: "none"
            case .secret(_, let form): (form ?? .basic).rawValue
            case .privateKeyJWT: "private-key-jwt"
            case .tlsClientAuth: "tls-client-auth"
            }
        }
    }

    /// How a secret is sent.
    public enum SecretForm: String, CaseIterable, Sendable {
        /// Basic, with each part form-urlencoded first (RFC 6749 section 2.3.1).
        case basic = "client-secret-basic"
        /// Basic without that encoding, as other programs send it.
        case basicRaw = "client-secret-basic-raw"
        /// In the body.
        case post = "client-secret-post"
    }

    public enum Algorithm: String, CaseIterable, Sendable {
        /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 section 3.3).
        case rs256 = "RS256"
        /// ECDSA on P-256 with SHA-256 (RFC 7518 section 3.4).
        case es256 = "ES256"
    }

    /// How an assertion is signed, and its configurable claims.
    public struct AssertionSigning: Equatable, Sendable {
        /// PEM, a JSON Web Key, or the JSON file of a Google service account.
        public var key: SecretReference
        /// `kid`; nil means the key's own, if it has one.
        public var keyID: String?
        /// Nil means the usual one for the type of the key.
        public var algorithm: Algorithm?
        /// `aud`; nil means the token endpoint.
        public var audience: String?
        public var lifetime = Duration.seconds(180)

        public init(key: SecretReference) {
            self.key = key
        }
    }

    public struct JWTBearer: Equatable, Sendable {
        public var signing: AssertionSigning
        /// `iss`; nil means the service account's, or else the client identifier.
        public var issuer: String?
        /// `sub`
        public var subject: String?

        public init(signing: AssertionSigning, issuer: String? = nil, subject: String? = nil) {
            self.signing = signing
            self.issuer = issuer
            self.subject = subject
        }
    }

    public struct TokenExchange: Equatable, Sendable {
        /// Read again for each exchange, because it expires, too.
        public var subjectToken: SecretReference
        public var subjectTokenType = "urn:ietf:params:oauth:token-type:jwt"
        public var requestedTokenType: String?

        public init(subjectToken: SecretReference) {
            self.subjectToken = subjectToken
        }
    }

    /// How tokens are revoked.
    public enum RevocationWay: Equatable, Sendable {
        /// At the endpoint in the server's metadata, if there is one.
        case discovered
        /// RFC 7009.
        case endpoint(EndpointURL)
        /// A request of the API's own, to which the access token is applied as to any other.
        case request(method: String, url: EndpointURL, body: String?)
    }

    public enum RequestForm: String, CaseIterable, Sendable {
        case form, json
    }

    /// The token of a response that the API expects.
    public enum WantedToken: String, CaseIterable, Sendable {
        case accessToken = "access-token"
        case idToken = "id-token"
    }

    /// JSON Pointers into a response; a form counts as an object of strings.
    public struct AnswerPlaces: Equatable, Sendable {
        public var accessToken = "/access_token"
        public var idToken = "/id_token"
        public var refreshToken = "/refresh_token"
        public var expiresIn = ExpiryReader.Place("/expires_in")
        public var expiresAt = "/expires_at"
        /// The first one with a value counts.
        public var refreshExpiresIn = [
            ExpiryReader.Place("/refresh_token_expires_in"), ExpiryReader.Place("/refresh_expires_in"),
            ExpiryReader.Place("/x_refresh_token_expires_in"),
        ]
        public var scope = "/scope"
        public var tokenType = "/token_type"
        public var error = "/error"

        public init() {}
    }

    public struct Parameter: Equatable, Sendable {
        public var name: String
        public var value: String

        public init(_ name: String, _ value: String) {
            self.name = name
            self.value = value
        }
    }

    /// PEM files for TLS connections to the authorization server, instead of the upstream's.
    public struct ClientCertificate: Equatable, Sendable {
        public var certificate: String
        /// Nil means that the certificate's file contains the key, too.
        public var key: String?

        public init(certificate: String, key: String?) {
            self.certificate = certificate
            self.key = key
        }
    }

    public var grant = Grant.authorizationCode
    /// As configured; the server's metadata must name the same issuer (RFC 8414 section 3.3).
    public var issuer: String?
    public var tokenEndpoint: EndpointURL?
    public var authorizationEndpoint: EndpointURL?
    public var deviceEndpoint: EndpointURL?
    public var revocation = RevocationWay.discovered
    /// Nil if an assertion alone identifies the client.
    public var clientID: String?
    public var authentication = ClientAuthentication.none
    /// Sent unchanged.
    public var scope: String?
    /// Whether `scope` is sent with each refresh.
    public var refreshScope = false
    /// The value in `scope` that requests a refresh token; nil if unknown.
    public var offlineScope: String?
    /// Additional parameters of every token request.
    public var parameters: [Parameter] = []
    /// Additional parameters of the authorization request, of a browser or a device.
    public var authorizationParameters: [Parameter] = []
    public var requestForm = RequestForm.form
    /// Nil means the loopback address with any free port.
    public var redirectURI: String?
    public var token = WantedToken.accessToken
    public var answer = AnswerPlaces()
    /// Error codes that mean "log in again", in addition to the usual ones.
    public var final: [String] = []
    public var certificate: ClientCertificate?
    /// The time limit for one request to the authorization server.
    public var timeout = Duration.seconds(30)
    /// Nil means the upstream's.
    public var proxy: UpstreamSettings.Proxy?
    /// The values of the secrets at the start or the last reload; empty until they are read.
    public var readSecrets: [ReadSecret] = []

    /// The parameter that `account-credentials` requires.
    public static let accountParameter = "account_id"

    public init() {}

    /// The origin of the tokens, as far as the configuration names it: a session is bound to it.
    public var endpointOrigin: String? {
        tokenEndpoint?.origin ?? issuer.flatMap { try? EndpointURL($0) }?.origin
    }

    /// Whether `squire login` can ask a person, or needs to ask nobody: otherwise a refresh token is given to it.
    public var asksPerson: Bool {
        !grant.spends || issuer != nil || authorizationEndpoint != nil || deviceEndpoint != nil
    }

    /// The value that `scope` lacks for a refresh token; nil if it lacks none, or if that is unknown.
    public var missingScope: String? {
        guard grant.spends, let word = offlineScope else { return nil }
        let words = (scope ?? "").utf8.split { " ,+".utf8.contains($0) }
        return words.contains { $0.elementsEqual(word.utf8) } ? nil : word
    }

    /// A short description without secrets.
    public var summary: String {
        let place = tokenEndpoint?.description ?? "endpoints by discovery from \(issuer ?? "nowhere")"
        let client = clientID.map { "client \($0) (\(authentication.name))" }
        return (["oauth \(grant.name)", place] + [client].compactMap(\.self)).joined(separator: ", ")
    }

    /// The value of a secret when the configuration was read.
    public struct ReadSecret: Equatable, Sendable {
        public var reference: SecretReference
        public var text: String

        public init(reference: SecretReference, text: String) {
            self.reference = reference
            self.text = text
        }
    }

    /// The secrets that the configuration refers to, with their keys.
    public var secrets: [(key: String, reference: SecretReference)] {
        var secrets: [(key: String, reference: SecretReference)] = []
        switch authentication {
        case .none, .tlsClientAuth: break
        case .secret(let reference, _): secrets.append(("session.oauth.client-secret", reference))
        case .privateKeyJWT(let signing): secrets.append(("session.oauth.private-key", signing.key))
        }
        switch grant {
        case .authorizationCode, .deviceCode, .clientCredentials, .accountCredentials: break
        case .jwtBearer(let bearer): secrets.append(("session.oauth.private-key", bearer.signing.key))
        case .tokenExchange(let exchange): secrets.append(("session.oauth.subject-token", exchange.subjectToken))
        }
        return secrets
    }
}

extension OAuthConfiguration {
    /// Identifies the owner of the tokens at the server: tokens of another owner are not used. For a person's client it
    /// is the client identifier alone, whichever way the person logs in.
    public var identity: String? {
        switch grant {
        case .authorizationCode, .deviceCode: return clientID
        case .clientCredentials: return (clientID ?? "") + " (client-credentials)"
        case .accountCredentials:
            let account = parameters.last { $0.name == Self.accountParameter }?.value
            return [clientID, account.map { "for \($0)" }].compactMap(\.self).joined(separator: " ")
                + " (account-credentials)"
        case .tokenExchange(let exchange): return "\(clientID ?? "") (token-exchange of \(exchange.subjectToken))"
        case .jwtBearer(let bearer):
            let names = [clientID, bearer.issuer, bearer.subject.map { "for \($0)" }].compactMap(\.self)
            return "\(names.joined(separator: " ")) (jwt-bearer by \(bearer.signing.key))"
        }
    }
}
