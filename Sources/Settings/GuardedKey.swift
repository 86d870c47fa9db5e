import Platform
import ReverseProxy
import TokenSources

/// The keys that let a configuration do more than describe an API. A `./squire.yaml` with one of them, for example in a
/// cloned repository, is used only after a person has named or confirmed it.
enum GuardedKey {
    typealias Key = (name: String, line: Int)

    /// Their places. A new guarded key is one line here.
    private static let places = [
        ["session", "name"], ["session", "file"], ["session", "exec"], ["session", "token-file"],
        ["session", "shared"],
    ]
    /// The keys that route requests: they are guarded while no configuration has used the session yet.
    private static let ways = [["proxy"], ["tls"]]

    /// The guarded keys in a configuration, with their lines: those in `places`, and references to secrets anywhere,
    /// except files in the configuration's own directory.
    static func found(in root: YAMLNode, _ sections: ConfigurationSections) -> [Key] {
        let fixed = found(places, in: root)
        let secrets = secrets(in: root).filter { secret in
            guard secret.kind == .file, let text = secret.value.text else { return true }
            return !sections.isInDirectory(text)
        }
        let names = Set(fixed.map(\.name))
        let all = (fixed + secrets.map(\.found).filter { !names.contains($0.name) }).map(\.key)
        return all.sorted { $0.line < $1.line }
    }

    /// The keys that could send a session's requests elsewhere than to its API, with their lines.
    static func leading(in root: YAMLNode) -> [Key] { found(ways, in: root).map(\.key) }

    private struct Found {
        var name: String
        /// The node of the key.
        var node: YAMLNode
        var key: Key { (name, node.line ?? 1) }
    }

    private static func found(_ places: [[String]], in root: YAMLNode) -> [Found] {
        places.compactMap { place in
            var (node, key) = (root, root)
            for name in place {
                guard case .mapping(let mapping) = node, let entry = mapping[name] else { return nil }
                (node, key) = (entry.value, entry.key)
            }
            return Found(name: place.joined(separator: "."), node: key)
        }
    }

    // MARK: Secrets

    private enum SecretKind: String {
        case env, file, exec
    }

    private struct Secret {
        var found: Found
        var kind: SecretKind
        var value: YAMLNode
    }

    /// Maps whose keys are names that people choose.
    private static let mapsOfNames: Set<String> = ["headers", "env", "parameters", "authorization-parameters"]

    /// Every `{env: …}`, `{file: …}` and `{exec: …}`, recognised by its form, so that new keys for secrets are found,
    /// too.
    private static func secrets(in root: YAMLNode) -> [Secret] {
        var result: [Secret] = []
        func look(_ node: YAMLNode, _ path: [String]) {
            switch node {
            case .scalar: break
            case .sequence(let sequence):
                for element in sequence.elements { look(element, path) }
            case .mapping(let mapping):
                let areNames = path.last.map(mapsOfNames.contains) ?? false
                for entry in mapping.entries {
                    guard let name = entry.key.text else { continue }
                    let path = path + [name]
                    guard !areNames, let kind = kind(name, entry.value) else {
                        look(entry.value, path)
                        continue
                    }
                    let found = Found(name: path.joined(separator: "."), node: entry.key)
                    result.append(Secret(found: found, kind: kind, value: entry.value))
                }
            }
        }
        look(root, [])
        return result
    }

    /// The lines of the keys with references to secrets, by their full names.
    static func secretLines(in root: YAMLNode) -> [String: Int] {
        var lines: [String: Int] = [:]
        for secret in secrets(in: root) {
            let key = secret.found.name.dropLast(secret.kind.rawValue.utf8.count + 1)
            lines[String(key)] = secret.found.key.line
        }
        return lines
    }

    private static func kind(_ name: String, _ value: YAMLNode) -> SecretKind? {
        // Its value may be a bare path.
        if name == "private-key", case .scalar = value { return .file }
        switch (SecretKind(rawValue: name), value) {
        case (.env, .scalar), (.file, .scalar), (.exec, .scalar), (.exec, .sequence): return SecretKind(rawValue: name)
        default: return nil
        }
    }

    // MARK: Commands

    /// Refuses commands in a file that another user may write: they would run as this user.
    static func refuseCommands(in root: YAMLNode, of path: String, _ issues: IssueCollector) {
        let commands =
            found([["session", "exec"]], in: root) + secrets(in: root).filter { $0.kind == .exec }.map(\.found)
        guard let first = commands.min(by: { $0.key.line < $1.key.line }), let problem = ForeignHand.problem(path)
        else { return }
        issues.add("\(first.name) runs a command, and \(problem)", at: first.node)
    }
}

/// Checks whether other users may change a file.
enum ForeignHand {
    /// The rest of a sentence that begins with the path, with a command that helps; nil if only this user and root may
    /// change it.
    static func problem(_ path: String) -> String? {
        let real = TextFile.realPath(path)
        let places = [path, real].map(ParentDirectory.of)
        return file(real) ?? directory(places[0]) ?? directory(places[1])
    }

    private static func file(_ path: String) -> String? {
        var information = stat()
        guard unsafe stat(path, &information) == 0 else { return nil }
        guard isOurs(information) else { return "\(path) belongs to another user" }
        guard information.st_mode & 0o022 != 0 else { return nil }
        return "other users may write \(path): run chmod go-w \(CommandLines.quoted(path))"
    }

    /// The same for the files in a directory.
    static func directory(_ path: String) -> String? {
        var information = stat()
        guard unsafe stat(path, &information) == 0 else { return nil }
        guard isOurs(information) else { return "the directory \(path) belongs to another user" }
        guard information.st_mode & 0o022 != 0, information.st_mode & mode_t(S_ISVTX) == 0 else { return nil }
        return "other users may replace files in \(path): run chmod go-w \(CommandLines.quoted(path))"
    }

    private static func isOurs(_ information: stat) -> Bool {
        information.st_uid == geteuid() || information.st_uid == 0
    }
}

extension ConfigurationSections {
    /// Whether the file at the path `text` is in the configuration's directory, after following links.
    fileprivate func isInDirectory(_ text: String) -> Bool {
        let path = TextFile.expand(text, in: directory, environment: environment)
        let root = TextFile.realPath(directory)
        return TextFile.realPath(path).hasPrefix(root.hasSuffix("/") ? root : root + "/")
    }
}
