import Credentials
import ReverseProxy
import Settings
import Support
import TokenSources
import Upstream

/// Signs a customer in at the API, by `session.sign-in`.
struct SignIn {
    private let configuration: ProxyConfiguration
    private let requests: SessionRequests
    private let path: String
    private let timeout: Duration

    /// What proves the customer's identity.
    enum Secret {
        /// A single-use code that the API sends by e-mail.
        case code(String)
        case password(String)
    }

    enum Outcome {
        case signedIn(TokenSet)
        /// The API has signed the customer in, and no access token came that can be used, but a refresh token that can.
        case useless(reason: String, UnusableTokens)
        /// The address or the secret is wrong, or the API expects another form.
        case refused(status: Int, request: String)
    }

    /// Nil if no sign-in is configured.
    init?(_ configuration: ProxyConfiguration) {
        guard let path = configuration.session.signIn.compactMap(\.postPath).first else { return nil }
        self.configuration = configuration
        self.path = path
        requests = SessionRequests(configuration)
        timeout = configuration.session.timeout ?? .seconds(30)
    }

    /// The path that requests a code; nil if none is known.
    private var codePath: String? {
        configuration.session.anonymous.compactMap(\.postPath).first { $0.hasSuffix("/passwordless-request") }
    }

    var canSendCode: Bool { codePath != nil }

    /// Requests a code for the customer. Returns false if the API does not know the address.
    func sendCode(to email: String) throws -> Bool {
        guard let path = codePath else { return false }
        let response = try send(path, [.init("email", .string(email))], "does not send a code")
        return (200..<300).contains(response.status)
    }

    func signIn(_ email: String, _ secret: Secret) throws -> Outcome {
        let body: [JSONValue.Member] =
            switch secret {
            case .code(let code):
                [.init("passwordless_email", .string(email)), .init("passwordless_code", Self.code(code))]
            case .password(let password):
                [.init("email", .string(email)), .init("password", .string(password))]
            }
        let response = try send(path, body, "does not sign in")
        guard (200..<300).contains(response.status) else {
            let names = body.map(\.name).joined(separator: " and ")
            return .refused(status: response.status, request: "POST \(path) with \(names)")
        }
        let finder = TokenFinder(configuration.session.refresh)
        let finding = finder.look(
            in: response.body,
            date: response["Date"],
            wall: SystemClock().wall(),
            onlyJWTs: configuration.session.tokensAreJWTs
        )
        switch finding {
        case .tokens(let tokens): return .signedIn(tokens)
        case .absent(let reason, let tokens) where canSpend(tokens),
            .unusable(let reason, let tokens) where canSpend(tokens):
            return .useless(reason: reason, tokens)
        case .unusable(let reason, _):
            throw ExitFailure.malformed("squire: nobody is logged in, although the API signs in: \(reason)")
        case .absent:
            throw ExitFailure.malformed(
                "squire: the API's answer to the sign-in holds no token at "
                    + (configuration.session.refresh.map { "\($0.token) (session.refresh.token)" }
                        ?? "any of \(finder.places.joined(separator: ", ")): session.refresh.token says where")
            )
        }
    }

    /// Whether the refresh token alone brings the next token.
    private func canSpend(_ tokens: UnusableTokens) -> Bool {
        guard let token = tokens.refreshToken else { return false }
        return RecipeSource(configuration)?.canGet(with: HeldTokens(refreshToken: token)) ?? false
    }

    /// Client-error statuses that are not a verdict on the customer.
    private static let temporary = [407, 408, 421, 425, 429]

    /// Throws for failures that are not the customer's fault. `what` completes a sentence that begins with "the API".
    private func send(
        _ path: String,
        _ body: [JSONValue.Member],
        _ what: String
    ) throws -> BlockingRequest.Response {
        switch requests.send("POST", path, token: nil, body: .object(body), timeout: timeout) {
        case .failure(let failure):
            guard let response = failure.wholeResponse else { throw Self.problem(failure) }
            return response
        case .success(let response):
            let isRefusal = (400..<500).contains(response.status) && !Self.temporary.contains(response.status)
            guard (200..<300).contains(response.status) || isRefusal else {
                throw ExitFailure.tryLater(
                    "squire: the API \(what) now (status \(response.status)); try again later"
                )
            }
            return response
        }
    }

    private static func problem(_ failure: BlockingRequest.Failure) -> ExitFailure {
        switch failure {
        case .notSent(let error): .unreachable("squire: the API cannot be reached: \(error.explained)")
        case .noResponse(let error, _):
            .tryLater(
                "squire: the API was asked, and its answer did not arrive whole: \(error.explained). What was sent may be "
                    + "used up; log in again"
            )
        }
    }

    /// The API's documentation gives the code as a number.
    private static func code(_ text: String) -> JSONValue {
        Int(text) != nil && !text.hasPrefix("0") ? .number(text) : .string(text)
    }
}
