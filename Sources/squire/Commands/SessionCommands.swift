import ArgumentParser
import Credentials
import HTTP1
import ReverseProxy
import Settings
import Support
import Upstream

struct LogoutCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "logout",
        abstract: "Log out at the API, then forget the token.",
        discussion: """
            An expired token is refreshed first: the API refuses to log it out, and it would stay refreshable. With --local \
            nothing is sent.
            """
    )

    @OptionGroup var options: ConfigOption

    @Flag(name: .long, help: "Only forget the token here; at the API it lives on.")
    var local = false

    func run() throws {
        let session = try SessionAccess(try options.load())
        let configuration = session.loaded.configuration
        var token = try session.token()
        if !local, let path = configuration.session.signOut.compactMap(\.postPath).first {
            if let seconds = session.cache.status.expiresIn, seconds <= 5, configuration.session.refresh != nil {
                do {
                    token = try session.refresh(.manual)
                } catch let failure as ExitFailure where failure.code == 77 {
                    // It can do nothing any more.
                    try session.forget()
                    Output.line("logged out (the token was dead already)")
                    return
                }
            }
            let timeout = configuration.session.refresh?.timeout ?? .seconds(30)
            let requests = SessionRequests(configuration)
            var answer = try LoginCommand.answer(requests.send("POST", path, token: token, timeout: timeout))
            if answer.status == 401, configuration.session.refresh != nil, let fresh = try? session.refresh(.rejected) {
                answer = try LoginCommand.answer(requests.send("POST", path, token: fresh, timeout: timeout))
            }
            guard (200..<300).contains(answer.status) || answer.status == 401 else {
                throw ExitFailure.tryLater(
                    "squire: the API answers the logout with status \(answer.status); the token is kept. "
                        + "Try again, or forget it here only: squire logout --local"
                )
            }
        } else if !local {
            Output.error(
                "squire: no session.sign-out is configured: the token is forgotten here, but lives on at the API"
            )
        }
        try session.forget()
        Output.line("logged out")
    }
}

struct TokenCommand: ParsableCommand {
    enum Format: String, ExpressibleByArgument, CaseIterable {
        case raw, header, env, json
    }

    static let configuration = CommandConfiguration(
        commandName: "token",
        abstract: "Print a token that stays valid for a while, refreshing first if it must.",
        discussion: """
            curl -H "$(squire token --format header)" https://…
            eval "$(squire token --format env)"; echo "$SQUIRE_TOKEN"
            """
    )

    @OptionGroup var options: ConfigOption

    @Option(name: .long, help: ArgumentHelp("How long it must stay valid.", valueName: "duration"))
    var minTtl = "60s"

    @Option(name: .long, help: "raw, header (Authorization: …), env (export SQUIRE_TOKEN=…) or json.")
    var format = Format.raw

    func run() throws {
        guard let least = Quantity.duration(minTtl) else {
            throw ValidationError("--min-ttl must be a duration such as 30s or 5m, not \"\(minTtl)\"")
        }
        let session = try SessionAccess(try options.load())
        var token = try session.token()
        let seconds = Int(least.components.seconds)
        if let left = session.cache.status.expiresIn, left < max(seconds, 1) {
            token = try session.refresh(.expiry)
            if let fresh = session.cache.status.expiresIn, fresh < seconds {
                Output.error("squire: the API's tokens live \(fresh) s only, less than --min-ttl \(minTtl)")
            }
        }
        let status = session.cache.status
        switch format {
        case .raw: Output.line(token.value)
        case .header: Output.line("Authorization: Bearer \(token.value)")
        case .env: Output.line("export SQUIRE_TOKEN='\(token.value)'")
        case .json:
            let number = { (value: Int?) in value.map(JSONValue.integer) ?? .null }
            Output.line(
                JSONValue.object([
                    .init("token", .string(token.value)), .init("token_type", .string("Bearer")),
                    .init("expires_at", number(status.expiresAt)), .init("expires_in", number(status.expiresIn)),
                ]).serialized()
            )
        }
    }
}

struct StatusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Who the session is, how long its token lives, how the last refreshes went, and what to do.",
        discussion: "Sends nothing. Works beside a running squire run."
    )

    @OptionGroup var options: ConfigOption

    @Flag(name: .long, help: "One JSON object, as the inspector's /api/status has it.")
    var json = false

    func run() throws {
        let session = try SessionAccess(try options.load())
        let status = session.cache.status
        if json { return Output.line(status.json.serialized(pretty: true)) }
        let state =
            switch status.state {
            case .usable: (status.expiresIn ?? 1) > 0 ? "usable" : "expired; the next request refreshes it"
            case .refreshing: "being refreshed"
            case .loginNeeded: "a login is needed"
            case .none: "none"
            }
        Output.line("session     \(state)")
        Output.line("file        \(session.loaded.sessionFile)")
        Output.line("upstream    \(session.loaded.configuration.upstream)")
        if let subject = status.subject { Output.line("customer    \(subject)") }
        if let age = status.age { Output.line("age         \(Self.span(age))") }
        if let seconds = status.expiresIn, let at = status.expiresAt {
            let distance = seconds > 0 ? "in \(Self.span(seconds))" : "\(Self.span(-seconds)) ago"
            Output.line("expires     \(distance), \(UTCTime.text(at))")
        }
        let failed = status.failures.map { "\($0.count) \($0.outcome)" }.joined(separator: ", ")
        Output.line("refreshes   \(status.refreshes)\(failed.isEmpty ? "" : ", and failed: \(failed)")")
        for entry in status.history.suffix(5).reversed() { Output.line("            \(Self.line(entry))") }
        if let advice = status.advice { Output.line("\n\(advice)") }
    }

    private static func line(_ entry: RefreshEntry) -> String {
        var text = "\(UTCTime.text(entry.at))  \(entry.outcome.rawValue) (\(entry.cause.rawValue))"
        if let milliseconds = entry.milliseconds { text += ", \(milliseconds) ms" }
        if let waiters = entry.waiters, waiters > 1 { text += ", for \(waiters) requests" }
        if let detail = entry.detail { text += ": \(detail)" }
        return text
    }

    /// Seconds as people say them.
    private static func span(_ seconds: Int) -> String {
        switch seconds {
        case ..<120: "\(seconds) s"
        case ..<7200: "\(seconds / 60) min \(seconds % 60) s"
        case ..<172_800: "\(seconds / 3600) h \(seconds % 3600 / 60) min"
        default: "\(seconds / 86_400) days"
        }
    }
}
