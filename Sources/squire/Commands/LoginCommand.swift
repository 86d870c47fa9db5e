import ArgumentParser
import Credentials
import ReverseProxy
import Settings
import Support
import TokenSources

struct LoginCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "login",
        abstract: "Log in: get the session's first token.",
        discussion: """
            Token:            squire login --token - < token.txt
            Refresh token:    squire login --refresh-token - < token.txt
            Both of a pair:   squire login --token - --refresh-token - < two-lines.txt
            Code by e-mail:   squire login --email you@example.com
            Code at hand:     squire login --email you@example.com --code 1234
            Password:         squire login --email you@example.com --password -
            Browser (OAuth):  squire login --browser
            Another device:   squire login --device

            Without an option it uses the method that fits the configuration: for session.oauth the browser, or \
            another device over SSH and without a display. The address to open is on a line of its own on standard \
            error; the address at which the browser ends up can be pasted, too. A source that needs no login is asked \
            for a token.

            At a terminal it asks for what is missing, and again after a wrong code or password. Secrets are never \
            taken from arguments, where other users and the shell's history could see them. A running squire run \
            adopts the new token by itself.

            The session that a login replaces is named, and kept as FILE.previous until the next login or logout. A \
            session of another customer or another API is replaced only with --replace.
            """
    )

    @OptionGroup var options: ConfigOption

    @Option(
        name: .long,
        help: ArgumentHelp("Read a token from standard input.", valueName: "-"),
        completion: .list(["-"])
    )
    var token: String?

    @Option(
        name: .long,
        help: ArgumentHelp("Read a refresh token from standard input, and spend it.", valueName: "-"),
        completion: .list(["-"])
    )
    var refreshToken: String?

    @Option(
        name: .long,
        defaultAsFlag: "",
        help: ArgumentHelp("Sign in at the API as this customer; asks for a missing address.", valueName: "address")
    )
    var email: String?

    @Option(name: .long, help: "The single-use code that the customer received.")
    var code: String?

    @Option(
        name: .long,
        help: ArgumentHelp("Read the password from standard input.", valueName: "-"),
        completion: .list(["-"])
    )
    var password: String?

    @Flag(name: .long, help: "Log in at the authorization server with a browser on this machine.")
    var browser = false

    @Flag(name: .long, help: "Log in at the authorization server with a browser on any device.")
    var device = false

    @Flag(name: .long, help: "Replace the session of another customer, or of another API.")
    var replace = false

    func validate() throws {
        for (name, value) in [("token", token), ("refresh-token", refreshToken), ("password", password)] {
            guard let value, value != "-" else { continue }
            let what = name == "refresh-token" ? "refresh token" : name
            throw ValidationError("a \(what) is read from standard input only: --\(name) -")
        }
        let hasSignIn = email != nil || code != nil || password != nil
        // The two options of a pair count as one method.
        let ways = [token != nil || refreshToken != nil, hasSignIn, browser, device].filter(\.self).count
        if ways > 1 {
            throw ValidationError("say one of --token -, --refresh-token -, --email ADDRESS, --browser and --device")
        }
        if code?.allSatisfy(\.isWhitespace) == true { throw ValidationError("--code is empty") }
        if code != nil, password != nil { throw ValidationError("say either --code or --password") }
        if let email, !email.isEmpty, !SignInDialogue.isAddress(email) {
            throw ValidationError("--email takes an address such as john.doe@example.com")
        }
        guard !Output.isAtTerminal, hasSignIn, (email ?? "").isEmpty else { return }
        throw ValidationError(email == nil ? "--code and --password need --email" : "say whose: --email ADDRESS")
    }

    private var requested: LoginMethod.Request? {
        if token != nil { return refreshToken == nil ? .token : .pair }
        if refreshToken != nil { return .refreshToken }
        if email != nil || code != nil || password != nil { return .email }
        if browser { return .browser }
        return device ? .device : nil
    }

    func run() throws {
        if requested == nil, !Output.isAtTerminal, options.isNowhere {
            throw ExitFailure.usage("squire: say either --token - or --email ADDRESS, and with --config for which API")
        }
        let loaded = try options.load()
        let method = try method(loaded)
        if method == .ask { return try ask(loaded) }
        let access = try SessionAccess(loaded, .login)
        let former = try FormerSession(loaded)
        if case .foreign(let origin) = former, !replace {
            throw ExitFailure.usage(
                "squire: \(loaded.sessionFile) holds a session for \(origin). Name another session.file, or replace it: "
                    + again(loaded, method, replacing: true)
            )
        }
        try access.requireWritable("nobody is logged in", makingDirectory: true)
        switch method {
        case .token, .pair: try giveToken(access, former, method)
        case .signIn: try signIn(access, former, method)
        case .refreshToken: try spendRefreshToken(redemption(access, former, method))
        case .browser, .device, .deviceOrBrowser: try logIn(redemption(access, former, method), method)
        case .ask: break
        }
        LoginReport(access, former: former).say(isOAuth: method != .token && method != .pair && method != .signIn)
    }

    private func method(_ loaded: LoadedConfiguration) throws -> LoginMethod {
        let configuration = loaded.configuration
        let circumstances = LoginMethod.Circumstances(
            canSignIn: SignIn(configuration) != nil,
            hasBrowser: Browser().isThere,
            isAtTerminal: Output.isAtTerminal
        )
        do throws(LoginMethod.Problem) {
            return try LoginMethod(requested, configuration.session.source, circumstances)
        } catch {
            switch error {
            case .usage(let text): throw ExitFailure.usage("squire: \(text)")
            case .configuration(let text):
                // The preset has a refresh recipe of its own.
                let hasRecipe = configuration.session.refresh != nil
                throw ExitFailure.configuration(
                    "squire: \(text). Run: \(loaded.lines.login)\(hasRecipe ? "" : ", or set profile: menu")"
                )
            }
        }
    }

    /// The command line that repeats this login, with --replace if `replacing`.
    private func again(_ loaded: LoadedConfiguration, _ method: LoginMethod, replacing: Bool) -> String {
        var words: [String]
        switch method {
        case .token: words = ["--token", "-"]
        case .refreshToken: words = ["--refresh-token", "-"]
        case .pair: words = ["--token", "-", "--refresh-token", "-"]
        case .browser: words = ["--browser"]
        case .device: words = ["--device"]
        case .deviceOrBrowser, .ask: words = []
        case .signIn:
            words = ["--email"] + (email.flatMap { $0.isEmpty ? nil : [$0] } ?? [])
            if password != nil { words += ["--password", "-"] }
        }
        if replacing { words.append("--replace") }
        return loaded.lines.line("login", words)
    }

    // MARK: Ways

    private func giveToken(_ access: SessionAccess, _ former: FormerSession, _ method: LoginMethod) throws {
        let loaded = access.loaded
        let token = try readToken(loaded.configuration, isPair: method == .pair)
        if let other = former.other(than: token), !replace {
            let line = again(loaded, method, replacing: true)
            throw ExitFailure.usage("squire: the session is \(other) To replace it: \(line)")
        }
        let refreshToken = method == .pair ? try readToken("Refresh token: ", "refresh token", place: "second") : nil
        try adopt(TokenSet(accessToken: token, refreshToken: refreshToken), .given, access, method, agreed: nil)
    }

    private func signIn(_ access: SessionAccess, _ former: FormerSession, _ method: LoginMethod) throws {
        let loaded = access.loaded
        // This method is chosen only if a sign-in is configured.
        guard let signIn = SignIn(loaded.configuration) else { return }
        let dialogue = SignInDialogue(
            signIn: signIn,
            loaded: loaded,
            given: .init(email: email, code: code, readsPassword: password != nil),
            replaces: replace,
            replacing: again(loaded, method, replacing: true)
        )
        defer { SignalHold.end() }
        // Others may fill the disk while the API answers.
        let room = access.file.reserveRoom()
        let outcome = try dialogue.run(former)
        _ = consume room
        // The person was asked and agreed.
        let agreed = Output.isAtTerminal ? former.lineage : nil
        guard case .obtained(let tokens, _) = outcome else {
            let redemption = redemption(access, method, agreed: agreed)
            throw redemption.failure(try redemption.redeem(.signIn, given: outcome), of: .signIn)
        }
        try adopt(tokens, .signIn, access, method, agreed: agreed)
    }

    /// `agreed` identifies the session that a person agreed to replace.
    private func adopt(
        _ tokens: TokenSet,
        _ arrival: SessionRecord.Arrival,
        _ access: SessionAccess,
        _ method: LoginMethod,
        agreed: String?
    ) throws {
        do {
            let replaceable = replace ? .any : ReplaceableSession.ofThisCustomer(agreed: agreed)
            try access.adopt(tokens, arrival, replacing: replaceable)
        } catch let error as SessionFileError {
            // Somebody else has logged in since.
            let fate = arrival == .signIn ? " " + SignOut.endRefused(tokens, access.loaded) : ""
            throw ExitFailure.usage(
                "squire: \(error.description), since a moment ago. It is as it was.\(fate) To replace it: "
                    + again(access.loaded, method, replacing: true)
            )
        }
    }

    /// Prepares to spend something single-use. Asks beforehand whether to replace a live session, because only the
    /// answer shows whose the new one is.
    private func redemption(
        _ access: SessionAccess,
        _ former: FormerSession,
        _ method: LoginMethod
    ) throws -> TokenRedemption {
        var agreed: String?
        if Output.isAtTerminal, !replace, former.isLiving {
            guard Output.confirm("This replaces \(former.description). Go on?") else {
                throw ExitFailure.usage("squire: the session is as it was")
            }
            agreed = former.lineage
        }
        return redemption(access, method, agreed: agreed)
    }

    private func redemption(_ access: SessionAccess, _ method: LoginMethod, agreed: String?) -> TokenRedemption {
        TokenRedemption(
            access: access,
            replaceable: replace ? .any : .ofThisCustomer(agreed: agreed),
            line: again(access.loaded, method, replacing: replace),
            replacing: again(access.loaded, method, replacing: true)
        )
    }

    private func spendRefreshToken(_ redemption: TokenRedemption) throws {
        let loaded = redemption.access.loaded
        // This method is chosen only if the source has refresh tokens.
        guard let source = ConfiguredSource.make(loaded) else { return }
        let token = try readToken("Refresh token: ", "refresh token")
        guard source.canGet(with: HeldTokens(refreshToken: token)) else {
            throw ExitFailure.usage(
                "squire: session.refresh sends {token}, too. Give both, on two lines: "
                    + again(loaded, .pair, replacing: replace)
            )
        }
        let outcome = try redemption.redeem(.refreshToken(token)) { source.get(HeldTokens(refreshToken: token)) }
        guard case .obtained = outcome else { throw redemption.failure(outcome, of: .refreshToken(token)) }
    }

    private func logIn(_ redemption: TokenRedemption, _ method: LoginMethod) throws {
        let loaded = redemption.access.loaded
        guard case .oauth(let oauth) = loaded.configuration.session.source else { return }
        let login = OAuthLogin(
            redemption: redemption,
            oauth: oauth,
            endpoint: ConfiguredSource.tokenEndpoint(oauth, loaded)
        )
        switch method {
        case .browser: try login.withBrowser()
        case .device: try login.onDevice()
        case .deviceOrBrowser: try login.onDeviceOrWithBrowser()
        case .token, .refreshToken, .pair, .signIn, .ask: break
        }
    }

    /// Asks a source that needs no login for a token, and reports how long it lives.
    private func ask(_ loaded: LoadedConfiguration) throws {
        guard loaded.configuration.session.source != .unused else {
            return Output.report("no login is needed: session: none adds headers only")
        }
        let access = try SessionAccess(loaded, .login)
        if loaded.configuration.session.source.isKept {
            try access.requireWritable("nothing is asked", makingDirectory: true)
        }
        access.session.endPause()
        do {
            _ = try access.refresh(.manual)
        } catch let failure as ExitFailure where [69, 77].contains(failure.code) {
            throw ExitFailure.tryLater(failure.message)
        }
        let life = access.session.status.expiresIn.map { LoginReport.life($0) } ?? ", nobody says for how long"
        Output.report("no login is needed: the source gives a token\(life)")
    }

    // MARK: Tokens

    private func readToken(_ configuration: ProxyConfiguration, isPair: Bool) throws -> Token {
        let token = try readToken("Token: ", "token", isLast: !isPair)
        guard token.isJWT || !configuration.session.tokensAreJWTs else {
            throw ExitFailure.malformed(
                "squire: that is no JSON Web Token, as this API's tokens are: three parts with dots between, "
                    + "most of them beginning with eyJ. Give the token alone"
            )
        }
        return token
    }

    /// Reads a token from the line of standard input that `place` names. `isLast` warns of further input.
    private func readToken(
        _ prompt: String,
        _ what: String,
        place: String = "first",
        isLast: Bool = true
    ) throws -> Token {
        guard let text = Output.readSecret(prompt: prompt) else {
            throw ExitFailure.malformed("squire: standard input is empty: one line with the \(what) was expected")
        }
        if isLast, Output.hasMoreInput {
            Output.error(
                "squire: warning: the \(what) is the \(place) line of standard input; what follows it is not read"
            )
        }
        do throws(TokenProblem) {
            return try Token(pasted: text)
        } catch {
            let reason = "\(error)"
            throw ExitFailure.malformed(
                "squire: that is not a \(what == "token" ? "bearer token" : what): \(reason)"
                    + (reason.hasSuffix("?") ? " " : ". ") + "Give the token alone, without quotes or a field's name"
            )
        }
    }
}
