public import Upstream

/// How an OAuth 2.0 authorization server gives tokens. Plain values, checked by whoever makes them.
public struct OAuthConfiguration: Equatable, Sendable {
    /// Who asks, and with what.
    public enum Grant: Equatable, Sendable {
        /// A person logs in with a browser (RFC 6749 section 4.1); from then on refresh tokens.
        case authorizationCode
        /// A person logs in on another device (RFC 8628); from then on refresh tokens.
        case deviceCode
        /// The client itself (RFC 6749 section 4.4).
        case clientCredentials
        /// The same by Zoom's name, for the account that `account_id` among the parameters says.
        case accountCredentials
        /// A signed assertion (RFC 7523 section 2.1).
        case jwtBearer(JWTBearer)
        /// Another token (RFC 8693).
        case tokenExchange(TokenExchange)

        /// As the configuration has it.
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

        /// Every new token costs the refresh token that is held, and a person has to log in first.
        public var spends: Bool {
            switch self {
            case .authorizationCode, .deviceCode: true
            case .clientCredentials, .accountCredentials, .jwtBearer, .tokenExchange: false
            }
        }
    }

    /// How the client says who it is (RFC 6749 section 2.3).
    public enum ClientAuthentication: Equatable, Sendable {
        /// A public client: its name alone.
        case none
        /// A secret; `form` nil: as the server's metadata says, else Basic.
        case secret(SecretReference, form: SecretForm?)
        /// An assertion that is signed with a key (RFC 7523 section 2.2).
        case privateKeyJWT(AssertionSigning)
        /// The certificate of the TLS connection (RFC 8705).
        case tlsClientAuth

        /// As the configuration has it, or would.
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
        /// Basic, each part form-urlencoded before (RFC 6749 section 2.3.1).
        case basic = "client-secret-basic"
        /// Basic, as other programs have it.
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

    /// What an assertion is signed with, and what it says beside the names.
    public struct AssertionSigning: Equatable, Sendable {
        /// PEM, a JSON Web Key, or the JSON file of a Google service account.
        public var key: SecretReference
        /// `kid`; nil: the key's own, if it has one.
        public var keyID: String?
        /// Nil: the one for the kind of the key.
        public var algorithm: Algorithm?
        /// `aud`; nil: the token endpoint.
        public var audience: String?
        public var lifetime = Duration.seconds(180)

        public init(key: SecretReference) {
            self.key = key
        }
    }

    public struct JWTBearer: Equatable, Sendable {
        public var signing: AssertionSigning
        /// `iss`; nil: the service account's, else the client's name.
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
        /// Read anew for each exchange: it expires, too.
        public var subjectToken: SecretReference
        public var subjectTokenType = "urn:ietf:params:oauth:token-type:jwt"
        public var requestedTokenType: String?

        public init(subjectToken: SecretReference) {
            self.subjectToken = subjectToken
        }
    }

    /// How tokens are ended.
    public enum RevocationWay: Equatable, Sendable {
        /// As the server's metadata says, if there are any.
        case discovered
        /// RFC 7009.
        case endpoint(EndpointURL)
        /// A request of the API's own, which carries the access token like any other.
        case request(method: String, url: EndpointURL, body: String?)
    }

    public enum RequestForm: String, CaseIterable, Sendable {
        case form, json
    }

    /// Which of an answer's tokens the API wants.
    public enum WantedToken: String, CaseIterable, Sendable {
        case accessToken = "access-token"
        case idToken = "id-token"
    }

    /// Where an answer holds what, as JSON Pointers; a form counts as an object of texts.
    public struct AnswerPlaces: Equatable, Sendable {
        public var accessToken = "/access_token"
        public var idToken = "/id_token"
        public var refreshToken = "/refresh_token"
        public var expiresIn = ExpiryReader.Place("/expires_in")
        public var expiresAt = "/expires_at"
        /// The first that says anything counts.
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

    /// PEM files for the TLS connection to the authorization server, in place of the upstream's.
    public struct ClientCertificate: Equatable, Sendable {
        public var certificate: String
        /// Nil: the certificate's file has it, too.
        public var key: String?

        public init(certificate: String, key: String?) {
            self.certificate = certificate
            self.key = key
        }
    }

    public var grant = Grant.authorizationCode
    /// As it was written: the server's metadata must name the same (RFC 8414 section 3.3).
    public var issuer: String?
    public var tokenEndpoint: EndpointURL?
    public var authorizationEndpoint: EndpointURL?
    public var deviceEndpoint: EndpointURL?
    public var revocation = RevocationWay.discovered
    /// Nil where an assertion alone says who asks.
    public var clientID: String?
    public var authentication = ClientAuthentication.none
    /// Sent as it is written.
    public var scope: String?
    /// Whether `scope` is sent with each refresh.
    public var refreshScope = false
    /// The word in `scope` that a refresh token is asked for with; nil if nobody knows.
    public var offlineScope: String?
    /// Further parameters of every token request.
    public var parameters: [Parameter] = []
    /// Further parameters of what a login begins with: the browser's request, the device's.
    public var authorizationParameters: [Parameter] = []
    public var requestForm = RequestForm.form
    /// Nil: of this machine's loopback address, on any free port.
    public var redirectURI: String?
    public var token = WantedToken.accessToken
    public var answer = AnswerPlaces()
    /// `error` words that mean "log in again", beside the usual ones.
    public var final: [String] = []
    public var certificate: ClientCertificate?
    /// Of one request to the authorization server.
    public var timeout = Duration.seconds(30)
    /// Nil: as for the upstream.
    public var proxy: UpstreamSettings.Proxy?
    /// What the secrets said at the start, or at the last reload; empty until they are read.
    public var readSecrets: [ReadSecret] = []

    /// What `account-credentials` needs among `parameters`.
    public static let accountParameter = "account_id"

    public init() {}

    /// Where tokens come from, for as much as the configuration says: what binds a session to it.
    public var endpointOrigin: String? {
        tokenEndpoint?.origin ?? issuer.flatMap { try? EndpointURL($0) }?.origin
    }

    /// The word that `scope` lacks to get a refresh token, if it is known that it needs one.
    public var missingScope: String? {
        guard grant.spends, let word = offlineScope else { return nil }
        let words = (scope ?? "").utf8.split { " ,+".utf8.contains($0) }
        return words.contains { $0.elementsEqual(word.utf8) } ? nil : word
    }

    /// The source in a few words, without anything secret.
    public var summary: String {
        let place = tokenEndpoint?.description ?? "endpoints by discovery from \(issuer ?? "nowhere")"
        let client = clientID.map { "client \($0) (\(authentication.name))" }
        return (["oauth \(grant.name)", place] + [client].compactMap(\.self)).joined(separator: ", ")
    }

    /// What a secret said when the configuration was read.
    public struct ReadSecret: Equatable, Sendable {
        public var reference: SecretReference
        public var text: String

        public init(reference: SecretReference, text: String) {
            self.reference = reference
            self.text = text
        }
    }

    /// The secrets that it refers to, with their keys.
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
    /// Whose tokens these are at the server, in words: of another's, none is used. A person's client has its name alone,
    /// so that logging in another way makes no difference.
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
