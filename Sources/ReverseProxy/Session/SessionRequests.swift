public import Credentials
import EventIO
import Platform
public import Support
public import TokenSources
public import Upstream

/// Sends the few whole requests of the session itself: refresh, sign-in, sign-out. Blocking; not for event loops.
public struct SessionRequests: Sendable {
    private let configuration: ProxyConfiguration
    private let settings: UpstreamSettings
    private let observe: Observer

    /// Called for each request, on the thread that sent it.
    public typealias Observer = @Sendable (SessionRequestRecord) -> Void

    public init(_ configuration: ProxyConfiguration, observe: @escaping Observer = { _ in }) {
        self.configuration = configuration
        self.observe = observe
        settings = configuration.upstreamSettings
    }

    /// Sends `method path` to the upstream with the configured headers, the bearer if there is one, and a JSON body if
    /// there is one.
    public func send(
        _ method: String,
        _ path: String,
        token: Token?,
        body: JSONValue? = nil,
        timeout: Duration
    ) -> BlockingRequest.Outcome {
        perform(
            BlockingRequest(
                method: method,
                url: configuration.upstreamURL + path,
                fields: fields(configuration.headers, token: token),
                body: body.map { $0.octets() },
                timeout: timeout
            ),
            shownAs: path
        )
    }

    /// Sends the refresh that the recipe describes, with the held tokens, if `maySend` still returns true when there is a
    /// connection.
    func send(
        _ recipe: SessionConfiguration.Refresh,
        _ held: HeldTokens,
        if maySend: @escaping @Sendable () -> Bool
    ) -> BlockingRequest.Outcome {
        guard var request = request(recipe, held) else {
            return .failure(
                .notSent(UpstreamError(kind: .configuration, detail: "The recipe names a token that is not held"))
            )
        }
        request.maySend = maySend
        // The path as it is configured contains no token.
        return perform(request, shownAs: recipe.path)
    }

    /// The refresh that the recipe describes; nil if its path or body names a token that is not held. A header with
    /// such a token is omitted.
    ///
    /// Another server than the upstream gets no configured header whose value is secret: see
    /// `ProxyConfiguration.headersWithheldFromRefresh`.
    ///
    /// The access token is applied as to any request, unless the recipe has a separate refresh token: many servers
    /// refuse requests with an expired access token.
    func request(_ recipe: SessionConfiguration.Refresh, _ held: HeldTokens) -> BlockingRequest? {
        var identifiers = IdentifierGenerator()
        let attached = recipe.refreshToken == nil ? held.accessToken : nil
        let withheld = Set(configuration.headersWithheldFromRefresh.map(\.name))
        let headers = configuration.headers.filter { !withheld.contains($0.name) }
        var fields = self.fields(headers, token: attached)
        for rule in recipe.headers {
            fields.removeAll { $0.name.lowercased() == rule.name.lowercased() }
            guard !rule.value.isEmpty else { continue }
            let filled = Template(rule.value).filled(held, as: .field, uuid: { identifiers.uuid() })
            if let value = rule.isLiteral ? rule.value : filled { fields.append((rule.name, value)) }
        }
        guard let path = Template(recipe.path).filled(held, as: .url, uuid: { identifiers.uuid() }) else { return nil }
        var body: String?
        if let text = recipe.body {
            let rules = recipe.headers + headers
            let type = rules.first { $0.name.lowercased() == "content-type" }?.value
            let form = Template.BodyForm(body: text, contentType: type)
            body = Template(text).filled(held, as: form.context, uuid: { identifiers.uuid() })
            if body == nil { return nil }
            if type == nil, let index = fields.firstIndex(where: { $0.name == "Content-Type" }) {
                fields[index].value = form.contentType
            }
        }
        return BlockingRequest(
            method: recipe.method,
            url: (recipe.origin?.description ?? configuration.upstreamURL) + path,
            fields: fields,
            body: body.map { Array($0.utf8) },
            timeout: recipe.timeout
        )
    }

    /// A request without a body to the upstream, with the configured headers and the bearer if there is one. `squire
    /// check` sends it itself.
    public func request(
        _ method: String,
        _ path: String,
        token: Token?,
        timeout: Duration
    ) -> BlockingRequest {
        var fields = fields(configuration.headers, token: token)
        if !configuration.headers.contains(where: { $0.name.lowercased() == "content-type" }) {
            fields.removeAll { $0.name == "Content-Type" }
        }
        return BlockingRequest(
            method: method,
            url: configuration.upstreamURL + path,
            fields: fields,
            timeout: timeout
        )
    }

    private func fields(_ headers: [HeaderRule], token: Token?) -> [(name: String, value: String)] {
        var identifiers = IdentifierGenerator()
        var fields = headers.map { rule -> (name: String, value: String) in
            let value = rule.isLiteral ? rule.value : rule.value.replacingAll("{uuid}", with: identifiers.uuid())
            return (name: rule.name, value: value)
        }
        let names = Set(fields.map { $0.name.lowercased() })
        for (name, value) in [("Accept", "application/json"), ("Content-Type", "application/json")]
        where !names.contains(name.lowercased()) {
            fields.append((name, value))
        }
        let application = configuration.session.apply
        if let token { fields.append((application.field, application.value(token))) }
        return fields
    }

    private func perform(_ request: BlockingRequest, shownAs path: String) -> BlockingRequest.Outcome {
        let begun = MonotonicClock.now()
        let reply = BlockingRequest.Outcome { () throws(BlockingRequest.Failure) in try request.perform(settings) }
        let nanoseconds = MonotonicClock.now() &- begun
        observe(SessionRequestRecord(method: request.method, path: path, reply: reply, nanoseconds: nanoseconds))
        return reply
    }
}

/// A request of the session's own, and its result: without fields, bodies and secrets in the path.
public struct SessionRequestRecord: Sendable {
    public let method: String
    /// For a server other than the upstream: the URL without its query.
    public let path: String
    /// Nil if there was no response.
    public let status: Int?
    /// Why there is no response.
    public let reason: String?
    public let milliseconds: Int

    /// A request to an authorization server.
    public init(_ record: TokenRequestRecord) {
        method = record.method
        path = record.url
        status = record.status
        reason = record.reason
        milliseconds = record.milliseconds
    }

    init(method: String, path: String, reply: BlockingRequest.Outcome, nanoseconds: UInt64) {
        self.method = method
        var path = path
        self.path = path.withUTF8 { octets in
            String(decoding: Redaction.shown(octets, scratch: ByteBuffer(capacity: 512)), as: UTF8.self)
        }
        milliseconds = Int(nanoseconds / 1_000_000)
        switch reply {
        case .success(let response): (status, reason) = (response.status, nil)
        case .failure(.notSent(let error)), .failure(.noResponse(let error, _)): (status, reason) = (nil, error.detail)
        }
    }
}
