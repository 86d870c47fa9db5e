public import Credentials
import HTTP1
public import Support
import Threads
import Upstream

/// The client of one authorization server: requests tokens, revokes them, and discovers endpoints.
///
/// Each try is one request, and redirects are not followed: the parameters may be valid for a single use.
///
/// *Threading*: any thread that may block. A refresh token must be spent on one thread at a time.
public final class TokenEndpoint: Sendable {
    public let configuration: OAuthConfiguration
    let services: OAuthServices
    private let discovery: Discovery?
    let state: Guarded<State>

    struct State: Sendable {
        /// How many seconds the server's clock was ahead of this machine's in its last response.
        var skew: Int?
        /// The clock difference that assertions allow for, in seconds.
        var assumedSkew = 0
        /// Secrets from commands, cached until the server refuses the client.
        var secrets: [[String]: String] = [:]
    }

    /// Larger answers are refused.
    static let maxBytes = 256 * 1024
    /// The clock difference in seconds that is tolerated.
    private static let skewTolerance = 2

    public init(_ configuration: OAuthConfiguration, _ services: OAuthServices) {
        self.configuration = configuration
        self.services = services
        // The commands already ran when the configuration was read.
        var state = State()
        for secret in configuration.readSecrets {
            if case .command(let command) = secret.reference { state.secrets[command] = secret.text }
        }
        self.state = Guarded(state)
        discovery = configuration.issuer.map(Discovery.init)
    }

    /// Fetches what the first token request needs ahead of time: metadata, and secrets from commands. Failures are
    /// retried by that request.
    public func prepare() {
        guard let url = try? tokenEndpoint() else { return }
        _ = try? proof(for: url)
    }

    /// Checks with an empty request whether the token endpoint responds, after discovery if necessary. Returns its URL
    /// and the status of the response. Blocking.
    public func look() throws(EndpointFailure) -> (url: EndpointURL, status: Int) {
        // A configured issuer must be right, even if nothing is discovered for now.
        _ = try metadata()
        let url = try tokenEndpoint()
        let fields = [("Accept", "application/json"), Self.userAgent]
        var request = BlockingRequest(method: "GET", url: url.text, fields: fields, timeout: configuration.timeout)
        request.maximumResponseBytes = Self.maxBytes
        switch send(request, to: url) {
        case .success(let response): return (url, response.status)
        case .failure(let failure): throw EndpointFailure(failure, of: "token endpoint")
        }
    }

    /// How many seconds the server's clock is ahead of this machine's; nil until a response had a Date.
    public var clockSkew: Int? { state.with { $0.skew } }

    /// How many seconds assertions are dated ahead of this machine's clock; nil if they are not.
    public var correction: Int? {
        let skew = state.with { $0.assumedSkew }
        return skew == 0 ? nil : skew
    }

    // MARK: Tokens

    /// Requests tokens with the parameters of a grant, including `grant_type`. Adds the client authentication and the
    /// configured parameters. `held` are the session's tokens: if the response has no refresh token, the held one
    /// stays. Blocking.
    public func exchange(
        _ parameters: [(name: String, value: String)],
        held: HeldTokens = HeldTokens(),
        for purpose: TokenPurpose = .spend
    ) -> TokenOutcome {
        ask(parameters, held: held, for: purpose).outcome
    }

    /// The same, but also returns the response's error code, for the polling of a device login. `maySend` is asked once
    /// there is a connection: nothing is sent if it returns false.
    public func ask(
        _ parameters: [(name: String, value: String)],
        held: HeldTokens = HeldTokens(),
        for purpose: TokenPurpose = .spend,
        if maySend: (@Sendable () -> Bool)? = nil
    ) -> TokenReply {
        let sent: Sent
        do throws(EndpointFailure) {
            let parameters = parameters + configured(configuration.parameters)
            sent = try post(parameters, to: try tokenEndpoint(), if: maySend)
        } catch {
            return TokenReply(error.outcome)
        }
        switch sent.reply {
        case .failure(let failure):
            let failed = EndpointFailure(failure, of: "token endpoint")
            if case .noResponse(let error, let cut) = failure, purpose.spends {
                if let response = failure.wholeResponse {
                    let reply = reply(response, sent, held, purpose)
                    if case .obtained = reply.outcome { return reply }
                }
                return TokenReply(
                    .lost(reason: failed.reason, response: cut?.body, isTimeout: error.kind == .timeout)
                )
            }
            return TokenReply(failed.outcome)
        case .success(let response):
            let reply = reply(response, sent, held, purpose)
            if reply.error == "invalid_client" { forgetSecrets() }
            return reply
        }
    }

    private func reply(
        _ response: BlockingRequest.Response,
        _ sent: Sent,
        _ held: HeldTokens,
        _ purpose: TokenPurpose
    ) -> TokenReply {
        let secrets = sent.secrets + [held.accessToken, held.refreshToken].compactMap { $0?.value }
        let answer = TokenAnswer(response, configuration, hiding: secrets + services.secrets)
        return answer.reply(for: purpose, held: held, wall: services.clock.wall())
    }

    /// Requests a device code (RFC 8628 section 3.1). Adds the client authentication. The response is an object.
    /// Blocking.
    public func deviceCode(
        _ parameters: [(name: String, value: String)]
    ) throws(EndpointFailure) -> JSONValue {
        var parameters = parameters
        // Sent whichever way the client authenticates, because the request resembles an authorization request.
        if let name = configuration.clientID, !parameters.contains(where: { $0.name == "client_id" }) {
            parameters.append(("client_id", name))
        }
        let sent = try post(parameters, to: try deviceEndpoint())
        switch sent.reply {
        case .failure(let failure): throw EndpointFailure(failure, of: "device endpoint")
        case .success(let response):
            let secrets = sent.secrets + services.secrets
            let answer = TokenAnswer(response, of: "device endpoint", configuration, hiding: secrets)
            if let problem = answer.problem(wall: services.clock.wall()) { throw problem }
            return answer.json ?? .object([])
        }
    }

    // MARK: Endpoints

    public func tokenEndpoint() throws(EndpointFailure) -> EndpointURL {
        try endpoint(.token, configuration.tokenEndpoint, key: "token-endpoint")
    }

    public func authorizationEndpoint() throws(EndpointFailure) -> EndpointURL {
        try endpoint(.authorization, configuration.authorizationEndpoint, key: "authorization-endpoint")
    }

    public func deviceEndpoint() throws(EndpointFailure) -> EndpointURL {
        try endpoint(.device, configuration.deviceEndpoint, key: "device-authorization-endpoint")
    }

    /// Whether the server must name itself in the authorization response (RFC 9207 section 2.4).
    public func namesIssuer() -> Bool {
        (try? metadata())?.namesIssuer ?? false
    }

    private func endpoint(
        _ endpoint: ServerMetadata.Endpoint,
        _ configured: EndpointURL?,
        key: String
    ) throws(EndpointFailure) -> EndpointURL {
        if let configured { return configured }
        if let found = try discovered(endpoint) { return found }
        guard let issuer = configuration.issuer else {
            throw .misconfigured("no \(endpoint.rawValue) is configured: name session.oauth.\(key)")
        }
        throw .misconfigured("the metadata of \(issuer) name no \(endpoint.rawValue): name session.oauth.\(key)")
    }

    /// Nil if there are no metadata, or if they name no such endpoint.
    func discovered(_ endpoint: ServerMetadata.Endpoint) throws(EndpointFailure) -> EndpointURL? {
        var isMutual = false
        if case .tlsClientAuth = configuration.authentication { isMutual = true }
        return try metadata()?.endpoint(endpoint, isMutual: isMutual)
    }

    /// Nil if no issuer is configured.
    func metadata() throws(EndpointFailure) -> ServerMetadata? {
        try discovery?.metadata(now: services.clock.elapsed()) { url in
            let fields = [("Accept", "application/json"), Self.userAgent]
            var request = BlockingRequest(method: "GET", url: url.text, fields: fields, timeout: configuration.timeout)
            request.maximumResponseBytes = Discovery.maxBytes
            return send(request, to: url)
        }
    }

    // MARK: Requests

    /// A request that was sent, and its secrets.
    struct Sent {
        var reply: BlockingRequest.Outcome
        var secrets: [String]
    }

    private static let userAgent = ("User-Agent", "squire")

    /// Posts parameters with the client authentication.
    func post(
        _ parameters: [(name: String, value: String)],
        to url: EndpointURL,
        if maySend: (@Sendable () -> Bool)? = nil
    ) throws(EndpointFailure) -> Sent {
        let proof = try proof(for: url)
        let names = Set(parameters.map(\.name))
        let parameters = parameters + proof.parameters.filter { !names.contains($0.name) }
        let type: String
        let body: [UInt8]
        switch configuration.requestForm {
        case .form:
            type = "application/x-www-form-urlencoded"
            body = FormText.body(parameters)
        case .json:
            type = "application/json"
            let members = parameters.map { JSONValue.Member($0.name, .string($0.value)) }
            body = JSONValue.object(members).octets()
        }
        let fields = [("Content-Type", type), ("Accept", "application/json"), Self.userAgent] + proof.fields
        var request = BlockingRequest(
            method: "POST",
            url: url.text,
            fields: fields,
            body: body,
            timeout: configuration.timeout
        )
        request.maximumResponseBytes = Self.maxBytes
        request.maySend = maySend
        let reply = send(request, to: url)
        let secrets = parameters.filter { Self.secretParameters.contains($0.name) }.map(\.value)
        return Sent(reply: reply, secrets: secrets + proof.secrets)
    }

    private static let secretParameters: Set<String> = [
        "refresh_token", "code", "code_verifier", "device_code", "client_secret", "client_assertion", "assertion",
        "subject_token", "actor_token", "token", "password",
    ]

    private func configured(_ parameters: [OAuthConfiguration.Parameter]) -> [(name: String, value: String)] {
        parameters.map { ($0.name, $0.value) }
    }

    /// Sends a request, and reports it to `observe`.
    func send(_ request: BlockingRequest, to url: EndpointURL) -> BlockingRequest.Outcome {
        let begun = services.clock.elapsed()
        let reply = services.send(request, settings(for: url))
        note(reply)
        let milliseconds = Int((services.clock.elapsed() - begun) / 1_000_000)
        let (status, reason): (Int?, String?) =
            switch reply {
            case .success(let response): (response.status, nil)
            case .failure(.notSent(let error)), .failure(.noResponse(let error, _)): (nil, error.detail)
            }
        services.observe(
            TokenRequestRecord(
                method: request.method,
                url: url.description,
                status: status,
                reason: reason,
                milliseconds: milliseconds
            )
        )
        return reply
    }

    private func settings(for url: EndpointURL) -> UpstreamSettings {
        let base = services.connection
        let certificate = configuration.certificate
        return UpstreamSettings(
            origin: url.origin,
            connectTimeout: base.connectTimeout,
            proxy: configuration.proxy ?? base.proxy,
            authorities: base.authorities,
            certificate: certificate?.certificate ?? base.certificate,
            key: certificate == nil ? base.key : certificate?.key
        )
    }

    // MARK: The server's clock

    private func note(_ reply: BlockingRequest.Outcome) {
        guard case .success(let response) = reply, let date = response["Date"].flatMap(HTTPDate.seconds) else { return }
        let skew = date - UTCTime.clamped(services.clock.wall())
        state.with { $0.skew = skew }
    }

    /// Dates assertions by the server's clock from now on. False if they already are, or if the clocks agree: the clock
    /// is not the cause then.
    func correctClock() -> Bool {
        state.with { state in
            guard let skew = state.skew, abs(skew - state.assumedSkew) >= Self.skewTolerance else { return false }
            state.assumedSkew = skew
            return true
        }
    }
}
