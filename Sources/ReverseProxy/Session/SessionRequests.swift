public import Credentials
public import Upstream

/// The few whole requests that concern the session: refresh, sign-in, sign-out. Blocking; not for event loops.
public struct SessionRequests: Sendable {
    private let configuration: ProxyConfiguration
    private let settings: UpstreamSettings

    public init(_ configuration: ProxyConfiguration) {
        self.configuration = configuration
        settings = configuration.upstreamSettings
    }

    /// An answer, or why there is none.
    public typealias Reply = Result<WholeRequest.Answer, WholeRequest.Failure>

    /// Sends `method path` to the upstream with the configured headers, the bearer if there is one, and a JSON body if there is one.
    public func send(
        _ method: String,
        _ path: String,
        token: Token?,
        body: JSONValue? = nil,
        timeout: Duration
    ) -> Reply {
        perform(
            WholeRequest(
                method: method,
                url: configuration.upstream.description + path,
                fields: fields(token: token, overriding: []),
                body: body.map { Array($0.serialized().utf8) },
                timeout: timeout
            )
        )
    }

    /// Sends the refresh of `token`, as the recipe has it.
    func send(_ recipe: SessionConfiguration.Refresh, token: Token) -> Reply {
        let fields = fields(token: token, overriding: recipe.headers)
        let isForm = fields.contains {
            $0.name.lowercased() == "content-type"
                && $0.value.lowercased().hasPrefix("application/x-www-form-urlencoded")
        }
        let body = recipe.body?.replacingAll(
            "{token}",
            with: isForm ? Self.percentEncoded(token.value) : token.value
        )
        return perform(
            WholeRequest(
                method: recipe.method,
                url: (recipe.origin ?? configuration.upstream).description + recipe.path,
                fields: fields,
                body: body.map { Array($0.utf8) },
                timeout: recipe.timeout
            )
        )
    }

    private func fields(token: Token?, overriding rules: [HeaderRule]) -> [(name: String, value: String)] {
        var identifiers = IdentifierGenerator()
        var fields = configuration.headers.map { (name: $0.name, value: $0.value) }
        let names = Set(fields.map { $0.name.lowercased() })
        for (name, value) in [("Accept", "application/json"), ("Content-Type", "application/json")]
        where !names.contains(name.lowercased()) {
            fields.append((name, value))
        }
        if token != nil { fields.append(("Authorization", "Bearer {token}")) }
        for rule in rules {
            fields.removeAll { $0.name.lowercased() == rule.name.lowercased() }
            if !rule.value.isEmpty { fields.append((rule.name, rule.value)) }
        }
        return fields.map { field in
            var value = field.value
            if value.contains("{uuid}") { value = value.replacingAll("{uuid}", with: identifiers.uuid()) }
            // In configured values of other requests the word means itself.
            let isOurs = field.name == "Authorization" || rules.contains { $0.name == field.name }
            if isOurs, let token { value = value.replacingAll("{token}", with: token.value) }
            return (field.name, value)
        }
    }

    private func perform(_ request: WholeRequest) -> Reply {
        do throws(WholeRequest.Failure) {
            return .success(try request.perform(settings))
        } catch {
            return .failure(error)
        }
    }

    /// A bearer token's characters that mean something in a form (WHATWG URL section 5.1).
    private static func percentEncoded(_ text: String) -> String {
        text.replacingAll("+", with: "%2B").replacingAll("/", with: "%2F").replacingAll("=", with: "%3D")
    }
}

/// Finds a token, and how long it lives, in an answer of the API.
public struct TokenFinder: Sendable {
    /// A JSON Pointer.
    public let token: String
    private let expiresIn: String?
    private let expiresAt: String?

    /// The recipe says where a refresh's answer holds them; a sign-in's answer has the same form.
    public init(_ recipe: SessionConfiguration.Refresh?) {
        token = recipe?.token ?? "/data/token/value"
        expiresIn = recipe?.expiresIn
        expiresAt = recipe?.expiresAt
    }

    /// `wall` is now, seconds since 1970.
    public func find(in body: [UInt8], wall: Int) -> (token: Token, lifetime: Int?)? {
        guard let json = JSONValue(parsing: body), let text = json.value(at: token)?.string, let found = Token(text)
        else { return nil }
        if let expiresIn, let seconds = Self.seconds(json.value(at: expiresIn)) { return (found, seconds) }
        if let expiresAt, let end = Self.seconds(json.value(at: expiresAt)), end > wall { return (found, end - wall) }
        return (found, nil)
    }

    /// A positive number of seconds, also as a string, as some APIs have it; anything else says nothing. Absurdly large ones are cut.
    private static func seconds(_ value: JSONValue?) -> Int? {
        let text: String
        switch value {
        case .number(let number): text = number
        case .string(let digits): text = digits
        default: return nil
        }
        guard let number = Double(text), number >= 1, number.isFinite else { return nil }
        return Int(min(number, 1e11))
    }
}

/// A token source that follows the configured recipe: one request that answers with a new token.
public struct RecipeSource: TokenSource {
    private let requests: SessionRequests
    private let recipe: SessionConfiguration.Refresh

    /// Nil when no refresh is configured.
    public init?(_ configuration: ProxyConfiguration) {
        guard let recipe = configuration.session.refresh else { return nil }
        self.recipe = recipe
        requests = SessionRequests(configuration)
    }

    public func refresh(_ token: Token) -> RefreshOutcome {
        switch requests.send(recipe, token: token) {
        case .failure(.notSent(let error)): .unreachable(reason: error.detail)
        case .failure(.noAnswer(let error)): .lost(reason: error.detail)
        case .success(let answer): outcome(answer, old: token)
        }
    }

    private func outcome(_ answer: WholeRequest.Answer, old: Token) -> RefreshOutcome {
        let retryAfter = answer["Retry-After"].flatMap { Int($0) }
        switch answer.status {
        case 200..<300: break
        case 408, 425, 429: return .unavailable(reason: "status \(answer.status)", retryAfter: retryAfter)
        case 400..<500: return .refused(status: answer.status)
        default:
            // A gateway in between gave up waiting, or the API fell over its own answer: who knows.
            let isDoubtful = [500, 502, 504].contains(answer.status)
            return .unavailable(
                reason: "status \(answer.status)",
                retryAfter: retryAfter,
                mayHaveRotated: isDoubtful
            )
        }
        guard let (token, lifetime) = TokenFinder(recipe).find(in: answer.body, wall: SystemClock().wall()),
            token != old, token.hasThreeSegments || !old.hasThreeSegments
        else {
            // It may have rotated the token all the same.
            return .lost(reason: "the answer holds no new token at \(recipe.token)")
        }
        return .refreshed(
            RefreshResponse(
                token: token,
                lifetime: lifetime,
                body: answer.body,
                contentType: answer["Content-Type"] ?? "application/json"
            )
        )
    }
}
