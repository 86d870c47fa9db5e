public import Credentials
import Cryptography
import HTTP1
import Logging
import Platform
public import ReverseProxy
public import Threads
public import TokenSources
import Upstream

/// A checked configuration and where it came from.
public struct LoadedConfiguration: Sendable {
    public var configuration: ProxyConfiguration
    public var found: ConfigurationFound
    /// Where the session is kept.
    public var place: SessionPlace
    /// What the session belongs to.
    public var binding: SessionBinding
    /// The command lines for messages.
    public var lines: CommandLines
    /// True if nobody configured the inspector's address, so that another port will do if it is taken.
    public var inspectorIsDefault: Bool
    /// Where `session.apply` was configured; nil for the default.
    public var applySource: String?
    /// Where the addresses are configured.
    public var addressSources = AddressSources()
    /// The keys that need a person's permission, with their lines.
    public var guardedKeys: [(name: String, line: Int)]
    /// The lines of the keys that say where a secret is kept.
    let secretLines: [String: Int]
    /// The blanks that `squire init` left and nobody has filled in.
    public var blanks: [NewConfiguration.Blank]
    /// Reads the configuration's secrets.
    public var secretReader: SecretReader
    /// `proxy` and `tls`, where they are set.
    var leadingKeys: [(name: String, line: Int)]
    /// The file as it is; nil if there is none.
    var trustEntry: TrustedFiles.Entry?
    let places: SessionPlaces

    /// The file; nil if everything came from options.
    public var path: String? { found.path }
    /// The path of the session file.
    public var sessionFile: String { place.file }
}

/// Reads, checks and merges configuration: option > environment > file > profile > default.
public struct ConfigurationLoader {
    private let environment: [String: String]
    private let overrides: ConfigurationOverrides
    /// The running subcommand and its arguments, as messages repeat them.
    let command: [String]
    /// The directory of a pod's service account.
    var serviceAccount = ConfigurationSections.usualServiceAccount

    /// The file that is used without being named if it is in the working directory.
    public static let unaskedName = "squire.yaml"

    /// `overrides` are the options. `environment` may contain the same settings as variables.
    public init(
        environment: [String: String],
        overrides: ConfigurationOverrides = ConfigurationOverrides(),
        command: [String] = ["run"]
    ) {
        self.environment = environment
        self.overrides = overrides.over(ConfigurationOverrides(environment: environment))
        self.command = command
    }

    /// The file to use if none is named: `SQUIRE_CONFIG`, `./squire.yaml`, `$XDG_CONFIG_HOME/squire/squire.yaml`.
    public func discover() -> ConfigurationFound {
        if let named = environment["SQUIRE_CONFIG"], !named.isEmpty { return .variable(named) }
        // A file that exists but cannot be used is reported, not skipped.
        let isAtHome = PrivateFile.exists(homePath)
        if PrivateFile.exists(Self.unaskedName) {
            // In its own directory, the user's file is trusted.
            let isSame = isAtHome && TextFile.realPath(Self.unaskedName) == TextFile.realPath(homePath)
            return isSame ? .home(homePath) : .here(Self.unaskedName)
        }
        return isAtHome ? .home(homePath) : .nowhere
    }

    /// The paths at which a process with that environment looks for a file; the first existing one is used.
    public static func candidates(_ environment: [String: String]) -> [String] {
        if let named = environment["SQUIRE_CONFIG"], !named.isEmpty { return [named] }
        return [unaskedName, homePath(environment)]
    }

    private var homePath: String { Self.homePath(environment) }

    private static func homePath(_ environment: [String: String]) -> String {
        // The XDG Base Directory Specification: a relative path is invalid and ignored.
        let base = environment["XDG_CONFIG_HOME"].flatMap { $0.hasPrefix("/") ? $0 : nil }
        return (base ?? TextFile.home(environment) + "/.config") + "/squire/\(unaskedName)"
    }

    /// Loads `path`, else the discovered file, else options alone.
    public func load(_ path: String? = nil) throws(ConfigurationError) -> LoadedConfiguration {
        try load(path.map(ConfigurationFound.named) ?? discover())
    }

    /// Loads the file of `old` and its secrets again. Also throws if the file was used without being named and now
    /// contains keys that need a person's permission. Blocking; `stop` ends a command that is running for a secret.
    public func load(
        again old: LoadedConfiguration,
        until stop: StopSignal? = nil
    ) throws(ConfigurationError) -> LoadedConfiguration {
        var loaded = try load(old.found)
        if let distrust = distrust(loaded, isReload: true) { throw distrust }
        try loaded.readSecrets(until: stop)
        return loaded
    }

    private func load(_ found: ConfigurationFound) throws(ConfigurationError) -> LoadedConfiguration {
        guard let path = found.path else {
            guard overrides.upstream != nil else {
                throw ConfigurationError([.init(source: "squire", message: nowhereMessage)])
            }
            return try settled(try read(nil, found: .nowhere))
        }
        if case .here = found, let distrust = ConfigurationFound.distrust(path) {
            let message = "\(distrust), so it is not used unasked. If you trust it, name it: \(naming(path))"
            throw ConfigurationError([.init(source: path, message: message)])
        }
        switch TextFile.read(path) {
        case .failure(let problem):
            var message = "cannot be read: \(problem.text)"
            if case .variable = found { message += ". The variable SQUIRE_CONFIG names it" }
            throw ConfigurationError([.init(source: path, line: problem.line, message: message)])
        case .success(let text):
            return try settled(try read(text, found: found))
        }
    }

    private var nowhereMessage: String {
        // Files named `.yml` are not used: a message explains that.
        for name in [Self.unaskedName, homePath] {
            let other = "\(name.dropLast("yaml".count))yml"
            guard PrivateFile.exists(other) else { continue }
            return "no configuration: \(other) is there, and is not looked for. Rename it to \(name), or name it: "
                + naming(other)
        }
        return "no configuration: squire init writes a first one, --config FILE names one, and none is "
            + "needed with --upstream URL. Looked for: \(Self.unaskedName), \(homePath). To try Squire first: "
            + "squire demo"
    }

    /// Finds the place of the session among the existing files.
    private func settled(_ loaded: LoadedConfiguration) throws(ConfigurationError) -> LoadedConfiguration {
        guard case .standard(let standard) = loaded.place, loaded.configuration.session.source != .unused else {
            return loaded
        }
        let isShared = loaded.configuration.session.name != nil
        if let collision = SessionPlaces.collision(standard, loaded.binding, isShared: isShared) {
            let message = "the session file \(collision)"
            throw ConfigurationError([
                .init(source: loaded.path ?? "squire", line: loaded.path == nil ? nil : 1, message: message)
            ])
        }
        var loaded = loaded
        let former = loaded.places.former(loaded.path)
        loaded.place = loaded.places.place(standard: standard, former: former, loaded.binding)
        return loaded
    }

    /// Loads a profile and options, without a file.
    public func loadPreset(_ profile: String) throws(ConfigurationError) -> LoadedConfiguration {
        try read("profile: \(profile)", found: .nowhere)
    }

    /// Reads `text` as if it were the file at `path`. Does not read session files.
    public func read(_ text: String?, path: String?) throws(ConfigurationError) -> LoadedConfiguration {
        try read(text, found: path.map(ConfigurationFound.named) ?? .nowhere)
    }

    private func read(_ text: String?, found: ConfigurationFound) throws(ConfigurationError) -> LoadedConfiguration {
        let path = found.path
        let issues = IssueCollector(source: path ?? "squire", isFile: path != nil)
        var root: YAMLNode?
        if let text {
            do {
                root = try YAMLReader.read(text)
            } catch {
                throw ConfigurationError([.init(source: path ?? "", line: error.line, message: "\(error)")])
            }
        }
        var sections = ConfigurationSections(
            root: root ?? .empty,
            issues: issues,
            overrides: overrides,
            environment: environment,
            directory: path.map(ParentDirectory.of) ?? "."
        )
        sections.serviceAccount = serviceAccount
        let configuration = sections.read()
        if let path, let root { GuardedKey.refuseCommands(in: root, of: path, issues) }
        guard let configuration, issues.issues.isEmpty else { throw issues.error }
        let realPath = path.map(TextFile.realPath)
        let binding = SessionBinding(configuration, path: realPath)
        let places = SessionPlaces(environment)
        let host = configuration.upstream.authority.host
        let guardedKeys = root.map { GuardedKey.found(in: $0, sections) } ?? []
        let leadingKeys = root.map(GuardedKey.leading) ?? []
        let (standard, trustEntry): (String, TrustedFiles.Entry?)
        do throws(CryptographyError) {
            standard = try places.standard(binding, host: host, name: configuration.session.name)
            let digest = try TrustedFiles.digest(text ?? "")
            // Only where a person may be asked.
            let isAsked = !guardedKeys.isEmpty || !leadingKeys.isEmpty
            let parts = try ConfigurationParts(isAsked ? root ?? .empty : .empty)
            trustEntry = realPath.map { .init(path: $0, digest: digest, parts: parts) }
        } catch {
            let message = "the name of its session file cannot be made: \(error)"
            throw ConfigurationError([.init(source: path ?? "squire", line: path == nil ? nil : 1, message: message)])
        }
        return LoadedConfiguration(
            configuration: configuration,
            found: found,
            place: configuration.session.file.map(SessionPlace.named) ?? .standard(standard),
            binding: binding,
            lines: CommandLines(
                found,
                overrides,
                loginOptions: configuration.session.loginOptions,
                otherLogin: configuration.session.otherLogin,
                realPath: command.first == "run" ? realPath : nil
            ),
            inspectorIsDefault: sections.inspectorIsDefault,
            applySource: sections.applySource,
            addressSources: sections.addressSources,
            guardedKeys: guardedKeys,
            secretLines: root.map(GuardedKey.secretLines) ?? [:],
            blanks: root.map(NewConfiguration.blanks) ?? [],
            secretReader: sections.secretReader,
            leadingKeys: leadingKeys,
            trustEntry: trustEntry,
            places: places
        )
    }
}

extension SessionConfiguration {
    /// The login options that the configuration requires; none if the login chooses, or if no login is needed.
    fileprivate var loginOptions: [String] {
        switch source {
        case .oauth(let oauth): oauth.asksPerson ? [] : ["--refresh-token", "-"]
        case .exec, .tokenFile, .unused: []
        case .given, .recipe: refreshOptions ?? (canSignIn ? ["--email"] : ["--token", "-"])
        }
    }

    /// The options of the other login, where a person may have a refresh token, or may sign in, if the API knows
    /// Squire's form of that.
    fileprivate var otherLogin: [String] { canSignIn && refreshOptions != nil ? ["--email"] : [] }

    private var canSignIn: Bool { signIn.contains { $0.postPath != nil } }

    /// Nil if the recipe takes no refresh token.
    private var refreshOptions: [String]? {
        guard let refresh, refresh.refreshToken != nil else { return nil }
        return (refresh.needsPair ? ["--token", "-"] : []) + ["--refresh-token", "-"]
    }
}

extension SessionBinding {
    /// The binding of the session that a configuration describes. `path` is the real path of its file.
    fileprivate init(_ configuration: ProxyConfiguration, path: String?) {
        let session = configuration.session
        var source = SessionBinding.Source.given
        var (issuer, clientID): (String?, String?) = (nil, nil)
        switch session.source {
        case .given: break
        case .unused: source = .none
        case .recipe: source = .recipe
        case .exec: source = .exec
        case .tokenFile: source = .tokenFile
        case .oauth(let oauth):
            source = .oauth
            issuer = oauth.endpointOrigin
            clientID = oauth.identity
        }
        self.init(
            origin: configuration.upstream.description,
            refreshOrigin: session.refresh?.origin?.description,
            source: source,
            issuer: issuer,
            clientID: clientID,
            configuration: path,
            sharedPlace: session.shared.map { SessionBinding.place(engine: $0.engine.name, key: $0.place) }
        )
    }
}
