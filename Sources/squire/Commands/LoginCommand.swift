import ArgumentParser
import Credentials
import ReverseProxy
import Settings
import Support
import TokenSources

struct LoginCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "login",
        abstract: "Put a first token in the session.",
        discussion: """
            Token:            squire login --token - < token.txt
            Refresh token:    squire login --refresh-token - < token.txt
            Both of a pair:   squire login --token - --refresh-token - < two-lines.txt
            Code by e-mail:   squire login --email you@example.com
            Code at hand:     squire login --email you@example.com --code 1234
            Password:         squire login --email you@example.com --password -
            Browser (OAuth):  squire login --browser
            Another device:   squire login --device

            Without an option it takes the way that the configuration knows: for session.oauth the browser, or, over SSH \
            and without a display, another device. The address to open stands alone on a line of standard error; the \
            address that the browser ends at can be pasted, too. A source that needs nobody is asked for a token.

            At a terminal it asks for what is missing, and again after a wrong code or password. Secrets are never taken as \
            plain arguments, where other users and the shell's history could see them. A running squire run takes the new \
            token up by itself.

            The session that a login replaces is named, and kept as FILE.previous until the next login or logout. That of \
            another customer or another API is replaced with --replace only.
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
        help: ArgumentHelp("Sign in at the API as this customer; asks for an address left out.", valueName: "address")
    )
    var email: String?

    @Option(name: .long, help: "The code that the customer got; it works once.")
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
        if code != nil, password != nil { throw ValidationError("say either --code or --password") }
        if let email, !email.isEmpty, !SignInDialogue.isAddress(email) {
            throw ValidationError("--email takes an address such as john.doe@example.com")
        }
        guard !Output.isAtTerminal, hasSignIn, (email ?? "").isEmpty else { return }
        throw ValidationError(email == nil ? "--code and --password need --email" : "say whose: --email ADDRESS")
    }

    private var wish: LoginWay.Wish? {
        if token != nil { return refreshToken == nil ? .token : .pair }
        if refreshToken != nil { return .refreshToken }
        if email != nil || code != nil || password != nil { return .email }
        if browser { return .browser }
        return device ? .device : nil
    }

    func run() throws {
        if wish == nil, !Output.isAtTerminal, options.isNowhere {
            throw ExitFailure.usage("squire: say either --token - or --email ADDRESS, and with --config for which API")
        }
        let loaded = try options.load()
        let way = try way(loaded)
        if way == .ask { return try ask(loaded) }
        let session = try SessionAccess(loaded, .login)
        let standing = try FormerSession(loaded)
        if case .foreign(let origin) = standing, !replace {
            throw ExitFailure.usage(
                "squire: \(loaded.sessionFile) holds a session for \(origin). Name another session.file, or replace it: "
                    + again(loaded, way, replacing: true)
            )
        }
        try session.requireWritable("nobody is logged in", makingDirectory: true)
        switch way {
        case .token, .pair: try giveToken(session, standing, way)
        case .signIn: try signIn(session, standing, way)
        case .refreshToken: try spendRefreshToken(taking(session, standing, way))
        case .browser, .device, .deviceOrBrowser: try logIn(taking(session, standing, way), way)
        case .ask: break
        }
        LoginReport(session, former: standing).say(isOAuth: way != .token && way != .pair && way != .signIn)
    }

    private func way(_ loaded: LoadedConfiguration) throws -> LoginWay {
        let configuration = loaded.configuration
        let circumstances = LoginWay.Circumstances(
            canSignIn: SignIn(configuration) != nil,
            hasBrowser: Browser().isThere,
            isAtTerminal: Output.isAtTerminal
        )
        do throws(LoginWay.Problem) {
            return try LoginWay(wish, configuration.session.source, circumstances)
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
    private func again(_ loaded: LoadedConfiguration, _ way: LoginWay, replacing: Bool) -> String {
        var words: [String]
        switch way {
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

    private func giveToken(_ session: SessionAccess, _ standing: FormerSession, _ way: LoginWay) throws {
        let loaded = session.loaded
        let token = try readToken(loaded.configuration, isPair: way == .pair)
        if let other = standing.other(than: token), !replace {
            let line = again(loaded, way, replacing: true)
            throw ExitFailure.usage("squire: the session is \(other) To replace it: \(line)")
        }
        let refreshToken = way == .pair ? try readToken("Refresh token: ", "refresh token", place: "second") : nil
        try adopt(TokenSet(accessToken: token, refreshToken: refreshToken), .given, session, way, agreed: nil)
    }

    private func signIn(_ session: SessionAccess, _ standing: FormerSession, _ way: LoginWay) throws {
        let loaded = session.loaded
        // This method is chosen only if a sign-in is configured.
        guard let signIn = SignIn(loaded.configuration) else { return }
        let dialogue = SignInDialogue(
            signIn: signIn,
            loaded: loaded,
            given: .init(email: email, code: code, readsPassword: password != nil),
            replaces: replace,
            replacing: again(loaded, way, replacing: true)
        )
        defer { Spending.end() }
        let tokens = try dialogue.run(standing)
        // The person was asked and agreed.
        try adopt(tokens, .signIn, session, way, agreed: Output.isAtTerminal ? standing.lineage : nil)
    }

    /// `agreed` identifies the session that a person agreed to replace.
    private func adopt(
        _ tokens: TokenSet,
        _ arrival: SessionRecord.Arrival,
        _ session: SessionAccess,
        _ way: LoginWay,
        agreed: String?
    ) throws {
        do {
            let replaceable = replace ? .any : ReplaceableSession.ofThisCustomer(agreed: agreed)
            try session.adopt(tokens, arrival, replacing: replaceable)
        } catch let error as SessionFileError {
            // Somebody else has logged in since.
            let fate = arrival == .signIn ? " " + SignOut.endRefused(tokens, session.loaded) : ""
            throw ExitFailure.usage(
                "squire: \(error.description), since a moment ago. It is as it was.\(fate) To replace it: "
                    + again(session.loaded, way, replacing: true)
            )
        }
    }

    /// Prepares to spend something single-use. Asks beforehand whether to replace a live session, because only the
    /// answer shows whose the new one is.
    private func taking(_ session: SessionAccess, _ standing: FormerSession, _ way: LoginWay) throws -> TokenTaking {
        var agreed: String?
        if Output.isAtTerminal, !replace, standing.isLiving {
            guard Output.confirm("This replaces \(standing.description). Go on?") else {
                throw ExitFailure.usage("squire: the session is as it was")
            }
            agreed = standing.lineage
        }
        return TokenTaking(
            session: session,
            replaceable: replace ? .any : .ofThisCustomer(agreed: agreed),
            line: again(session.loaded, way, replacing: replace),
            replacing: again(session.loaded, way, replacing: true)
        )
    }

    private func spendRefreshToken(_ taking: TokenTaking) throws {
        let loaded = taking.session.loaded
        // This method is chosen only if the source has refresh tokens.
        guard let source = ConfiguredSource.make(loaded) else { return }
        let token = try readToken("Refresh token: ", "refresh token")
        guard source.canGet(with: HeldTokens(refreshToken: token)) else {
            throw ExitFailure.usage(
                "squire: session.refresh sends {token}, too. Give both, on two lines: "
                    + again(loaded, .pair, replacing: replace)
            )
        }
        let outcome = try taking.take(.refreshToken(token)) { source.get(HeldTokens(refreshToken: token)) }
        guard case .obtained = outcome else { throw taking.failure(outcome, of: .refreshToken(token)) }
    }

    private func logIn(_ taking: TokenTaking, _ way: LoginWay) throws {
        let loaded = taking.session.loaded
        guard case .oauth(let oauth) = loaded.configuration.session.source else { return }
        let login = OAuthLogin(taking: taking, oauth: oauth, endpoint: ConfiguredSource.tokenEndpoint(oauth, loaded))
        switch way {
        case .browser: try login.withBrowser()
        case .device: try login.onDevice()
        case .deviceOrBrowser: try login.onDeviceOrWithBrowser()
        case .token, .refreshToken, .pair, .signIn, .ask: break
        }
    }

    /// Asks a source that needs no login for a token, and reports how long it lives.
    private func ask(_ loaded: LoadedConfiguration) throws {
        let session = try SessionAccess(loaded, .login)
        if loaded.configuration.session.source.isKept {
            try session.requireWritable("nothing is asked", makingDirectory: true)
        }
        session.cache.endPause()
        do {
            _ = try session.refresh(.manual)
        } catch let failure as ExitFailure where [69, 77].contains(failure.code) {
            throw ExitFailure.tryLater(failure.message)
        }
        let life = session.cache.status.expiresIn.map { LoginReport.life($0) } ?? ", nobody says for how long"
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
