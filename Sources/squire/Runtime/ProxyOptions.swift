import ArgumentParser
import Logging
import Settings

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
            "A header to send if the client sends none of that name; repeatable (SQUIRE_HEADER, one per line).",
            valueName: "'Name: value'"
        )
    )
    var header: [String] = []

    @Option(
        name: .long,
        help: ArgumentHelp("The session file (SQUIRE_SESSION).", valueName: "file"),
        completion: .file()
    )
    var session: String?

    @Option(
        name: .long,
        help: ArgumentHelp(
            "The inspector's address: page, health, metrics, status (SQUIRE_INSPECTOR).",
            valueName: "addr|off"
        ),
        completion: .list(["off", "localhost:8081", "localhost:0"])
    )
    var inspector: String?

    @Option(
        name: .long,
        // So that a negative number is judged as one.
        parsing: .unconditional,
        help: ArgumentHelp("The number of event loops; 0 is one per core (SQUIRE_WORKERS).", valueName: "n"),
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
