import ArgumentParser
import Credentials
import ReverseProxy
import Settings
import Support
import Upstream

struct LoginCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "login",
        abstract: "Put a first token in the session.",
        discussion: """
            From standard input, one line:      squire login --token - < token.txt
            With a code sent by e-mail:         squire login --email john.doe@example.com
            With a code at hand:                squire login --email john.doe@example.com --code 1234
            With a password on standard input:  squire login --email john.doe@example.com --password -

            Secrets are never taken as plain arguments, where other users and the shell's history could see them. A running \
            squire run takes the new token up by itself.
            """
    )

    @OptionGroup var options: ConfigOption

    @Option(name: .long, help: ArgumentHelp("Read a token from standard input.", valueName: "-"))
    var token: String?

    @Option(name: .long, help: "Sign in at the API as this customer.")
    var email: String?

    @Option(name: .long, help: "The code that the customer got; it works once.")
    var code: String?

    @Option(name: .long, help: ArgumentHelp("Read the password from standard input.", valueName: "-"))
    var password: String?

    func validate() throws {
        guard (token == nil) != (email == nil) else {
            throw ValidationError("say either --token - or --email ADDRESS")
        }
        if let token, token != "-" {
            throw ValidationError("a token is read from standard input only: --token -")
        }
        if let password, password != "-" {
            throw ValidationError("a password is read from standard input only: --password -")
        }
        if email == nil, code != nil || password != nil { throw ValidationError("--code and --password need --email") }
        if code != nil, password != nil { throw ValidationError("say either --code or --password") }
    }

    func run() throws {
        let session = try SessionAccess(try options.load())
        if let email {
            let (token, lifetime) = try signIn(email, session.loaded.configuration)
            try session.adopt(token, source: .signIn, lifetime: lifetime)
        } else {
            try session.adopt(try readToken(), source: .given)
        }
        let status = session.cache.status
        let who = status.subject.map { " as customer \($0)" } ?? ""
        let life =
            status.expiresIn.map { $0 > 0 ? ", token good for \($0) s" : ", token expired (it will be refreshed)" }
            ?? ""
        Output.line("logged in\(who)\(life)")
    }

    private func readToken() throws -> Token {
        guard let text = Output.readSecret(prompt: "Token: ") else {
            throw ExitFailure.malformed("squire: standard input is empty: one line with the token was expected")
        }
        do throws(TokenProblem) {
            return try Token(pasted: text)
        } catch {
            throw ExitFailure.malformed("squire: that is not a bearer token: \(error)")
        }
    }

    // MARK: Signing in at the API

    private func signIn(
        _ email: String,
        _ configuration: ProxyConfiguration
    ) throws -> (token: Token, lifetime: Int?) {
        guard let path = configuration.session.signIn.compactMap(\.postPath).first else {
            throw ExitFailure.configuration("squire: no session.sign-in is configured: use --token -, or profile: menu")
        }
        let requests = SessionRequests(configuration)
        let timeout = configuration.session.refresh?.timeout ?? .seconds(30)
        var body: [JSONValue.Member]
        if password != nil {
            guard let secret = Output.readSecret(prompt: "Password: "), !secret.isEmpty else {
                throw ExitFailure.malformed("squire: standard input is empty: one line with the password was expected")
            }
            body = [.init("email", .string(email)), .init("password", .string(secret))]
        } else {
            let code = try code ?? requestCode(email, configuration, requests, timeout)
            body = [.init("passwordless_email", .string(email)), .init("passwordless_code", Self.code(code))]
        }
        let response = try Self.response(requests.send("POST", path, token: nil, body: .object(body), timeout: timeout))
        body = []
        guard (200..<300).contains(response.status) else {
            if (400..<500).contains(response.status) {
                throw ExitFailure.loginNeeded(
                    "squire: the API refuses this sign-in (status \(response.status)): check the address and the secret"
                )
            }
            throw ExitFailure.tryLater(
                "squire: the API answers the sign-in with status \(response.status); try again later"
            )
        }
        let finder = TokenFinder(configuration.session.refresh)
        guard let found = finder.find(in: response.body, wall: SystemClock().wall()) else {
            throw ExitFailure.malformed("squire: the API's answer holds no token at \(finder.token)")
        }
        return found
    }

    /// The API's documents have the code as a number.
    private static func code(_ text: String) -> JSONValue {
        Int(text) != nil && !text.hasPrefix("0") ? .number(text) : .string(text)
    }

    private func requestCode(
        _ email: String,
        _ configuration: ProxyConfiguration,
        _ requests: SessionRequests,
        _ timeout: Duration
    ) throws -> String {
        guard
            let path = configuration.session.anonymous.compactMap(\.postPath).first(where: {
                $0.hasSuffix("/passwordless-request")
            })
        else { throw ExitFailure(code: 64, message: "squire: say --code CODE or --password -") }
        let body = JSONValue.object([.init("email", .string(email))])
        let response = try Self.response(requests.send("POST", path, token: nil, body: body, timeout: timeout))
        guard (200..<300).contains(response.status) else {
            throw ExitFailure.loginNeeded(
                "squire: the API does not send a code (status \(response.status)): check the address"
            )
        }
        Output.error("A code was sent to \(email).")
        guard let code = Output.readSecret(prompt: "Code: ")?.trimmed, !code.isEmpty else {
            throw ExitFailure.malformed(
                "squire: no code on standard input; when it is there: squire login --email \(email) --code CODE"
            )
        }
        return code
    }

    static func response(_ reply: SessionRequests.Reply) throws -> BlockingRequest.Response {
        switch reply {
        case .success(let response): return response
        case .failure(.notSent(let error)), .failure(.noResponse(let error)):
            throw ExitFailure.unreachable("squire: the API cannot be reached: \(error.detail)")
        }
    }
}

extension String {
    /// Without white space at its ends.
    fileprivate var trimmed: String {
        String(drop { $0.isWhitespace }.reversed().drop { $0.isWhitespace }.reversed())
    }
}
