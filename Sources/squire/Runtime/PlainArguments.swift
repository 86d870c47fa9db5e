import ArgumentParser

/// A simple command line, as scripts and service managers write it: options with one value each, and perhaps another
/// command after `--`. The commands that are started most often parse it themselves, because swift-argument-parser
/// takes a third of a start's instructions. It parses every other command line, and reports all mistakes.
struct PlainArguments {
    private var values: [String: [String]] = [:]
    /// The words after `--`; nil without it.
    let command: [String]?

    /// Nil if the words are not of that form, or name an option outside `names`.
    init?(_ words: [String], names: [String]) {
        var rest = words[...]
        while let word = rest.popFirst(), word != "--" {
            guard word.hasPrefix("--") else { return nil }
            let parts = word.dropFirst(2).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let name = String(parts[0])
            guard names.contains(name) else { return nil }
            let value = parts.count > 1 ? String(parts[1]) : rest.popFirst() ?? ""
            // A word with a leading dash may be the next option, after an option whose value is missing.
            guard !value.isEmpty, parts.count > 1 || !value.hasPrefix("-") else { return nil }
            values[name, default: []].append(value)
        }
        // Whether the loop above ended at `--`.
        let hasCommand = rest.startIndex > words.startIndex && words[rest.startIndex - 1] == "--"
        command = hasCommand ? Array(rest) : nil
    }

    /// The last value of the option.
    subscript(name: String) -> String? { values[name]?.last }

    func all(_ name: String) -> [String] { values[name] ?? [] }
}

/// A command that plain arguments can express.
protocol PlainCommand: ParsableCommand {
    static var plainOptions: [String] { get }

    /// Nil if they cannot express the command. Must set every property, because an unset one cannot be read.
    init?(_ arguments: PlainArguments)
}

enum PlainCommands {
    private static let all: [(name: String, type: any PlainCommand.Type)] = [
        ("run", RunCommand.self), ("token", TokenCommand.self), ("exec", ExecCommand.self),
    ]

    /// Parses the words after the program's name. Nil if swift-argument-parser must parse them.
    static func command(_ words: [String]) -> (any ParsableCommand)? {
        guard let name = words.first, let type = all.first(where: { $0.name == name })?.type,
            let arguments = PlainArguments(Array(words.dropFirst()), names: type.plainOptions),
            var command = type.init(arguments)
        else { return nil }
        // swift-argument-parser reports the mistake, with the command's usage.
        guard (try? command.validate()) != nil else { return nil }
        return command
    }
}

extension ConfigFileOption {
    static let plainOptions = ["config"]

    init?(_ arguments: PlainArguments) {
        self.init(files: arguments.all("config"))
        guard (try? validate()) != nil else { return nil }
    }
}

extension ConfigOption {
    static let plainOptions = ConfigFileOption.plainOptions + ["session", "upstream"]

    init?(_ arguments: PlainArguments) {
        self.init()
        guard let file = ConfigFileOption(arguments) else { return nil }
        self.file = file
        session = arguments["session"]
        upstream = arguments["upstream"]
        guard (try? validate()) != nil else { return nil }
    }
}

extension ProxyOptions {
    static let plainOptions = [
        "listen", "upstream", "header", "session", "inspector", "workers", "log-level", "log-format",
    ]

    init?(_ arguments: PlainArguments) {
        self.init()
        listen = arguments["listen"]
        upstream = arguments["upstream"]
        header = arguments.all("header")
        session = arguments["session"]
        inspector = arguments["inspector"]
        workers = arguments["workers"]
        logLevel = arguments["log-level"]
        logFormat = arguments["log-format"]
        guard (try? validate()) != nil else { return nil }
    }
}

extension RunCommand: PlainCommand {
    static let plainOptions = ["config"] + ProxyOptions.plainOptions

    init?(_ arguments: PlainArguments) {
        self.init()
        guard arguments.command == nil, let options = ProxyOptions(arguments) else { return nil }
        config = arguments.all("config")
        self.options = options
    }
}

extension TokenCommand: PlainCommand {
    static let plainOptions = ConfigOption.plainOptions + ["min-ttl", "format"]

    init?(_ arguments: PlainArguments) {
        self.init()
        let formats = arguments.all("format").map(Format.init(rawValue:))
        // All values must be valid, and the last one counts.
        guard arguments.command == nil, let options = ConfigOption(arguments), !formats.contains(nil) else {
            return nil
        }
        self.options = options
        minTtl = arguments["min-ttl"]
        format = formats.last.flatMap(\.self) ?? .raw
    }
}

extension ExecCommand: PlainCommand {
    static let plainOptions = ConfigFileOption.plainOptions + ProxyOptions.plainOptions + ["env"]

    init?(_ arguments: PlainArguments) {
        self.init()
        guard let command = arguments.command, let config = ConfigFileOption(arguments),
            let options = ProxyOptions(arguments)
        else { return nil }
        self.config = config
        self.options = options
        env = arguments.all("env")
        allowMissing = false
        self.command = command
    }
}
