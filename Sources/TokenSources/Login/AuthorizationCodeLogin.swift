import Platform

/// One login with an authorization code: creates the URL for the browser, and waits for its answer (RFC 6749 section
/// 4.1, RFC 7636, RFC 8252).
///
/// *Threading*: one thread. *Ownership*: listens from `init` to `stop`.
public final class AuthorizationCodeLogin {
    /// The parameters of an authorization request.
    public struct Request: Sendable {
        public var endpoint: EndpointURL
        public var clientID: String?
        /// As configured.
        public var scope: String?
        public var parameters: [OAuthConfiguration.Parameter]
        public var redirect: RedirectAddress
        /// The authorization server's issuer identifier (RFC 9207); nil if unknown.
        public var issuer: String?
        public var alwaysSaysIssuer: Bool

        public init(
            endpoint: EndpointURL,
            clientID: String?,
            scope: String? = nil,
            parameters: [OAuthConfiguration.Parameter] = [],
            redirect: RedirectAddress = .standard,
            issuer: String? = nil,
            alwaysSaysIssuer: Bool = false
        ) {
            self.endpoint = endpoint
            self.clientID = clientID
            self.scope = scope
            self.parameters = parameters
            self.redirect = redirect
            self.issuer = issuer
            self.alwaysSaysIssuer = alwaysSaysIssuer
        }
    }

    /// How `wait` ended.
    public enum Ending: Sendable {
        case answer(RedirectAnswer)
        case timedOut
        /// Only a pasted address could be the answer, and the input has ended.
        case inputClosed
    }

    /// The URL for a person to open.
    public let url: String
    /// The URI to which the server redirects the browser with the code.
    public let redirectURI: String
    private let proof: ProofKey
    private let judge: RedirectJudge
    /// Nil if the redirect URI is not on this machine.
    private let listener: LoopbackRedirect?

    /// Listens if the redirect URI is on this machine. `admits` decides whether an accepted connection is served,
    /// before anything is read from it. Throws `SystemError` or `CryptographyError`.
    public convenience init(_ request: Request, admits: @escaping @Sendable (_ descriptor: Int32) -> Bool) throws {
        try self.init(request, proof: try ProofKey(), state: RandomText.state(), admits: admits)
    }

    init(
        _ request: Request,
        proof: ProofKey,
        state: String,
        admits: @escaping @Sendable (_ descriptor: Int32) -> Bool
    ) throws {
        self.proof = proof
        judge = RedirectJudge(
            path: request.redirect.path,
            state: state,
            issuer: request.issuer,
            alwaysSaysIssuer: request.alwaysSaysIssuer
        )
        switch request.redirect {
        case .loopback:
            let listener = try LoopbackRedirect(request.redirect, judge: judge, admits: admits)
            self.listener = listener
            redirectURI = listener.uri
        case .elsewhere(let text):
            listener = nil
            redirectURI = text
        }
        url = Self.url(request, redirectURI: redirectURI, state: state, proof: proof)
    }

    /// The URL of the authorization request (RFC 6749 section 4.1.1, RFC 7636 section 4.3). The endpoint's own query is
    /// kept.
    static func url(_ request: Request, redirectURI: String, state: String, proof: ProofKey) -> String {
        var pairs = [(name: "response_type", value: "code")]
        if let clientID = request.clientID { pairs.append(("client_id", clientID)) }
        pairs.append(("redirect_uri", redirectURI))
        if let scope = request.scope { pairs.append(("scope", scope)) }
        pairs += [
            ("state", state), ("code_challenge", proof.challenge), ("code_challenge_method", ProofKey.method),
        ]
        pairs += request.parameters.map { ($0.name, $0.value) }
        let text = request.endpoint.text
        let joint = !text.contains("?") ? "?" : text.hasSuffix("?") || text.hasSuffix("&") ? "" : "&"
        return text + joint + QueryText.encoded(pairs)
    }

    /// The parameters that redeem the code, in addition to `grant_type` and those of every token request (RFC 6749
    /// section 4.1.3, RFC 7636 section 4.5).
    public func redemption(of code: String) -> [OAuthConfiguration.Parameter] {
        [
            .init("code", code), .init("redirect_uri", redirectURI), .init("code_verifier", proof.verifier),
        ]
    }

    /// Blocks until the browser brings the answer, until a line of `input` contains the address that the browser ended
    /// at, or for `limit`. `refused` is told why a line is not the answer.
    public func wait(
        limit: Duration,
        input: Int32? = nil,
        refused: (RedirectRefusal) -> Void = { _ in }
    ) -> Ending {
        let deadline = MonotonicClock.now().adding(saturating: limit.nanoseconds)
        var pasted = input.map(PastedLines.init)
        while true {
            if listener == nil, pasted == nil { return .inputClosed }
            let now = MonotonicClock.now()
            guard now < deadline else { return .timedOut }
            var entries = [
                pollfd(fd: listener?.descriptor ?? -1, events: Int16(POLLIN), revents: 0),
                pollfd(fd: pasted?.descriptor ?? -1, events: Int16(POLLIN), revents: 0),
            ]
            let milliseconds = Int32(clamping: (deadline - now) / 1_000_000 + 1)
            guard unsafe poll(&entries, 2, milliseconds) > 0 else { continue }
            if entries[0].revents != 0, let answer = listener?.answer() { return .answer(shown(answer)) }
            guard entries[1].revents != 0, let lines = pasted?.read() else {
                if entries[1].revents != 0 { pasted = nil }
                continue
            }
            for line in lines {
                switch judge.verdict(pasted: line) {
                case .answer(let answer): return .answer(shown(answer))
                case .refused(let refusal): refused(refusal)
                }
            }
        }
    }

    /// The answer with texts that can be shown: without control characters and secrets.
    private func shown(_ answer: RedirectAnswer) -> RedirectAnswer {
        guard case .error(let word, let description) = answer else { return answer }
        let quote = { (text: String) in QuotedText.quoted(text, hiding: [self.judge.state, self.proof.verifier]) }
        return .error(word: quote(word), description: description.map(quote))
    }

    /// How a login ended.
    public enum Outcome: Sendable {
        /// `who` is the customer; nil if unknown.
        case loggedIn(who: String?)
        case failed(reason: String)
    }

    /// Shows the outcome in the browser, if the browser brought the answer.
    public func show(_ outcome: Outcome) {
        listener?.show(outcome)
    }

    /// Stops listening.
    public func stop() {
        listener?.stop()
    }
}

/// Reads lines from a descriptor without blocking.
struct PastedLines {
    let descriptor: Int32
    private var rest: [UInt8] = []

    private static let maximumLine = 64 * 1024

    init(_ descriptor: Int32) {
        self.descriptor = descriptor
    }

    /// The complete lines that have arrived, except blank ones; nil at the end of the input. A line that is too long is
    /// discarded.
    mutating func read() -> [String]? {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = unsafe buffer.withUnsafeMutableBytes { unsafe SystemCall.read(descriptor, into: $0) }
        guard count > 0 else {
            defer { rest = [] }
            // The last line may lack a line end.
            return rest.isEmpty ? nil : lines([UInt8(ascii: "\n")])
        }
        return lines(buffer[..<count])
    }

    private mutating func lines(_ bytes: some Collection<UInt8>) -> [String] {
        rest += bytes
        var whole = rest.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        let last = whole.removeLast()
        let lines = whole.map { String(decoding: $0, as: UTF8.self) }
        rest = last.count > Self.maximumLine ? [] : Array(last)
        return lines.filter { line in line.contains { !$0.isWhitespace } }
    }
}
