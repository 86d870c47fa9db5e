import Credentials
import Settings

/// Asks for what a sign-in at the API still needs, if a person is there, and signs in.
struct SignInDialogue {
    let signIn: SignIn
    let loaded: LoadedConfiguration
    let given: Given
    /// Whether to replace any session.
    let replaces: Bool
    /// The command line of this login with --replace.
    let replacing: String

    /// What the command line provides.
    struct Given {
        var email: String?
        var code: String?
        var readsPassword: Bool
    }

    /// How many attempts a person has.
    private static let tries = 3

    static func isAddress(_ text: String) -> Bool {
        let parts = text.split(separator: "@", omittingEmptySubsequences: false)
        return parts.count == 2 && parts.allSatisfy { !$0.isEmpty && !$0.contains(where: \.isWhitespace) }
    }

    /// Returns `.obtained` or, if only a refresh token can be used, `.misconfigured`.
    func run(_ former: FormerSession) throws -> TokenOutcome {
        let email = try address()
        if Output.isAtTerminal, !replaces, former.isLiving {
            guard Output.confirm("This replaces \(former.description). Go on?") else {
                throw ExitFailure.usage("squire: the session is as it was")
            }
        }
        var secret = try firstSecret(email)
        var round = 0
        while true {
            round += 1
            let (status, request): (Int, String)
            // The code and its token can be used once, so that signals wait until the caller has saved the token.
            SignalHold.begin(waitsElsewhere: false)
            switch try signIn.signIn(email, secret) {
            case .signedIn(let tokens):
                try refuseOther(tokens, former, secret)
                return .obtained(tokens)
            case .useless(let reason, let tokens): return .misconfigured(reason: reason, tokens: tokens)
            case .refused(let refusal, let what): (status, request) = (refusal, what)
            }
            SignalHold.end()
            let what =
                switch secret {
                case .code: "code"
                case .password: "password"
                }
            guard Output.isAtTerminal, round < Self.tries else {
                throw ExitFailure.loginNeeded(
                    "squire: the API refuses this sign-in (status \(status)): check the address and the \(what). \(request) "
                        + "was sent; an API that wants another form is signed in to by hand: squire login --help"
                )
            }
            Output.error("That \(what) is not accepted (status \(status)). Try again.")
            secret = try again(secret, email)
        }
    }

    private func address() throws -> String {
        if let email = given.email, !email.isEmpty { return email }
        for _ in 0..<Self.tries {
            guard let typed = Output.ask("E-mail address: ")?.trimmed else { break }
            if Self.isAddress(typed) { return typed }
            Output.error("An address such as john.doe@example.com is expected.")
        }
        throw ExitFailure.usage("squire: nobody is logged in: say --email ADDRESS")
    }

    private func firstSecret(_ email: String) throws -> SignIn.Secret {
        if given.readsPassword { return .password(try readPassword()) }
        if let code = given.code { return .code(code) }
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

    /// Asks for another secret after a wrong one.
    private func again(_ wrong: SignIn.Secret, _ email: String) throws -> SignIn.Secret {
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

    /// Refuses tokens of another customer, which only the answer reveals, when the secret is spent. Without a person's
    /// consent the former session stays, and the new token is ended, because nobody would know it.
    private func refuseOther(_ tokens: TokenSet, _ former: FormerSession, _ secret: SignIn.Secret) throws {
        guard !replaces, !Output.isAtTerminal, let other = former.other(than: tokens.accessToken) else { return }
        let fate = SignOut.endRefused(tokens, loaded)
        let spent = if case .code = secret { " The code is spent." } else { "" }
        throw ExitFailure.usage(
            "squire: the session is \(other) It is as it was. \(fate)\(spent) To replace the session: \(replacing)"
        )
    }
}

extension String {
    /// The text without white space at both ends.
    fileprivate var trimmed: String {
        String(drop { $0.isWhitespace }.reversed().drop { $0.isWhitespace }.reversed())
    }
}
