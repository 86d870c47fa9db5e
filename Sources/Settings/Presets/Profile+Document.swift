extension Profile {
    /// The profile as a document whose values name it as their place.
    var document: YAMLNode {
        guard let root = try? YAMLReader.read(text) else { return .empty }  // A constant, covered by a test.
        return root.moved { .profile(name, line: $0) }
    }

    /// `document`, merged into this profile.
    ///
    /// Maps are merged; the document's lists, texts and headers replace the profile's. If the document has another
    /// method for something, such as another source of tokens, the profile's method is dropped completely.
    func under(_ document: YAMLNode) -> YAMLNode {
        Self.merge(document, over: self.document, at: "")
    }

    /// Keys of a document, by their map, and the keys of the profile that they replace.
    private static let ways: [String: [String: [String]]] = [
        "session": [
            "refresh": ["oauth", "exec", "token-file"], "oauth": ["refresh", "exec", "token-file"],
            "exec": ["refresh", "oauth", "token-file"], "token-file": ["refresh", "oauth", "exec"],
        ],
        "session.refresh": ["path": ["url"], "url": ["path"]],
        // Another server has its own endpoints, and nothing may be sent to the profile's.
        "session.oauth": [
            "issuer": [
                "token-endpoint", "authorization-endpoint", "device-authorization-endpoint", "revocation-endpoint",
                "revocation",
            ],
            "revocation": ["revocation-endpoint"], "revocation-endpoint": ["revocation"],
        ],
    ]
    /// Maps of header fields: names are case-insensitive, rules are not merged, and an empty value has a meaning.
    private static let fieldMaps = ["headers", "session.refresh.headers"]

    /// Keys that apply only to logins, and keys for grants without a login.
    private static let ofALogin = ["authorization-parameters", "offline-scope", "redirect-uri", "refresh-scope"]
    private static let minting = ["client-credentials", "account-credentials", "jwt-bearer", "token-exchange"]

    /// The profile's keys that a map of the document replaces.
    private static func dropped(_ map: YAMLNode.Mapping, at path: String) -> Set<String> {
        let named = Set(map.entries.filter { !$0.value.isNull }.compactMap(\.key.text))
        var result = Set(named.flatMap { ways[path]?[$0] ?? [] })
        guard path == "session.oauth" else { return result }
        let grant = map["grant"]?.value.text ?? ""
        if minting.contains(grant) { result.formUnion(ofALogin) }
        // A key, or a token to exchange, authenticates instead of the secret that the profile requires.
        if !named.contains("client-secret"), named.contains("private-key") || grant == "token-exchange" {
            result.insert("client-authentication")
        }
        return result
    }

    private static func merge(_ above: YAMLNode, over below: YAMLNode, at path: String) -> YAMLNode {
        guard case .mapping(let upper) = above, case .mapping(let lower) = below else { return above }
        let areFields = fieldMaps.contains(path)
        let spelling = { (key: YAMLNode) in areFields ? key.text?.lowercased() : key.text }
        var result = upper
        let dropped = dropped(upper, at: path)
        for entry in lower.entries {
            guard let name = entry.key.text, !dropped.contains(name) else { continue }
            guard let index = result.entries.firstIndex(where: { spelling($0.key) == spelling(entry.key) }) else {
                result.entries.append(entry)
                continue
            }
            if areFields { continue }
            let value = result.entries[index].value
            result.entries[index] =
                value.isNull
                ? entry
                : .init(
                    key: result.entries[index].key,
                    value: merge(value, over: entry.value, at: path.isEmpty ? name : "\(path).\(name)")
                )
        }
        return .mapping(result)
    }
}

extension ConfigurationSections {
    /// The document, merged into the profile that it names, if it names one.
    static func withProfile(_ root: YAMLNode, _ issues: IssueCollector) -> YAMLNode {
        guard case .mapping(let mapping) = root, let entry = mapping["profile"], !entry.value.isNull else {
            return root
        }
        guard let name = entry.value.text else {
            issues.add("profile must be a single value", at: entry.key)
            return root
        }
        guard let profile = Profile.named(name) else {
            issues.add("profile must be the name of a preset, not \"\(name)\"\(Profile.hint(for: name))", at: entry.key)
            return root
        }
        issues.profileLine = entry.key.line
        return profile.under(root)
    }

    /// Checks that the configuration has what the API requires: `requires` lists headers, and keys, which have a dot.
    func requires(_ map: MapReader, _ headers: [String]) {
        for required in map.list("requires") ?? [] {
            let name = required.text
            if let key = Self.key(name) {
                if Self.value(key, in: root) == nil {
                    issues.add("\(name) is missing: the API asks for it", at: required.node)
                }
            } else if !Self.isFieldName(name) {
                issues.add(
                    "requires: \"\(name)\" is neither a header nor a key such as session.file",
                    at: required.node
                )
            } else if !headers.contains(where: { $0.lowercased() == name.lowercased() }) {
                map.fail("headers", "must name \(name): the API asks for it")
            }
        }
    }

    /// The path of a key in dotted form; nil for the name of a header.
    private static func key(_ name: String) -> [String]? {
        let path = name.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        guard path.count > 1, keys.contains(path[0]), path.allSatisfy({ !$0.isEmpty }) else { return nil }
        return path
    }

    static func value(_ path: [String], in root: YAMLNode) -> YAMLNode? {
        var node = root
        for name in path {
            guard case .mapping(let mapping) = node, let value = mapping[name]?.value, !value.isNull else { return nil }
            node = value
        }
        return node
    }
}
