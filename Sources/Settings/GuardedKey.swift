import Platform
import ReverseProxy
import TokenSources

/// The keys that let a configuration do more than describe an API: a `./squire.yaml` that has one of them, in a cloned
/// repository perhaps, is used only after a person has named or confirmed it.
enum GuardedKey {
    typealias Key = (name: String, line: Int)

    /// By their places. A key that a later version adds is one line here.
    private static let places = [
        ["session", "name"], ["session", "file"], ["session", "exec"], ["session", "token-file"],
        ["session", "shared"],
    ]
    /// Where requests go: these count once the session is one that no configuration has used yet.
    private static let ways = [["proxy"], ["tls"]]

    /// The guarded keys in a configuration, with their lines: those with a place, and secrets wherever they are, but for
    /// files in the configuration's own directory.
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

    /// The keys that could lead a session elsewhere than to its API, with their lines.
    static func leading(in root: YAMLNode) -> [Key] { found(ways, in: root).map(\.key) }

    private struct Found {
        var name: String
        /// Of the key.
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

    /// Each `{env: …}`, `{file: …}` and `{exec: …}`, by its form: a place for secrets that a later version adds is found,
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

    /// The lines of the keys that say where a secret is kept, by their whole names.
    static func secretLines(in root: YAMLNode) -> [String: Int] {
        var lines: [String: Int] = [:]
        for secret in secrets(in: root) {
            let key = secret.found.name.dropLast(secret.kind.rawValue.utf8.count + 1)
            lines[String(key)] = secret.found.key.line
        }
        return lines
    }

    private static func kind(_ name: String, _ value: YAMLNode) -> SecretKind? {
        // Of which the path may be said alone.
        if name == "private-key", case .scalar = value { return .file }
        switch (SecretKind(rawValue: name), value) {
        case (.env, .scalar), (.file, .scalar), (.exec, .scalar), (.exec, .sequence): return SecretKind(rawValue: name)
        default: return nil
        }
    }

    // MARK: Commands

    /// Refuses commands in a file that somebody else may write: they would be run as this user.
    static func refuseCommands(in root: YAMLNode, of path: String, _ issues: IssueCollector) {
        let commands =
            found([["session", "exec"]], in: root) + secrets(in: root).filter { $0.kind == .exec }.map(\.found)
        guard let first = commands.min(by: { $0.key.line < $1.key.line }), let problem = ForeignHand.problem(path)
        else { return }
        issues.add("\(first.name) runs a command, and \(problem)", at: first.node)
    }
}

/// Who else may change a file.
enum ForeignHand {
    /// The rest of a sentence, with what to run; nil if nobody but this user and root may.
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
    /// Whether the file that `text` names lies in the configuration's directory, whatever links lead to it.
    fileprivate func isInDirectory(_ text: String) -> Bool {
        let path = TextFile.expand(text, in: directory, environment: environment)
        let root = TextFile.realPath(directory)
        return TextFile.realPath(path).hasPrefix(root.hasSuffix("/") ? root : root + "/")
    }
}
