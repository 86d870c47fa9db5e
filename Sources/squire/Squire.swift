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
            Point any tool at localhost: Squire attaches the bearer and the required headers, forwards to the API, \
            refreshes the token when the API refuses it, and sends the request again. The tool never knows.

            Try it with nothing set up:      squire demo
            A first configuration:           squire init --upstream https://api.example.com
            With a configuration:            squire login --token -    then    squire run
            In a script:                     squire exec -- ./my-script    or    curl -H "$(squire token --format header)" …

            The configuration is --config FILE, else $SQUIRE_CONFIG, else ./squire.yaml, else \
            ~/.config/squire/squire.yaml.

            Exit codes: \(ExitReason.list).
            """,
        version: Version.text,
        subcommands: [
            RunCommand.self, DemoCommand.self, PlaygroundCommand.self, LoginCommand.self, LogoutCommand.self,
            TokenCommand.self, StatusCommand.self, ReloadCommand.self, ExecCommand.self, CheckCommand.self,
            ExplainCommand.self, InitCommand.self, ProfileCommand.self, SharedCommand.self,
        ]
    )

    /// Throws if the first argument is no command, and looks like one.
    private static func suggestCommand() throws {
        let names = configuration.subcommands.compactMap { $0.configuration.commandName } + ["help"]
        guard let word = CommandLine.arguments.dropFirst().first, !word.hasPrefix("-"), !names.contains(word) else {
            return
        }
        let hint = Spelling.nearest(to: word, among: names).map { ": did you mean \"\($0)\"?" } ?? "; see squire --help"
        throw ExitFailure.usage("squire: there is no command \"\(ControlCharacters.escaped(word))\"\(hint)")
    }

    static func main() {
        Output.openStandardStreams()
        // Before anything else opens descriptors, and before the environment is read.
        _ = ServiceEnvironment.shared
        // While the process has one thread.
        CurlLibrary.initialize()
        Foreground.unblockSignals()
        // Ignored since before this process began, it would take the ends of commands along.
        signal(SIGCHLD, SIG_DFL)
        // The memory holds tokens: no dump of it, and not the crash report of Swift's runtime either, which prints some
        // of it.
        csystem_forbid_dumps()
        Foreground.crashQuietly()
        do {
            try suggestCommand()
            var command = try parseAsRoot()
            try command.run()
            end(0)
        } catch let failure as ExitFailure {
            Output.failure(failure.message)
            end(failure.code)
        } catch {
            // As `exit(withError:)` does it.
            let (text, code) = (fullMessage(for: error), exitCode(for: error).rawValue)
            if code == 0, !text.isEmpty { Output.write(1, text + "\n") }
            if code != 0, !text.isEmpty { Output.failure(text, escapes: false) }
            end(code)
        }
    }

    /// Ends the process without what libraries do at an exit: a thread may be in the middle of one, of OpenSSL's
    /// handshake with a member of etcd for instance, and would find nothing of it left.
    private static func end(_ code: Int32) -> Never {
        LiveCommands.shared.endAll()
        fflush(nil)
        _exit(code)
    }
}
