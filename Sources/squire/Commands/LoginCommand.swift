import ArgumentParser
import Credentials
import ReverseProxy
import Settings
import Support

struct LoginCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "login",
        abstract: "Put a first token in the session.",
        discussion: """
            From standard input, one line:      squire login --token - < token.txt
            With a code sent by e-mail:         squire login --email john.doe@example.com
            With a code at hand:                squire login --email john.doe@example.com --code 1234
            With a password on standard input:  squire login --email john.doe@example.com --password -

            At a terminal it asks for what is missing, and again after a wrong code or password. Secrets are never taken as \
            plain arguments, where other users and the shell's history could see them. A running squire run takes the new \
            token up by itself.

            The session that a login replaces is named, and kept as FILE.previous until the next login or logout. That of \
            another customer or another API is replaced with --replace only.
            """
    )

    @OptionGroup var options: ConfigOption

    @Option(name: .long, help: ArgumentHelp("Read a token from standard input.", valueName: "-"))
    var token: String?

    @Option(
        name: .long,
        defaultAsFlag: "",
        help: ArgumentHelp("Sign in at the API as this customer; asks for an address left out.", valueName: "address")
    )
    var email: String?

    @Option(name: .long, help: "The code that the customer got; it works once.")
    var code: String?

    @Option(name: .long, help: ArgumentHelp("Read the password from standard input.", valueName: "-"))
    var password: String?

    @Flag(name: .long, help: "Replace the session of another customer, or of another API.")
    var replace = false

    func validate() throws {
        if let token, token != "-" {
            throw ValidationError("a token is read from standard input only: --token -")
        }
        if let password, password != "-" {
            throw ValidationError("a password is read from standard input only: --password -")
        }
        if token != nil, email != nil || code != nil || password != nil {
            throw ValidationError("say either --token - or --email ADDRESS")
        }
        if code != nil, password != nil { throw ValidationError("say either --code or --password") }
        if let email, !email.isEmpty, !Self.isAddress(email) {
            throw ValidationError("--email takes an address such as john.doe@example.com")
        }
        guard !Output.isAtTerminal else { return }
        guard token == nil, (email ?? "").isEmpty else { return }
        if email == nil, code != nil || password != nil { throw ValidationError("--code and --password need --email") }
        throw ValidationError(
            email == nil ? "say either --token - or --email ADDRESS" : "say whose: --email ADDRESS"
        )
    }

    private static func isAddress(_ text: String) -> Bool {
        let parts = text.split(separator: "@", omittingEmptySubsequences: false)
        return parts.count == 2 && parts.allSatisfy { !$0.isEmpty && !$0.contains(where: \.isWhitespace) }
    }

    func run() throws {
        let loaded = try options.load()
        let session = try SessionAccess(loaded, .login)
        let standing = try FormerSession(loaded)
        if case .foreign(let origin) = standing, !replace {
            throw ExitFailure.usage(
                "squire: \(loaded.sessionFile) holds a session for \(origin). Name another session.file, or replace it: "
                    + replacing(loaded)
            )
        }
        try session.requireWritable("nobody is logged in", makingDirectory: true)
        let signIn = SignIn(loaded.configuration)
        let issued: TokenSet
        let source: SessionRecord.Arrival
        /// The session that a person agreed to replace.
        var agreed: String?
        if token != nil || email == nil && code == nil && password == nil && signIn == nil {
            issued = TokenSet(accessToken: try readToken(loaded.configuration))
            source = .given
            if let other = standing.other(than: issued.accessToken), !replace {
                throw ExitFailure.usage("squire: the session is \(other) To replace it: \(replacing(loaded))")
            }
        } else {
            guard let signIn else {
                throw ExitFailure.configuration(
                    "squire: no session.sign-in is configured. Run: \(loaded.lines.line("login", ["--token", "-"])), "
                        + "or set profile: menu"
                )
            }
            issued = try ask(signIn, loaded, standing)
            source = .signIn
            // Asked, and confirmed.
            if Output.isAtTerminal { agreed = standing.lineage }
        }
        do {
            let replaceable = replace ? .any : ReplaceableSession.ofThisCustomer(agreed: agreed)
            try session.adopt(issued, source, replacing: replaceable)
        } catch let error as SessionFileError {
            // Somebody else logged in meanwhile.
            let fate = source == .signIn ? " \(endRefused(issued, loaded))" : ""
            throw ExitFailure.usage(
                "squire: \(error.description), since a moment ago. It is as it was.\(fate) To replace it: "
                    + replacing(loaded)
            )
        }
        report(session, standing)
    }

    /// This login as a line that replaces whatever is there.
    private func replacing(_ loaded: LoadedConfiguration) -> String {
        guard let email, !email.isEmpty else { return loaded.lines.line("login", ["--token", "-", "--replace"]) }
        let secret = password == nil ? [] : ["--password", "-"]
        return loaded.lines.line("login", ["--email", email] + secret + ["--replace"])
    }

    private func report(_ session: SessionAccess, _ standing: FormerSession) {
        let status = session.cache.status
        let who = status.subject.map { " as customer \($0)" } ?? ""
        let life =
            status.expiresIn.map { $0 > 0 ? ", token good for \($0) s" : ", token expired (it will be refreshed)" }
            ?? ""
        Output.line("logged in\(who)\(life)")
        Output.line("session in \(session.file.path)")
        if let replaced = session.replaced {
            let standing = FormerSession(replaced)
            let fate = replaced.keptIn.map { "it is kept in \($0)" } ?? "it could not be kept"
            Output.line("replaced \(standing.description); \(fate)")
        } else if case .former(let former, _) = session.loaded.place {
            Output.line("\(standing.description) stays in \(former), where an older Squire left it")
        }
    }

    // MARK: Tokens

    private func readToken(_ configuration: ProxyConfiguration) throws -> Token {
        guard let text = Output.readSecret(prompt: "Token: ") else {
            throw ExitFailure.malformed("squire: standard input is empty: one line with the token was expected")
        }
        let token: Token
        do throws(TokenProblem) {
            token = try Token(pasted: text)
        } catch {
            throw ExitFailure.malformed(
                "squire: that is not a bearer token: \(error). Give the token alone, without quotes or a field's name"
            )
        }
        guard token.isJWT || !configuration.session.tokensAreJWTs else {
            throw ExitFailure.malformed(
                "squire: that is no JSON Web Token, as this API's tokens are: three parts with dots between, "
                    + "most of them beginning with eyJ. Give the token alone"
            )
        }
        return token
    }

    // MARK: Signing in

    /// How often a person may get a secret wrong.
    private static let tries = 3

    /// Asks for what is missing, as far as there is somebody to ask, and signs in.
    private func ask(
        _ signIn: SignIn,
        _ loaded: LoadedConfiguration,
        _ standing: FormerSession
    ) throws -> TokenSet {
        let email = try address()
        if Output.isAtTerminal, !replace, standing.isLiving {
            guard Output.confirm("This replaces \(standing.description). Go on?") else {
                throw ExitFailure.usage("squire: the session is as it was")
            }
        }
        var given = try firstSecret(signIn, email, loaded)
        var round = 0
        while true {
            round += 1
            let status: Int
            switch try signIn.signIn(email, given) {
            case .signedIn(let issued):
                try refuseOther(issued, standing, given, loaded)
                return issued
            case .refused(let refusal): status = refusal
            }
            let what =
                switch given {
                case .code: "code"
                case .password: "password"
                }
            guard Output.isAtTerminal, round < Self.tries else {
                throw ExitFailure.loginNeeded(
                    "squire: the API refuses this sign-in (status \(status)): check the address and the \(what)"
                )
            }
            Output.error("That \(what) is not accepted (status \(status)). Try again.")
            given = try again(given, signIn, email)
        }
    }

    private func address() throws -> String {
        if let email, !email.isEmpty { return email }
        for _ in 0..<Self.tries {
            guard let typed = Output.ask("E-mail address: ")?.trimmed else { break }
            if Self.isAddress(typed) { return typed }
            Output.error("An address such as john.doe@example.com is expected.")
        }
        throw ExitFailure.usage("squire: nobody is logged in: say --email ADDRESS")
    }

    private func firstSecret(
        _ signIn: SignIn,
        _ email: String,
        _ loaded: LoadedConfiguration
    ) throws -> SignIn.Secret {
        if password != nil { return .password(try readPassword()) }
        if let code { return .code(code) }
        guard signIn.canSendCode else {
            guard Output.isAtTerminal else { throw ExitFailure.usage("squire: say --code CODE or --password -") }
            return .password(try readPassword())
        }
        guard try signIn.sendCode(to: email) else {
            throw ExitFailure.loginNeeded("squire: the API does not send a code to \(email): check the address")
        }
        Output.error("A code was sent to \(email).")
        guard let code = Output.readSecret(prompt: "Code: ")?.trimmed, !code.isEmpty else {
            let line = loaded.lines.line("login", ["--email", email, "--code", "CODE"])
            throw ExitFailure.malformed("squire: no code on standard input; when it is there: \(line)")
        }
        return .code(code)
    }

    private func readPassword() throws -> String {
        guard let secret = Output.readSecret(prompt: "Password: "), !secret.isEmpty else {
            throw ExitFailure.malformed("squire: standard input is empty: one line with the password was expected")
        }
        return secret
    }

    /// The next secret after a wrong one.
    private func again(_ wrong: SignIn.Secret, _ signIn: SignIn, _ email: String) throws -> SignIn.Secret {
        guard case .code = wrong else { return .password(try readPassword()) }
        let prompt = signIn.canSendCode ? "Code (Enter for a new one): " : "Code: "
        guard let typed = Output.readSecret(prompt: prompt)?.trimmed else {
            throw ExitFailure.loginNeeded("squire: nobody is logged in")
        }
        if !typed.isEmpty { return .code(typed) }
        guard try signIn.sendCode(to: email) else {
            throw ExitFailure.loginNeeded("squire: the API does not send a code to \(email): check the address")
        }
        Output.error("A new code was sent to \(email).")
        return .code(Output.readSecret(prompt: "Code: ")?.trimmed ?? "")
    }

    /// Whose the token is shows in the answer only, when the secret is spent. Unasked, another customer's session is
    /// not replaced, and the new token must not live on where nobody knows it.
    private func refuseOther(
        _ issued: TokenSet,
        _ standing: FormerSession,
        _ secret: SignIn.Secret,
        _ loaded: LoadedConfiguration
    ) throws {
        guard !replace, !Output.isAtTerminal, let other = standing.other(than: issued.accessToken) else { return }
        let fate = endRefused(issued, loaded)
        let spent = if case .code = secret { " The code is spent." } else { "" }
        throw ExitFailure.usage(
            "squire: the session is \(other) It is as it was. \(fate)\(spent) To replace the session: "
                + replacing(loaded)
        )
    }

    /// Ends a token that is not taken over, and says what became of it.
    private func endRefused(_ issued: TokenSet, _ loaded: LoadedConfiguration) -> String {
        let isDead = SignOut(loaded.configuration)?.endForGood(issued.accessToken) ?? false
        return isDead
            ? "The new token was ended at the API." : "The new token was thrown away, and lives on at the API."
    }
}

extension String {
    /// Without white space at its ends.
    fileprivate var trimmed: String {
        String(drop { $0.isWhitespace }.reversed().drop { $0.isWhitespace }.reversed())
    }
}
