import ArgumentParser
import Logging
import Platform
import Settings

/// The process's environment.
enum Environment {
    static let all: [String: String] = {
        var result: [String: String] = [:]
        var entry = environ
        while let text = entry.pointee {
            let pair = String(cString: text)
            if let equals = pair.firstIndex(of: "=") {
                result[String(pair[..<equals])] = String(pair[pair.index(after: equals)...])
            }
            entry += 1
        }
        return result
    }()
}

/// The option that names a command's one configuration file.
struct ConfigFileOption: ParsableArguments {
    @Option(
        name: .customLong("config"),
        parsing: .singleValue,
        help: ArgumentHelp(
            "The configuration file.",
            discussion: "Default: $SQUIRE_CONFIG, ./squire.yaml, ~/.config/squire/squire.yaml.",
            valueName: "file"
        ),
        completion: .configurations
    )
    private var files: [String] = []

    init() {}

    init(files: [String]) {
        self.files = files
    }

    var path: String? { files.last }

    func validate() throws {
        guard files.count <= 1 else {
            throw ValidationError("--config is given \(files.count) times; only squire run takes several")
        }
    }
}

/// The options that locate the configuration.
struct ConfigOption: ParsableArguments {
    @OptionGroup var file: ConfigFileOption

    @Option(
        name: .long,
        help: ArgumentHelp("Where the session is kept (SQUIRE_SESSION).", valueName: "file"),
        completion: .file()
    )
    var session: String?

    @Option(name: .long, help: ArgumentHelp("The API's URL (SQUIRE_UPSTREAM).", valueName: "url"))
    var upstream: String?

    /// Whether there is neither a configuration file nor an upstream.
    var isNowhere: Bool {
        let variables = ConfigurationOverrides(environment: Environment.all)
        return file.path == nil && upstream == nil && variables.upstream == nil
            && ConfigurationLoader(environment: Environment.all).discover() == .nowhere
    }

    func load(_ use: Loading.Use = .act) throws -> LoadedConfiguration {
        var overrides = ConfigurationOverrides()
        overrides.session = session.map { .init($0, source: "--session") }
        overrides.upstream = upstream.map { .init($0, source: "--upstream") }
        return try Loading.load(file.path, overrides, use)
    }
}

/// The options of `run`, `exec` and `demo`. Each takes precedence over its environment variable, which takes precedence
/// over the file.
struct ProxyOptions: ParsableArguments {
    @Option(
        name: .long,
        help: ArgumentHelp(
            "HOST:PORT (port 0 picks a free one), a port of localhost or unix:PATH (SQUIRE_LISTEN).",
            valueName: "addr"
        ),
        completion: .list(["localhost:8080", "localhost:0"])
    )
    var listen: String?

    @Option(name: .long, help: ArgumentHelp("The API's URL (SQUIRE_UPSTREAM).", valueName: "url"))
    var upstream: String?

    @Option(
        name: .long,
        parsing: .singleValue,
        help: ArgumentHelp(
            "A header to send when the client sent none of that name; repeatable (SQUIRE_HEADER, one a line).",
            valueName: "'Name: value'"
        )
    )
    var header: [String] = []

    @Option(
        name: .long,
        help: ArgumentHelp("Where the session is kept (SQUIRE_SESSION).", valueName: "file"),
        completion: .file()
    )
    var session: String?

    @Option(
        name: .long,
        help: ArgumentHelp("Where health, metrics and status are served (SQUIRE_INSPECTOR).", valueName: "addr|off"),
        completion: .list(["off", "localhost:8081", "localhost:0"])
    )
    var inspector: String?

    @Option(
        name: .long,
        help: ArgumentHelp("Event loops; 0 is one per core (SQUIRE_WORKERS).", valueName: "n"),
        completion: .list(["0", "1", "2", "4"])
    )
    var workers: String?

    @Option(
        name: .long,
        help: ArgumentHelp("trace, debug, info, notice, warning or error (SQUIRE_LOG_LEVEL).", valueName: "level"),
        completion: .list(Self.levels)
    )
    var logLevel: String?

    @Option(
        name: .long,
        help: ArgumentHelp("text or json (SQUIRE_LOG_FORMAT).", valueName: "format"),
        completion: .list(LogFormat.allCases.map(\.rawValue))
    )
    var logFormat: String?

    private static let levels = ["trace", "debug", "info", "notice", "warning", "error"]

    /// Values that are invalid under any configuration count as wrong usage.
    func validate() throws {
        if let problem = overrides.malformed { throw ValidationError(problem) }
        if let problem = Self.problem(level: logLevel) { throw ValidationError("--log-level \(problem)") }
        if let problem = Self.problem(format: logFormat) { throw ValidationError("--log-format \(problem)") }
    }

    private static func problem(level: String?) -> String? {
        guard let level, !levels.contains(level) else { return nil }
        return "must be trace, debug, info, notice, warning or error, not \"\(level)\""
    }

    private static func problem(format: String?) -> String? {
        guard let format, LogFormat(rawValue: format) == nil else { return nil }
        return "must be text or json, not \"\(format)\""
    }

    var overrides: ConfigurationOverrides {
        let value = { (text: String?, name: String) in text.map { ConfigurationOverrides.Value($0, source: name) } }
        var result = ConfigurationOverrides()
        result.listen = value(listen, "--listen")
        result.upstream = value(upstream, "--upstream")
        result.headers = header.map { .init($0, source: "--header") }
        result.session = value(session, "--session")
        result.inspector = value(inspector, "--inspector")
        result.workers = value(workers, "--workers")
        return result
    }

    /// How to log, by the option, else the variable, else the default.
    func logging() throws -> Logging {
        let variable = { (name: String) in Environment.all[name].flatMap { $0.isEmpty ? nil : $0 } }
        let level = logLevel ?? variable("SQUIRE_LOG_LEVEL") ?? "info"
        let format = logFormat ?? variable("SQUIRE_LOG_FORMAT") ?? "text"
        // `validate` has checked the options.
        if let problem = Self.problem(level: level) {
            throw ExitFailure.configuration("squire: SQUIRE_LOG_LEVEL \(problem)")
        }
        guard let parsedLevel = Logger.Level(rawValue: level), let parsedFormat = LogFormat(rawValue: format) else {
            throw ExitFailure.configuration("squire: SQUIRE_LOG_FORMAT \(Self.problem(format: format) ?? "")")
        }
        let style = LogStyle.forStandardError(parsedFormat, environment: Environment.all)
        LogWriter.standardError.use(style)
        return Logging(level: parsedLevel, style: style)
    }
}

/// How the process logs.
struct Logging: Sendable {
    let level: Logger.Level
    private(set) var style: LogStyle
    /// When logging began, which is the time of the first line.
    let begun = Timestamp.now()

    /// The same for one of the process's proxies.
    func of(proxy: String, column: Int) -> Logging {
        var result = self
        result.style = style.of(proxy: ControlCharacters.escaped(proxy), column: column)
        return result
    }

    var messages: MessageLog { MessageLog(level: level, style: style) }

    func logger() -> Logger {
        Logger(label: "squire") { _ in LogBackend(level: level, style: style) }
    }
}
