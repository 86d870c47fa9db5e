import HTTP1
import Logging
public import ReverseProxy
import Upstream
import Yams

/// A checked configuration and where it came from.
public struct LoadedConfiguration: Sendable {
    public var configuration: ProxyConfiguration
    /// The file; nil if everything came from options.
    public var path: String?
    /// The path of the session file.
    public var sessionFile: String
    /// True if nobody configured the inspector's address, so that another port will do if it is taken.
    public var inspectorIsDefault: Bool
    /// Who asked for the addresses.
    public var addressSources = AddressSources()
}

/// Reads, checks and merges configuration: option > environment > file > profile > default.
public struct ConfigurationLoader {
    private let environment: [String: String]
    private let overrides: ConfigurationOverrides

    /// `overrides` are the options. `environment` may hold the same as variables.
    public init(environment: [String: String], overrides: ConfigurationOverrides = ConfigurationOverrides()) {
        self.environment = environment
        self.overrides = overrides.over(ConfigurationOverrides(environment: environment))
    }

    /// The file to use if none is named: `SQUIRE_CONFIG`, `./squire.yaml`, `$XDG_CONFIG_HOME/squire/squire.yaml`.
    public func discover() -> String? {
        if let named = environment["SQUIRE_CONFIG"], !named.isEmpty { return named }
        return defaultPaths.first(where: TextFile.isReadable)
    }

    private var defaultPaths: [String] {
        let base = environment["XDG_CONFIG_HOME"].flatMap { $0.isEmpty ? nil : $0 }
        return ["squire.yaml", (base ?? TextFile.home(environment) + "/.config") + "/squire/squire.yaml"]
    }

    /// Loads `path`, else the discovered file, else options alone.
    public func load(_ path: String? = nil) throws(ConfigurationError) -> LoadedConfiguration {
        guard let path = path ?? discover() else {
            guard overrides.upstream != nil else {
                let message =
                    "no configuration: name a file with --config, or write "
                    + defaultPaths.joined(separator: " or ") + ", or say --upstream URL"
                throw ConfigurationError([.init(source: "squire", message: message)])
            }
            return try read(nil, path: nil)
        }
        switch TextFile.read(path) {
        case .failure(let problem):
            let message = "cannot be read: \(problem.text)"
            throw ConfigurationError([.init(source: path, line: problem.line ?? 1, message: message)])
        case .success(let text):
            return try read(text, path: path)
        }
    }

    /// Loads a profile and options, without a file.
    public func loadPreset(_ profile: String) throws(ConfigurationError) -> LoadedConfiguration {
        try read("profile: \(profile)", path: nil)
    }

    /// Reads `text` as if it were the file at `path`.
    public func read(_ text: String?, path: String?) throws(ConfigurationError) -> LoadedConfiguration {
        let issues = IssueCollector(source: path ?? "squire", isFile: path != nil)
        var root: Node?
        if let text {
            if let control = ControlCharacters.first(in: text) {
                let message =
                    "holds \(ControlCharacters.escape(control.scalar)), a control character, which YAML forbids"
                throw ConfigurationError([.init(source: path ?? "", line: control.line, message: message)])
            }
            do {
                root = try Yams.compose(yaml: text)
            } catch {
                throw ConfigurationError([Self.issue(error, path: path ?? "")])
            }
        }
        var sections = ConfigurationSections(
            root: root ?? Node.mapping(.init([])),
            issues: issues,
            overrides: overrides,
            environment: environment,
            directory: path.map(TextFile.directory(of:)) ?? "."
        )
        let configuration = sections.read()
        guard let configuration, issues.issues.isEmpty else {
            throw ConfigurationError(issues.issues.sorted { ($0.line ?? 0) < ($1.line ?? 0) })
        }
        return LoadedConfiguration(
            configuration: configuration,
            path: path,
            sessionFile: configuration.session.file ?? defaultSessionFile(path),
            inspectorIsDefault: sections.inspectorIsDefault,
            addressSources: sections.addressSources
        )
    }

    /// `$XDG_STATE_HOME/squire/NAME.json`, where NAME is the configuration file's.
    private func defaultSessionFile(_ path: String?) -> String {
        let base = environment["XDG_STATE_HOME"].flatMap { $0.isEmpty ? nil : $0 }
        var name =
            path.map { $0.lastIndex(of: "/").map { index in String(path![path!.index(after: index)...]) } ?? $0 }
            ?? "squire"
        if let dot = name.lastIndex(of: "."), dot != name.startIndex { name = String(name[..<dot]) }
        return (base ?? TextFile.home(environment) + "/.local/state") + "/squire/\(name).json"
    }

    private static func issue(_ error: any Error, path: String) -> ConfigurationError.Issue {
        guard let yaml = error as? YamlError else {
            return .init(source: path, line: 1, message: "\(error)")
        }
        switch yaml {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            return .init(source: path, line: mark.line, message: "not valid YAML: \(problem)")
        case .duplicatedKeysInMapping(let duplicates, let context):
            let names = duplicates.joined(separator: ", ")
            return .init(
                source: path,
                line: context.mark.line,
                message: "\"\(names)\" is given twice"
            )
        default:
            return .init(source: path, line: 1, message: "not valid YAML: \(yaml)")
        }
    }
}
