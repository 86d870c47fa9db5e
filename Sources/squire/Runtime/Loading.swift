import ArgumentParser
import Settings

/// Loads the configuration of a command.
enum Loading {
    /// How a command uses the session.
    enum Use {
        /// Reads it. Runs, sends and writes nothing.
        case look
        /// Uses its token.
        case act
    }

    static func load(
        _ path: String?,
        _ overrides: ConfigurationOverrides,
        _ use: Use = .act
    ) throws -> LoadedConfiguration {
        do throws(ConfigurationError) {
            for warning in ConfigurationOverrides.warnings(Environment.all) { Output.error("squire: \(warning)") }
            let loader = loader(overrides)
            var loaded = try loader.load(path)
            if case .act = use { try prepare(&loaded, loader) }
            return loaded
        } catch {
            throw failure(error)
        }
    }

    /// The exit message and code for a configuration error.
    static func failure(_ error: ConfigurationError) -> ExitFailure {
        error.mayPass ? .tryLater(error.commandText) : .configuration(error.commandText)
    }

    /// Prepares a configuration for use: checks that a person has completed and approved it, and reads its secrets.
    static func prepare(
        _ loaded: inout LoadedConfiguration,
        _ loader: ConfigurationLoader
    ) throws(ConfigurationError) {
        let open = loaded.blanks.filter { !$0.isExample }
        guard open.isEmpty else {
            throw ConfigurationError(
                open.map {
                    .init(source: loaded.path ?? "squire", line: $0.line, message: "\($0.name) is for you to fill in")
                }
            )
        }
        try allow(loaded, loader)
        try loaded.readSecrets()
    }

    static func loader(_ overrides: ConfigurationOverrides) -> ConfigurationLoader {
        ConfigurationLoader(environment: Environment.all, overrides: overrides, command: command)
    }

    /// Makes sure that a person approves of a file that was found without being named. Asks at a terminal.
    static func allow(_ loaded: LoadedConfiguration, _ loader: ConfigurationLoader) throws(ConfigurationError) {
        guard let distrust = loader.distrust(loaded) else { return loader.trustNamed(loaded) }
        guard Output.isAtTerminal, let path = loaded.path else { throw distrust }
        let keys = loaded.keysToAllow.map { "\($0.name) (line \($0.line))" }.joined(separator: ", ")
        let change = loader.changeSinceTrusted(loaded).map {
            " Since you last named or confirmed it, this changed: \(ControlCharacters.escaped($0))."
        }
        let question = "\(path), which lies here, sets \(keys).\(change ?? "") Do you know this file, and use it?"
        guard Output.confirm(question) else { throw distrust }
        loader.trust(loaded)
    }

    /// The running command and its arguments, as messages repeat them. Secrets are never among the arguments.
    private static var command: [String] {
        let words = Array(CommandLine.arguments.dropFirst())
        return Squire.commands.contains { $0.configuration.commandName == words.first }
            ? words : ["run"]
    }
}
