/// Typed access to one mapping of the file. Reports unknown keys.
struct MapReader {
    private let entries: [(key: String, keyNode: YAMLNode, value: YAMLNode)]
    private let issues: IssueCollector
    /// The path of the mapping for messages, such as `session.refresh.`.
    private let prefix: String
    let node: YAMLNode
    /// The known keys that unknown keys are probably misspellings of.
    private let meant: Set<String>

    /// Nil, with an issue, if `node` is not a mapping.
    init?(_ node: YAMLNode, prefix: String, keys: [String], issues: IssueCollector) {
        guard case .mapping(let mapping) = node else {
            let name = prefix.isEmpty ? "the configuration" : "\(prefix.dropLast())"
            let isRunTogether = node.text?.contains(":") ?? false
            issues.add(
                "\(name) must be a map of keys and values"
                    + (isRunTogether ? ": is a blank missing after a colon?" : ""),
                at: node
            )
            return nil
        }
        self.node = node
        self.issues = issues
        self.prefix = prefix
        var entries: [(key: String, keyNode: YAMLNode, value: YAMLNode)] = []
        // A key without a value, below which the following lines may have been meant to be.
        var bare: String?
        var meant: Set<String> = []
        for entry in mapping.entries {
            let keyNode = entry.key
            guard let key = keyNode.text else {
                issues.add("a key must be a word", at: keyNode)
                continue
            }
            guard keys.contains(key) else {
                if let login = Self.elsewhere[key], prefix.isEmpty || prefix == "session." {
                    issues.add("unknown key \"\(prefix)\(key)\": a token is given by \(login)", at: keyNode)
                    continue
                }
                let words = ForeignKey.hint(key, in: prefix) ?? Self.hint(key, keys, under: bare)
                issues.add("unknown key \"\(prefix)\(key)\"\(words)", at: keyNode)
                if let nearest = Spelling.nearest(to: key, among: keys) { meant.insert(nearest) }
                continue
            }
            bare = entry.value.isNull ? key : nil
            entries.append((key, keyNode, entry.value))
        }
        self.entries = entries
        self.meant = meant
    }

    /// Settings that people look for in the configuration, but that are set elsewhere.
    private static let elsewhere = [
        "token": "squire login --token -", "access-token": "squire login --token -",
        "refresh-token": "squire login --refresh-token -",
    ]

    /// What was probably meant by an unknown key, as the end of a sentence about it.
    private static func hint(_ key: String, _ known: [String], under bare: String?) -> String {
        if let nearest = Spelling.nearest(to: key, among: known) { return ": did you mean \"\(nearest)\"?" }
        if let bare { return ": if it belongs to \"\(bare)\", indent it below" }
        if key.contains(":") { return ": is a blank missing after its colon?" }
        return "; known are \(known.joined(separator: ", "))"
    }

    func node(_ key: String) -> YAMLNode? {
        guard let value = entries.last(where: { $0.key == key })?.value else { return nil }
        // A key without a value counts as missing.
        return value.isNull ? nil : value
    }

    /// Whether the key has a value, even a wrong one, or occurs misspelt. Then that mistake was reported, and the key
    /// is not also missing.
    func has(_ key: String) -> Bool { node(key) != nil || meant.contains(key) }

    /// Whether the key occurs without a value.
    func isBare(_ key: String) -> Bool { entries.last { $0.key == key }?.value.isNull ?? false }

    func fail(_ key: String, _ message: String) {
        issues.add("\(prefix)\(key) \(message)", at: entries.last { $0.key == key }?.keyNode ?? node)
    }

    func string(_ key: String) -> String? {
        guard let node = node(key) else { return nil }
        guard case .scalar(let scalar) = node else {
            fail(key, "must be a single value")
            return nil
        }
        return scalar.text
    }

    /// The text as parsed by `parse`. `expected` describes valid text in the issue, and `meant` what was probably meant
    /// by an invalid one.
    func value<Value>(
        _ key: String,
        _ expected: String,
        meant: (String) -> String? = { _ in nil },
        _ parse: (String) -> Value?
    ) -> Value? {
        guard let text = string(key) else { return nil }
        guard let value = parse(text) else {
            fail(key, "must be \(expected), not \"\(text)\"\(Suggestion.question(meant(text)))")
            return nil
        }
        return value
    }

    func bool(_ key: String) -> Bool? {
        value(key, "true or false", meant: Suggestion.bool) { ["true": true, "false": false][$0] }
    }

    func duration(_ key: String, _ range: ClosedRange<Duration>) -> Duration? {
        let expected = "a duration such as 500ms, 30s, 24m, 2h or 30d"
        guard let duration = value(key, expected, meant: Suggestion.duration, Quantity.duration) else { return nil }
        guard range.contains(duration) else {
            fail(key, "must be from \(Quantity.text(range.lowerBound)) to \(Quantity.text(range.upperBound))")
            return nil
        }
        return duration
    }

    func size(_ key: String, _ range: ClosedRange<Int>) -> Int? {
        guard let size = value(key, "a size such as 64KiB or 1MiB", meant: Suggestion.size, Quantity.size) else {
            return nil
        }
        guard range.contains(size) else {
            fail(
                key,
                "must be from \(Quantity.text(bytes: range.lowerBound)) to \(Quantity.text(bytes: range.upperBound))"
            )
            return nil
        }
        return size
    }

    func count(_ key: String, _ range: ClosedRange<Int>) -> Int? {
        value(key, "a number from \(range.lowerBound) to \(range.upperBound)") {
            Int($0).flatMap { range.contains($0) ? $0 : nil }
        }
    }

    func choice<Choice: RawRepresentable & CaseIterable>(_ key: String, _: Choice.Type) -> Choice?
    where Choice.RawValue == String {
        let words = Choice.allCases.map(\.rawValue)
        let expected = "one of " + words.joined(separator: ", ")
        return value(key, expected, meant: { Suggestion.choice($0, among: words) }, Choice.init(rawValue:))
    }

    /// The elements of a list, with their nodes. A single value counts as a list of one.
    func list(_ key: String) -> [(node: YAMLNode, text: String)]? {
        guard let node = node(key) else { return nil }
        switch node {
        case .scalar(let scalar): return [(node, scalar.text)]
        case .sequence(let sequence):
            return sequence.elements.compactMap { element in
                guard case .scalar(let scalar) = element else {
                    issues.add("\(prefix)\(key) must be a list of single values", at: element)
                    return nil
                }
                return (element, scalar.text)
            }
        default:
            fail(key, "must be a list")
            return nil
        }
    }

    func map(_ key: String, keys: [String]) -> MapReader? {
        node(key).flatMap { MapReader($0, prefix: "\(prefix)\(key).", keys: keys, issues: issues) }
    }
}
