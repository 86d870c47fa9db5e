package import Credentials
package import Upstream

/// The few whole requests that concern the session: refresh, sign-in, sign-out. Blocking; not for event loops.
package struct SessionRequests: Sendable {
    private let configuration: ProxyConfiguration
    private let settings: UpstreamSettings

    package init(_ configuration: ProxyConfiguration) {
        self.configuration = configuration
        settings = configuration.upstreamSettings
    }

    /// An answer, or why there is none.
    package typealias Reply = Result<WholeRequest.Answer, WholeRequest.Failure>

    /// Sends `method path` with the configured headers, the bearer if there is one, and a JSON body if there is one.
    package func send(
        _ method: String,
        _ path: String,
        token: Token?,
        body: JSONValue? = nil,
        timeout: Duration
    ) -> Reply {
        var identifiers = IdentifierGenerator()
        var fields = configuration.headers.map { rule in
            (name: rule.name, value: Self.expand(rule.value, &identifiers))
        }
        for (name, value) in [("Accept", "application/json"), ("Content-Type", "application/json")]
        where !fields.contains(where: { $0.name.lowercased() == name.lowercased() }) {
            fields.append((name, value))
        }
        if let token { fields.append(("Authorization", "Bearer \(token.value)")) }
        let request = WholeRequest(
            method: method,
            url: configuration.upstream.description + path,
            fields: fields,
            body: body.map { Array($0.serialized().utf8) },
            timeout: timeout
        )
        do throws(WholeRequest.Failure) {
            return .success(try request.perform(settings))
        } catch {
            return .failure(error)
        }
    }

    private static func expand(_ value: String, _ identifiers: inout IdentifierGenerator) -> String {
        guard value.contains("{uuid}") else { return value }
        var result = ""
        var rest = Substring(value)
        while let open = rest.firstIndex(of: "{") {
            result += rest[..<open]
            if rest[open...].hasPrefix("{uuid}") {
                result += identifiers.uuid()
                rest = rest[open...].dropFirst(6)
            } else {
                result += "{"
                rest = rest[open...].dropFirst()
            }
        }
        return result + rest
    }
}

/// A token source that follows the configured recipe: one request that answers with a new token.
package struct RecipeSource: TokenSource {
    private let requests: SessionRequests
    private let recipe: SessionConfiguration.Refresh

    /// Nil when no refresh is configured.
    package init?(_ configuration: ProxyConfiguration) {
        guard let recipe = configuration.session.refresh else { return nil }
        self.recipe = recipe
        requests = SessionRequests(configuration)
    }

    package func refresh(_ token: Token) -> RefreshOutcome {
        switch requests.send(recipe.method, recipe.path, token: token, timeout: recipe.timeout) {
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
        default: return .unavailable(reason: "status \(answer.status)", retryAfter: retryAfter)
        }
        guard let text = JSONValue(parsing: answer.body)?.value(at: recipe.token)?.string, let token = Token(text),
            token != old, token.hasThreeSegments || !old.hasThreeSegments
        else {
            return .unavailable(
                reason: "the answer holds no new token at \(recipe.token)",
                retryAfter: retryAfter
            )
        }
        return .refreshed(
            RefreshReply(token: token, body: answer.body, contentType: answer["Content-Type"] ?? "application/json")
        )
    }
}
