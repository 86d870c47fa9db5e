/// What `session.oauth` says (RFC 6749, RFC 8414).
public struct OAuthConfiguration: Equatable, Sendable {
    /// How a first token is got.
    public enum GrantType: String, Sendable, CaseIterable {
        case authorizationCode = "authorization-code"
        case deviceCode = "device-code"
        case clientCredentials = "client-credentials"
        case jwtBearer = "jwt-bearer"
        case tokenExchange = "token-exchange"

        /// It needs nobody: a token can be had at any time.
        public var startsAlone: Bool {
            switch self {
            case .authorizationCode, .deviceCode: false
            case .clientCredentials, .jwtBearer, .tokenExchange: true
            }
        }
    }

    public var grant: GrantType
    /// Finds the endpoints by discovery (RFC 8414) where they are not given.
    public var issuer: String?
    public var tokenEndpoint: String?
    public var clientID: String
    public var clientSecret: SecretReference?
    public var timeout = Duration.seconds(30)

    public init(grant: GrantType, clientID: String) {
        self.grant = grant
        self.clientID = clientID
    }
}
