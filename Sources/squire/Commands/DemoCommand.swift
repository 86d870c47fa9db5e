import ArgumentParser
import Credentials
import EventIO
import HTTP1
import Logging
import Platform
import Playground
import ReverseProxy
import Settings
import Threads

struct DemoCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "demo",
        abstract: "Try everything without any setup: a simulated API, a customer, the proxy.",
        discussion: """
            Starts the playground, logs its customer in with a token that lives 60 seconds, and runs a proxy for it on \
            localhost:8080 (or the next free port), with the inspector's page. Nothing is written to disk. Open the \
            page and paste the curl commands that it prints: the page and the log show the rejection, the refresh and \
            the second attempt, and the last command shows what arrived at the API.
            """
    )

    @OptionGroup var options: ProxyOptions
    @OptionGroup var switches: PlaygroundSwitches

    func validate() throws {
        for (name, value) in [("--upstream", options.upstream), ("--session", options.session)] where value != nil {
            throw ValidationError(
                "\(name) means nothing here: squire demo has an API and a session of its own. For yours: squire run \(name) …"
            )
        }
    }

    func run() throws {
        let logging = try options.logging().of(proxy: "demo", column: 0)
        // The first line of the log says what runs. Messages from before wait until then.
        LogWriter.standardError.hold()
        defer { LogWriter.standardError.finish() }
        for warning in Self.warnings { logging.logger().warning("\(warning)") }
        let playground = try PlaygroundService(
            .tcp(host: "127.0.0.1", port: 0),
            options: try switches.options(defaultTTL: .seconds(60))
        )
        let service: ProxyService
        do {
            service = try ProxyService(
                try configuration(playground.url),
                logging: logging,
                keepsSession: false,
                takesNextPort: options.listen == nil && Environment.all["SQUIRE_LISTEN"] == nil,
                // The page shows each explanation beside its command.
                examples: { Self.examples($0).map { "\($0.command)  # \($0.words)" } }
            )
        } catch {
            playground.stop()
            throw error
        }
        if let text = playground.signIn(), let token = Token(text) {
            _ = Latch.awaiting { service.session.adopt(TokenSet(accessToken: token), .signIn, completion: $0) }
        }
        let foreground = try Foreground(logging: logging, timeout: service.shutdownTimeout, hangUp: .ends) {
            hurry,
            completion in
            service.drain(hurry: hurry, completion: completion)
        }
        LogWriter.standardError.release(first: [service.startLine].compactMap(\.self))
        let problem = Output.announce(service.endpoints)
        if problem == nil {
            explain(service, logging)
            foreground.run()
        }
        service.stop()
        playground.stop()
        // A demo whose output nobody can see is of no use.
        if let problem { throw ExitFailure.inputOutput("squire: \(problem.description)") }
        foreground.logEnd()
    }

    private static var warnings: [String] {
        let variables = ["SQUIRE_CONFIG", "SQUIRE_UPSTREAM", "SQUIRE_SESSION"]
        return ConfigurationOverrides.warnings(Environment.all)
            + variables.filter { !(Environment.all[$0] ?? "").isEmpty }.map {
                "the variable \($0) means nothing to squire demo, which has an API and a session of its own"
            }
    }

    /// The menu profile, as a file would configure it. The margin is zero, so that the demo shows how a refused token
    /// is replaced.
    private func configuration(_ upstream: String) throws -> LoadedConfiguration {
        var overrides = options.overrides
        overrides.upstream = overrides.upstream ?? .init(upstream, source: "demo")
        let required = [
            "Application: f3a90488ffee32c3acb6fcd0ca417cf6", "Api-Version: 4.38.0", "Device-UUID: 1287796",
        ]
        overrides.headers = required.map { .init($0, source: "demo") } + overrides.headers
        do throws(ConfigurationError) {
            var loaded = try ConfigurationLoader(environment: Environment.all, overrides: overrides).loadPreset("menu")
            loaded.configuration.session.margin = .zero
            return loaded
        } catch {
            throw Loading.failure(error)
        }
    }

    /// The commands to paste into a terminal, each with an explanation. The last one shows what Squire adds.
    private static func examples(_ url: String) -> [(command: String, words: String)] {
        let curl = { (options: [String], path: String) in
            let place =
                UnixSpelling.path(url).map { ["--unix-socket", $0, "http://localhost\(path)"] } ?? [url + path]
            return (["curl"] + options + place).map(CommandLines.quoted).joined(separator: " ")
        }
        return [
            (curl(["-X", "POST"], "/playground/revoke"), "the API refuses the token from now on"),
            (curl([], "/api/customer-accounts/me"), "refreshed and sent again: still 200"),
            (curl([], "/playground/echo"), "what arrived at the API, with the headers that Squire added"),
        ]
    }

    private func explain(_ service: ProxyService, _ logging: Logging) {
        // Without explanations, because not every shell accepts a comment after a command.
        let examples = Self.examples(service.url).map { "  \($0.command)" }.joined(separator: "\n")
        let page = service.page.map { " To watch in a browser: \($0)" } ?? ""
        // On standard error, in the order of the log, because standard output is only for endpoints. The lines stay
        // below 80 columns: a terminal would break longer ones within a word.
        var text = ControlCharacters.escapedLines(
            """

            A simulated API is running. john.doe@example.com is logged in at it, with a
            token that lives \(switches.tokenTtl ?? "60s").\(page)
            Paste these lines into another terminal:

            \(examples)

            The first has the API refuse the token from now on. The second is answered all
            the same: Squire refreshes the token, and sends the request again. The third
            shows what arrived at the API, with the headers that Squire added.

            Each exchange is a line below. Ctrl-C, or closing this window, ends it.

            """
        )
        // A program that parses JSON must not meet plain text.
        guard logging.style.format == .text else {
            return logging.messages.write(LogMessage(.notice, event: "demo", text))
        }
        text.withUTF8 { LogWriter.standardError.write(UnsafeRawBufferPointer($0)) }
    }
}
