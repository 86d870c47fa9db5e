import Credentials
import HTTP1
import Support
import Upstream

/// Reads the response to a token request, and decides what it means. Pure.
///
/// The body takes precedence over the status: some servers send errors with 200, others `invalid_grant` with 403.
///
/// | answer | outcome |
/// |---|---|
/// | 2xx with a token | `obtained`, or `unchanged` |
/// | 3xx | `misconfigured`: redirects are not followed |
/// | `error` that ends what was spent | `refused`; of what was not spent: `unavailable`, perhaps it is the clock |
/// | `error` about the client or the request | `misconfigured` |
/// | another `error`, 4xx and 5xx without one | `unavailable`; with 500, 502, 504 it may have rotated |
/// | 2xx without a token that can be used | `lost`; of what was not spent: `misconfigured` |
/// | the same, with a new refresh token | `misconfigured`, and the refresh token is kept |
struct TokenAnswer {
    private let response: BlockingRequest.Response
    let json: JSONValue?
    private let configuration: OAuthConfiguration
    /// The name of the endpoint, for messages.
    private let subject: String
    /// The secrets that were sent or are held.
    private let secrets: [String]

    /// Error codes about the request, each with advice.
    private static let requestErrors: [String: String] = [
        "unauthorized_client": "see session.oauth.grant and session.oauth.client-id",
        "unsupported_grant_type": "see session.oauth.grant",
        "invalid_scope": "see session.oauth.scope",
        "invalid_request": "see session.oauth.parameters and session.oauth.request",
        "invalid_target": "see session.oauth.parameters",
        "access_denied": client,
        "use_dpop_nonce": dpop, "invalid_dpop_proof": dpop,
        // Codes of GitHub, Salesforce, Slack and Google.
        "device_flow_disabled": "see the application's settings at the provider",
        "incorrect_client_credentials": client, "invalid_client_id": client, "bad_client_secret": client,
        "deleted_client": client,
    ]
    private static let client = "see session.oauth.client-id and session.oauth.client-secret"
    private static let dpop = "the server wants DPoP (RFC 9449), which Squire does not have"

    /// Seconds until a refused assertion is tried again.
    private static let refusedAssertionPause = 60

    init(
        _ response: BlockingRequest.Response,
        of subject: String = "token endpoint",
        _ configuration: OAuthConfiguration,
        hiding secrets: [String]
    ) {
        self.response = response
        self.configuration = configuration
        self.subject = subject
        self.secrets = secrets
        json = Self.json(response)
    }

    /// The body as JSON, or a form as an object: some servers send forms by default, with any Content-Type.
    static func json(_ response: BlockingRequest.Response) -> JSONValue? {
        if let json = JSONValue(lenient: response.body) { return json }
        let type = response["Content-Type"]?.lowercased() ?? ""
        guard !type.contains("html"), !type.contains("xml") else { return nil }
        return FormText.object(response.body)
    }

    /// `held` are the session's tokens; `wall` is the current time, in seconds since 1970.
    func reply(for purpose: TokenPurpose, held: HeldTokens, wall: Int) -> TokenReply {
        let interval = ExpiryReader.span(json?.value(at: "/interval"))
        return TokenReply(outcome(for: purpose, held: held, wall: wall), error: error, interval: interval)
    }

    /// The failure that a response without tokens reports; nil if there is none.
    func problem(wall: Int) -> EndpointFailure? {
        if isSuccess, json != nil, !hasError { return nil }
        switch outcome(for: .mint, held: HeldTokens(), wall: wall) {
        case .misconfigured(let reason, _): return .misconfigured(reason)
        case .unavailable(let reason, let retryAfter, _, _, _, _): return .unavailable(reason, retryAfter: retryAfter)
        case .obtained, .unchanged, .refused, .unreachable, .lost: return .unavailable(said)
        }
    }

    enum RevocationProblem {
        /// The token was no longer valid.
        case dead
        case passing(String, retryAfter: Int?)
        case lasting(String)
    }

    /// The meaning of an unsuccessful response to a revocation.
    func revocationProblem(wall: Int) -> RevocationProblem {
        if let error, Self.deadErrors.contains(error) { return .dead }
        if [408, 425, 429].contains(response.status) || response.status >= 500 {
            let retryAfter = RetryAfter.seconds(response["Retry-After"], date: response["Date"], wall: wall)
            return .passing(said, retryAfter: retryAfter)
        }
        guard let advice = error.flatMap(advice) else { return .lasting(said) }
        return .lasting("\(said); \(advice)")
    }

    /// `invalid_auth` and `account_inactive` come from Slack.
    private static let deadErrors: Set<String> = [
        "invalid_token", "invalid_grant", "token_revoked", "token_expired", "invalid_auth", "account_inactive",
    ]

    private var isSuccess: Bool { (200..<300).contains(response.status) }

    private func outcome(for purpose: TokenPurpose, held: HeldTokens, wall: Int) -> TokenOutcome {
        switch (isSuccess, accessToken) {
        case (true, .success(let text?)): return tokens(text, for: purpose, held: held, wall: wall)
        case (true, .success(nil)) where !hasError:
            return useless("the answer holds no token at \(tokenPlace)", for: purpose, held: held)
        case (true, .failure(let problem)) where !hasError:
            return useless("the token at \(tokenPlace) cannot be used: \(problem)", for: purpose, held: held)
        case (_, _) where (300..<400).contains(response.status): return redirect
        default: return failure(for: purpose, wall: wall)
        }
    }

    // MARK: Tokens

    private var tokenPlace: String {
        switch configuration.token {
        case .accessToken: configuration.answer.accessToken
        case .idToken: configuration.answer.idToken
        }
    }

    private var accessToken: Result<String?, TokenProblem> {
        Result { () throws(TokenProblem) in try Token.text(json?.value(at: tokenPlace)) }
    }

    /// An empty text counts as absent.
    private func text(at pointer: String) -> String? {
        json?.value(at: pointer)?.string.flatMap { $0.isEmpty ? nil : $0 }
    }

    private func tokens(_ text: String, for purpose: TokenPurpose, held: HeldTokens, wall: Int) -> TokenOutcome {
        guard let json else { return useless("the answer is not JSON", for: purpose, held: held) }
        let token: Token
        do throws(TokenProblem) {
            token = try Token(issued: text)
        } catch {
            return useless("the token at \(tokenPlace) cannot be used: \(error)", for: purpose, held: held)
        }
        let places = configuration.answer
        var tokens = TokenSet(accessToken: token)
        tokens.expiresIn = lifetime(of: token, json, wall: wall)
        tokens = tokens.dated(response["Date"].flatMap(HTTPDate.seconds))
        tokens.scope = self.text(at: places.scope)
        tokens.tokenType = self.text(at: places.tokenType)
        if purpose.spends {
            do throws(TokenProblem) {
                if let refreshToken = try refreshToken() {
                    tokens.refreshToken = refreshToken
                    tokens.refreshExpiresIn = refreshExpiresIn
                } else {
                    // The response contains none, so the former one stays (RFC 6749 section 6).
                    tokens.refreshToken = held.refreshToken
                }
            } catch {
                let reason = "the refresh token at \(places.refreshToken) cannot be used: \(error)"
                return useless(reason, for: purpose, held: held)
            }
        }
        if let problem = problem(of: tokens) { return .misconfigured(reason: problem, tokens: UnusableTokens(tokens)) }
        if token == held.accessToken, tokens.refreshToken == held.refreshToken || !purpose.spends {
            return .unchanged(expiresIn: tokens.expiresIn)
        }
        return .obtained(tokens)
    }

    /// Nil if the response contains none.
    private func refreshToken() throws(TokenProblem) -> Token? {
        guard let text = try Token.text(json?.value(at: configuration.answer.refreshToken)) else { return nil }
        return try Token(issuedToRefresh: text)
    }

    private var refreshExpiresIn: Int? {
        configuration.answer.refreshExpiresIn.lazy
            .compactMap { ExpiryReader.span(json?.value(at: $0.pointer), unit: $0.unit) }.first
    }

    /// `expires_in` concerns the access token; an ID token has its own claims.
    private func lifetime(of token: Token, _ json: JSONValue, wall: Int) -> Int? {
        if case .idToken = configuration.token, let claims = token.claims,
            let lifetime = claims.lifetime ?? claims.lifetimeSinceIssue
        {
            return lifetime
        }
        let places = configuration.answer
        return ExpiryReader.lifetime(in: json, expiresIn: places.expiresIn, expiresAt: places.expiresAt, wall: wall)
    }

    /// Why the tokens in the response cannot be used; nil if they can.
    private func problem(of tokens: TokenSet) -> String? {
        switch tokens.tokenType?.lowercased() {
        case "dpop": return "\(subject): token_type DPoP: \(Self.dpop)"
        case "mac": return "\(subject): token_type mac: the API wants signed requests, which Squire does not make"
        default: break
        }
        if case .tokenExchange = configuration.grant,
            let type = text(at: "/issued_token_type"), type.hasSuffix(":refresh_token")
        {
            return "\(subject): issued_token_type is a refresh token, which is no bearer token; "
                + "see session.oauth.requested-token-type"
        }
        return nil
    }

    /// The outcome of a success without a usable token: the spent token may be gone. If a new refresh token came, it
    /// is, and the new one is to be kept.
    private func useless(_ reason: String, for purpose: TokenPurpose, held: HeldTokens) -> TokenOutcome {
        let reason = "\(subject): \(reason)"
        guard purpose.spends else { return .misconfigured(reason: reason) }
        guard let refreshToken = try? refreshToken(), refreshToken != held.refreshToken else {
            return .lost(reason: reason, response: response.body)
        }
        return .misconfigured(
            reason: "\(reason); see session.oauth.token and session.oauth.answer",
            tokens: UnusableTokens(refreshToken: refreshToken, refreshExpiresIn: refreshExpiresIn)
        )
    }

    // MARK: Errors

    /// Whether the response reports an error in any form.
    var hasError: Bool {
        switch errorValue {
        case .string(let text): !text.isEmpty
        case .number, .array, .object, .bool(true): true
        case .bool(false), .null, nil: false
        }
    }

    private var errorValue: JSONValue? {
        json?.value(at: configuration.answer.error) ?? json?.value(at: "/error")
    }

    /// The error code; nil if it is not a text, or if it contains a secret.
    private var error: String? {
        let text = errorValue?.string ?? (json == nil ? challengeError : nil)
        guard let text, !text.isEmpty, text.utf8.count <= 64,
            text.utf8.allSatisfy({ Octet.isToken($0) }),
            QuotedText.quoted(text, hiding: secrets) == text
        else { return nil }
        return text
    }

    /// The error code in `WWW-Authenticate` (RFC 6750 section 3), for responses without one in the body.
    private var challengeError: String? {
        guard response.status == 401, let challenge = response["WWW-Authenticate"] else { return nil }
        let parts = challenge.split(separator: ",").flatMap { $0.split(separator: " ") }
        let value = parts.first { $0.lowercased().hasPrefix("error=") }?.dropFirst(6)
        return value.map { $0.filter { $0 != "\"" } }
    }

    private func failure(for purpose: TokenPurpose, wall: Int) -> TokenOutcome {
        let retryAfter = RetryAfter.seconds(response["Retry-After"], date: response["Date"], wall: wall)
        let mayHaveRotated = purpose.spends && [500, 502, 504].contains(response.status)
        guard let error else {
            // Counts as temporary, because an intermediary may send such a page, too.
            let isNowhere = [404, 405, 410].contains(response.status)
            let said = isNowhere ? "\(said) (is session.oauth.token-endpoint right?)" : said
            return unavailable(said, retryAfter, mayHaveRotated: mayHaveRotated)
        }
        let isFinal = configuration.final.contains(error)
        if !isFinal, let advice = advice(on: error) { return .misconfigured(reason: "\(said); \(advice)") }
        guard isFinal || ErrorWord.final.contains(error) else {
            return unavailable(said, retryAfter, mayHaveRotated: mayHaveRotated)
        }
        switch purpose {
        case .spend: return .refused(reason: said, status: response.status)
        case .mint:
            return unavailable(said + hint, retryAfter ?? Self.refusedAssertionPause)
        }
    }

    private func unavailable(_ reason: String, _ retryAfter: Int?, mayHaveRotated: Bool = false) -> TokenOutcome {
        .unavailable(
            reason: reason,
            retryAfter: retryAfter,
            mayHaveRotated: mayHaveRotated,
            status: response.status
        )
    }

    /// `token endpoint: invalid_grant (status 400, "…")`
    private var said: String {
        let details = ["status \(response.status)"] + (quote.map { ["\"\($0)\""] } ?? [])
        guard let error else { return "\(subject): \(details.joined(separator: ", "))" }
        return "\(subject): \(error) (\(details.joined(separator: ", ")))"
    }

    /// A readable quotation of the response for messages.
    private var quote: String? {
        var texts = [json?.value(at: "/error_description"), json?.value(at: "/message")]
        switch errorValue {
        case .object(let members):
            for name in ["status", "code", "type", "message"] {
                texts.append(members.last { $0.name == name }?.value)
            }
        case .string where error == nil: texts.insert(errorValue, at: 0)
        default: break
        }
        let words = texts.compactMap { value -> String? in
            switch value {
            case .string(let text) where !text.isEmpty: text
            case .number(let text): text
            default: nil
            }
        }
        guard !words.isEmpty else { return nil }
        return QuotedText.quoted(words.joined(separator: ", "), hiding: secrets)
    }

    /// Advice on an error that says nothing about the held tokens; nil for other errors.
    private func advice(on error: String) -> String? {
        guard error == "invalid_client" else { return Self.requestErrors[error] }
        let keys = "see session.oauth.client-authentication and session.oauth.client-secret"
        switch configuration.authentication {
        case .none: return keys + ": none is sent"
        case .secret(_, let form):
            let other =
                switch form {
                case nil, .basic: "client-secret-post or client-secret-basic-raw"
                case .basicRaw: "client-secret-basic or client-secret-post"
                case .post: "client-secret-basic"
                }
            return keys + ": some servers want \(other)"
        case .privateKeyJWT: return keys + ": private-key-jwt is signed with session.oauth.private-key"
        case .tlsClientAuth: return keys + ": tls-client-auth sends session.oauth.tls.certificate"
        }
    }

    private var hint: String {
        guard case .jwtBearer = configuration.grant else { return "" }
        return " (is this machine's clock right, and session.oauth.private-key the one that the server knows?)"
    }

    private var redirect: TokenOutcome {
        let place = response["Location"].flatMap { try? EndpointURL($0) }.map(\.origin) ?? "another place"
        let key = configuration.tokenEndpoint == nil ? "session.oauth.issuer" : "session.oauth.token-endpoint"
        return .misconfigured(
            reason: "\(subject): status \(response.status) leads to \(place), and is not followed; see \(key)"
        )
    }
}
