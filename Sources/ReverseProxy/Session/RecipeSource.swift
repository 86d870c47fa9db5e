public import Credentials
import HTTP1
import Support
import TokenSources
import Upstream

/// A token source that follows the configured recipe: one request whose response holds a new token.
public struct RecipeSource: TokenSource {
    private let requests: SessionRequests
    private let judge: RefreshJudge
    /// The tokens that must be held: the one that is spent, and those that the path and the body name.
    private let needs: Set<Template.Placeholder>

    /// Nil if no refresh is configured. `observe` is called for each request.
    public init?(_ configuration: ProxyConfiguration, observe: @escaping SessionRequests.Observer = { _ in }) {
        guard let recipe = configuration.session.refresh else { return nil }
        judge = RefreshJudge(recipe)
        needs = Template(recipe.path).placeholders.union(Template(recipe.body ?? "").placeholders)
            .union([recipe.refreshToken == nil ? .token : .refreshToken])
        requests = SessionRequests(configuration, observe: observe)
    }

    public var spends: Bool { true }

    public func canGet(with held: HeldTokens) -> Bool {
        (held.accessToken != nil || !needs.contains(.token))
            && (held.refreshToken != nil || !needs.contains(.refreshToken))
    }

    public func response(bringing token: Token, _ refreshToken: Token?) -> RefreshResponse {
        judge.recipe.response(bringing: token, refreshToken)
    }

    public func get(_ held: HeldTokens) -> TokenOutcome { get(held) { true } }

    public func get(_ held: HeldTokens, if maySend: @escaping @Sendable () -> Bool) -> TokenOutcome {
        switch requests.send(judge.recipe, held, if: maySend) {
        case .failure(let failure): outcome(failure, held)
        case .success(let response): outcome(response, held)
        }
    }

    private func outcome(_ failure: BlockingRequest.Failure, _ held: HeldTokens) -> TokenOutcome {
        if let response = failure.wholeResponse, case .obtained(let tokens, let reply) = outcome(response, held) {
            return .obtained(tokens, response: reply)
        }
        switch failure {
        case .notSent(let error):
            return .unreachable(reason: error.explained, isTimeout: error.kind == .timeout)
        case .noResponse(let error, let cut):
            return .lost(reason: error.detail, response: cut?.body, isTimeout: error.kind == .timeout)
        }
    }

    private func outcome(_ response: BlockingRequest.Response, _ held: HeldTokens) -> TokenOutcome {
        judge.outcome(
            RefreshJudge.Response(status: response.status, fields: response.fields, body: response.body),
            old: held,
            wall: SystemClock().wall()
        )
    }
}

extension SessionConfiguration.Refresh {
    /// The tokens at their places in a response, and nothing else that the recipe does not tell.
    func response(bringing held: Token, _ heldToRefresh: Token?) -> RefreshResponse {
        var values = [(pointer: token, value: JSONValue.string(held.value))]
        if let refreshToken, let heldToRefresh { values.append((refreshToken, .string(heldToRefresh.value))) }
        // Clients of an API with this envelope look at its first members.
        if token == "/data/token/value" {
            values = [("/status", .string("OK")), ("/code", .integer(200))] + values
        }
        return RefreshResponse(token: held, json: JSONValue(values))
    }

    /// The recipe sends the access token together with the refresh token, so a login has to provide both.
    public var needsPair: Bool {
        refreshToken != nil && [path, body ?? ""].contains { Template($0).placeholders.contains(.token) }
    }
}

/// Decides what the response to a refresh means. Pure.
///
/// | response | outcome |
/// |---|---|
/// | 2xx with a new token | `obtained` |
/// | 2xx with the same token | `unchanged` |
/// | 2xx without one | `lost`: the token may have been rotated |
/// | 407, 408, 421, 425, 429 | `unavailable` |
/// | 403, 404, 405, 451 that a proxy or a firewall wrote | `unavailable` |
/// | 4xx else, or what `session.refresh.refused` lists | `refused` |
/// | 500, 502, 504 | `unavailable`, and the token may have been rotated |
/// | anything else | `unavailable` |
struct RefreshJudge: Sendable {
    let recipe: SessionConfiguration.Refresh

    struct Response: Sendable {
        var status: Int
        var fields: [(name: String, value: String)]
        var body: [UInt8]

        /// The first field with that name.
        subscript(name: String) -> String? {
            fields.first { $0.name.lowercased() == name.lowercased() }?.value
        }
    }

    init(_ recipe: SessionConfiguration.Refresh) {
        self.recipe = recipe
    }

    /// `wall` is the current time, in seconds since 1970.
    func outcome(_ response: Response, old: HeldTokens, wall: Int) -> TokenOutcome {
        if recipe.refreshToken != nil, recipe.refused == nil { return outcomeByWord(response, old: old, wall: wall) }
        if isRefused(response) { return .refused(reason: "status \(response.status)", status: response.status) }
        if (200..<300).contains(response.status) {
            return token(in: JSONValue(lenient: response.body), of: response, old: old, wall: wall)
        }
        return unavailable(response, "status \(response.status)", wall: wall)
    }

    private func unavailable(_ response: Response, _ reason: String, wall: Int) -> TokenOutcome {
        .unavailable(
            reason: reason,
            retryAfter: RetryAfter.seconds(response["Retry-After"], date: response["Date"], wall: wall),
            // A gateway gave up waiting, or the API failed to produce its own response: either may have happened after
            // the rotation.
            mayHaveRotated: [500, 502, 504].contains(response.status),
            status: response.status
        )
    }

    /// If there is a separate refresh token, the text of the answer decides, as with an authorization server's: an
    /// error in a 200 is an error, and a 4xx that does not mention the refresh token is not its end.
    private func outcomeByWord(_ response: Response, old: HeldTokens, wall: Int) -> TokenOutcome {
        let json = JSONValue(lenient: response.body)
        let isSuccess = (200..<300).contains(response.status)
        let hasToken = json?.value(at: recipe.token)?.string?.isEmpty == false
        guard let word = ErrorWord.word(in: json), !isSuccess || !hasToken else {
            if isSuccess { return token(in: json, of: response, old: old, wall: wall) }
            return unavailable(response, "status \(response.status)\(Self.advice(response.status))", wall: wall)
        }
        let reason = "\(word), status \(response.status)"
        switch ErrorWord.meaning(of: word) {
        case .final: return .refused(reason: reason, status: response.status)
        case .request: return .misconfigured(reason: "\(reason); see session.refresh")
        case .other: return unavailable(response, reason + Self.advice(response.status), wall: wall)
        }
    }

    /// Advice for a status that does not explain itself.
    private static func advice(_ status: Int) -> String {
        switch status {
        case 404, 405:
            ": is this the path of session.refresh? If the refresh token is over, say it with its key refused"
        case 407, 408, 421, 425, 429: ""
        case 400..<500: ": if that means that the refresh token is over, say it with session.refresh.refused"
        default: ""
        }
    }

    private func token(in json: JSONValue?, of response: Response, old: HeldTokens, wall: Int) -> TokenOutcome {
        guard let json else {
            return .lost(reason: "the answer is not JSON", response: response.body)
        }
        let found: TokenSet
        switch TokenFinder(recipe).look(in: json, date: response["Date"], wall: wall) {
        case .tokens(let tokens)
        where tokens.accessToken.hasThreeSegments || !(old.accessToken?.hasThreeSegments ?? false):
            found = tokens
        case .tokens(let tokens):
            let reason = "what is at \(recipe.token) (session.refresh.token) is no JSON Web Token, as the old one is"
            return useless(reason, UnusableTokens(tokens), response, old: old)
        case .absent(let reason, let tokens), .unusable(let reason, let tokens):
            return useless(reason, tokens, response, old: old)
        }
        let reply = IssuerResponse(
            body: response.body,
            contentType: response["Content-Type"] ?? "application/json"
        )
        let isSame =
            found.accessToken == old.accessToken && (found.refreshToken ?? old.refreshToken) == old.refreshToken
        return isSame ? .unchanged(expiresIn: found.expiresIn, response: reply) : .obtained(found, response: reply)
    }

    /// The token may have been rotated all the same. If a new one to spend arrived, it was, and the new one is to be kept.
    private func useless(
        _ reason: String,
        _ tokens: UnusableTokens,
        _ response: Response,
        old: HeldTokens
    ) -> TokenOutcome {
        guard let refreshToken = tokens.refreshToken, refreshToken != old.refreshToken else {
            return .lost(reason: reason, response: response.body)
        }
        return .misconfigured(reason: reason, tokens: tokens)
    }

    // MARK: Refused

    private func isRefused(_ response: Response) -> Bool {
        if let rules = recipe.refused { return rules.contains { Self.matches($0, response) } }
        switch response.status {
        case 407, 408, 421, 425, 429: return false
        case 403, 404, 405, 451: return !Self.isOfAnIntermediary(response)
        default: return (400..<500).contains(response.status)
        }
    }

    private static func matches(_ rule: SessionConfiguration.Rejection, _ response: Response) -> Bool {
        guard rule.status == response.status else { return false }
        if let error = rule.challenge {
            let challenges = response.fields.filter { $0.name.lowercased() == "www-authenticate" }.map(\.value)
            guard challenges.flatMap(AuthenticationChallenge.parse).contains(where: { $0.error == error }) else {
                return false
            }
        }
        return rule.body.map { $0.isMet(by: JSONValue(lenient: response.body)) } ?? true
    }

    /// An API refuses in JSON, or without a body; an HTML page comes from an intermediary.
    private static func isOfAnIntermediary(_ response: Response) -> Bool {
        if response["Proxy-Status"] != nil || response["Proxy-Authenticate"] != nil { return true }
        let type = response["Content-Type"]?.lowercased() ?? ""
        if type.hasPrefix("text/html") || type.hasPrefix("application/xhtml") { return true }
        let start = response.body.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
        return response.body[start...].first { $0 > 0x20 } == UInt8(ascii: "<")
    }
}
