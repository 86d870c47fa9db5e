import HTTP1
import ReverseProxy
import TokenSources

/// Reads references to secrets: `{env: NAME}`, `{file: PATH}`, `{exec: [COMMAND, ARGUMENT…]}`, or the secret itself.
///
/// Does not read the secrets: subcommands that use them do that later (`LoadedConfiguration.readSecrets`).
extension ConfigurationSections {
    static let secretKeys = ["env", "file", "exec"]

    /// The reader for the secrets of this configuration.
    var secretReader: SecretReader { SecretReader(environment: environment, directory: directory) }

    /// The secret at `node`, whose full key is `name`. Nil, with an issue, if it is not valid or not available.
    func secret(_ node: YAMLNode, _ name: String, mayRun: Bool = true) -> SecretReference? {
        if let text = node.text { return .plain(text) }
        let keys = mayRun ? Self.secretKeys : Self.secretKeys.filter { $0 != "exec" }
        guard let map = MapReader(node, prefix: "\(name).", keys: keys, issues: issues) else { return nil }
        return reference(map, name)
    }

    /// The reference in a map with one of the keys `env`, `file` and `exec`. `name` is the map's full key.
    func reference(_ map: MapReader, _ name: String) -> SecretReference? {
        let given = Self.secretKeys.filter { map.node($0) != nil }
        guard given.count == 1, let kind = given.first else {
            if given.isEmpty, Self.secretKeys.contains(where: map.has) { return nil }
            issues.add("\(name) must be a value, or name one of env, file and exec", at: map.node)
            return nil
        }
        let reference: SecretReference?
        switch kind {
        case "env": reference = variable(map).map(SecretReference.environment)
        case "file":
            reference = path(map, "file").map(SecretReference.file)
        default: reference = command(map, "exec").map(SecretReference.command)
        }
        guard let reference else { return nil }
        if let problem = secretReader.problem(reference) {
            issues.add("\(name) \(problem.text)", at: map.node(kind))
            return nil
        }
        return reference
    }

    /// The name of a variable, which need not be one that a shell can name.
    private func variable(_ map: MapReader) -> String? {
        guard let name = map.string("env") else { return nil }
        guard !name.isEmpty, !name.hasPrefix("$"), !name.contains("=") else {
            map.fail("env", "must be the name of a variable alone, such as API_KEY, not \"\(name)\"")
            return nil
        }
        return name
    }

    /// A command and its arguments, as a list, because no shell splits a line. Expands `~` at the start of the
    /// command's path; arguments are left alone.
    func command(_ map: MapReader, _ key: String) -> [String]? {
        guard let node = map.node(key) else { return nil }
        guard case .sequence = node, let list = map.list(key)?.map(\.text), let name = list.first, !name.isEmpty else {
            map.fail(key, "must be a list of the command and its arguments, such as [gcloud, auth, print-access-token]")
            return nil
        }
        if let problem = TextFile.problem(spelling: name) {
            map.fail(key, problem)
            return nil
        }
        let isAtHome = name == "~" || name.hasPrefix("~/")
        return [isAtHome ? TextFile.expand(name, in: directory, environment: environment) : name] + list.dropFirst()
    }

    // MARK: Headers

    static let headerKeys = ["value", "overwrite", "secret"] + secretKeys

    /// A header whose value is a map: `{value: V, overwrite: true, secret: true}`, or a reference to a secret instead
    /// of the value. `key` is its full key.
    func headerRule(
        _ keyNode: YAMLNode,
        _ valueNode: YAMLNode,
        name: String,
        key: String,
        source: String
    ) -> HeaderRule? {
        guard let map = MapReader(valueNode, prefix: "\(key).", keys: Self.headerKeys, issues: issues) else {
            return nil
        }
        let overwrite = map.bool("overwrite") ?? false
        let isSecret = map.bool("secret")
        guard Self.secretKeys.contains(where: { map.node($0) != nil }) else {
            guard let value = map.string("value") else {
                let isGiven = (["value"] + Self.secretKeys).contains(where: map.has)
                if !isGiven { issues.add("\(key) needs a value, env, file or exec", at: keyNode) }
                return nil
            }
            var rule = HeaderRule(name: name, value: value, overwrite: overwrite, source: source)
            if isSecret == true {
                if value.isEmpty { map.fail("value", "is empty, which is no secret") }
                rule.secret = .plain(value)
            }
            return rule
        }
        if map.node("value") != nil {
            map.fail("value", "and env, file or exec cannot both be given")
            return nil
        }
        if isSecret == false { map.fail("secret", "is true for what env, file or exec give") }
        guard let reference = reference(map, key) else { return nil }
        // Read later by subcommands that send it.
        return HeaderRule(name: name, value: "", overwrite: overwrite, source: source, secret: reference)
    }
}
