import ArgumentParser
import Settings

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
        help: ArgumentHelp("The session file (SQUIRE_SESSION).", valueName: "file"),
        completion: .file()
    )
    var session: String?

    @Option(name: .long, help: ArgumentHelp("The API's URL (SQUIRE_UPSTREAM).", valueName: "url"))
    var upstream: String?

    /// Values that are invalid under any configuration count as wrong usage.
    func validate() throws {
        if let problem = overrides.malformed { throw ValidationError(problem) }
    }

    private var overrides: ConfigurationOverrides {
        var overrides = ConfigurationOverrides()
        overrides.session = session.map { .init($0, source: "--session") }
        overrides.upstream = upstream.map { .init($0, source: "--upstream") }
        return overrides
    }

    /// Whether there is neither a configuration file nor an upstream.
    var isNowhere: Bool {
        let variables = ConfigurationOverrides(environment: Environment.all)
        return file.path == nil && upstream == nil && variables.upstream == nil
            && ConfigurationLoader(environment: Environment.all).discover() == .nowhere
    }

    /// Whether the file was named, or allowed before.
    func isAllowed(_ loaded: LoadedConfiguration) -> Bool { Loading.loader(overrides).distrust(loaded) == nil }

    func load(_ use: Loading.Use = .act) throws -> LoadedConfiguration {
        try Loading.load(file.path, overrides, use)
    }
}
