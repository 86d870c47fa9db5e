import ArgumentParser
import CSystem
import Platform
import Settings
import TokenSources
import Upstream

/// The root command.
@main
struct Squire: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "squire",
        abstract: "A local reverse proxy that carries your bearer token.",
        discussion: """
            Point any tool at localhost: Squire attaches the bearer and the required headers, forwards the request to \
            the API, refreshes the token when the API rejects it, and sends the request again. The tool never notices.

            Try it without any setup:    squire demo
            Write a configuration:       squire init --upstream https://api.example.com
            Then:                        squire login --token -
                                         squire run
            In a script:                 squire exec -- ./my-script
                                         curl -H "$(squire token --format header)" …
            Shell completion:            squire --generate-completion-script bash
                                         (or zsh, or fish)

            The configuration is --config FILE, else $SQUIRE_CONFIG, else ./squire.yaml, else \
            ~/.config/squire/squire.yaml.

            Exit codes: \(ExitReason.list).
            """,
        version: Version.text,
        subcommands: commands
    )

    static let commands: [any ParsableCommand.Type] = [
        RunCommand.self, DemoCommand.self, PlaygroundCommand.self, LoginCommand.self, LogoutCommand.self,
        TokenCommand.self, StatusCommand.self, ReloadCommand.self, ExecCommand.self, CheckCommand.self,
        ExplainCommand.self, InitCommand.self, ProfileCommand.self, SharedCommand.self,
    ]

    static var _errorPrefix: String { "squire: " }

    /// Throws if the arguments name an unknown command, or have an unknown option before the command.
    private static func checkWords() throws {
        let words = CommandWords(tree(of: Squire.self))
        guard let problem = words.problem(in: Array(CommandLine.arguments.dropFirst())) else { return }
        throw ExitFailure.usage("squire: \(ControlCharacters.escaped(problem))")
    }

    private static func tree(of command: any ParsableCommand.Type) -> CommandWords.Command {
        let configuration = command.configuration
        return .init(configuration.commandName ?? "squire", configuration.subcommands.map(tree))
    }

    /// Parses the arguments into a command.
    private static func command() throws -> any ParsableCommand {
        if let plain = PlainCommands.command(Array(CommandLine.arguments.dropFirst())) { return plain }
        try checkWords()
        return try parseAsRoot()
    }

    static func main() {
        // To `squire run`, SIGHUP means a reload or the end of its terminal; `Foreground` finds out which.
        Foreground.unblockSignals(hangUpWaits: CommandLine.arguments.dropFirst().first == "run")
        Output.openStandardStreams()
        // Before anything else opens descriptors or reads the environment.
        _ = ServiceEnvironment.shared
        // While the process has only one thread.
        CurlLibrary.initialize()
        // A parent may have ignored SIGCHLD. Children's exit codes would be lost then.
        signal(SIGCHLD, SIG_DFL)
        // The memory contains tokens. Neither a core dump nor the crash report of Swift's runtime may show it.
        csystem_forbid_dumps()
        Foreground.crashQuietly()
        do {
            var command = try command()
            try command.run()
            end(0)
        } catch let failure as ExitFailure {
            Output.failure(failure.message)
            end(failure.code)
        } catch {
            // Mirrors `exit(withError:)`.
            let code = exitCode(for: error).rawValue
            let text = message(for: error, on: code == 0 ? 1 : 2)
            if code == 0, !text.isEmpty { Output.write(1, text + "\n") }
            if code != 0, !text.isEmpty { Output.failure(text) }
            end(code)
        }
    }

    /// The parser's text for an error or a request: help, the version, a completion script, or usage. Folded for the
    /// terminal at `descriptor`.
    private static func message(for error: any Error, on descriptor: Int32) -> String {
        let wished = Environment.all["COLUMNS"].flatMap(Int.init).flatMap { $0 > 0 ? $0 : nil }
        let width = wished ?? Terminal.columns(descriptor) ?? 80
        let isNarrow = width < HelpLines.leastWidth
        let text = CommandWords.hinted(fullMessage(for: error, columns: isNarrow ? 10_000 : nil))
        if isNarrow, text.hasPrefix("OVERVIEW: ") { return HelpLines.narrow(text, width: width) }
        return UsageLines.folded(text, width: min(max(width - 1, 39), 79))
    }

    /// Ends the process without the exit handlers of libraries. A thread may still be using one, for instance in
    /// OpenSSL's handshake with a member of etcd, and must not find it torn down.
    private static func end(_ code: Int32) -> Never {
        csystem_end_commands()
        fflush(nil)
        // Whoever reads truncated output must not take it for complete.
        if code == 0, let problem = Output.problem {
            Output.failure("squire: \(problem)")
            _exit(ExitReason.inputOutput.rawValue)
        }
        _exit(code)
    }
}
