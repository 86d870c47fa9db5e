import ReverseProxy
import TokenSources

/// What a key of the configuration takes, in the words of `config/reference.yaml`.
indirect enum ReferenceKind: Equatable, Sendable {
    case text, url, file, pointer, command
    case preset
    case boolean
    case duration(ClosedRange<Duration>)
    case size(ClosedRange<Int>)
    case number(ClosedRange<Int>)
    case choice([String])
    /// A single word.
    case word(String)
    case address
    /// One, or a list of them.
    case addresses, list, routes
    case rules
    case span
    case secret
    /// One that no command gives.
    case secretButExec
    case header
    /// Its keys follow in the file.
    case map
    /// Names that people choose.
    case mapOf(ReferenceKind)

    /// Whether its keys are written below it.
    var isMap: Bool {
        switch self {
        case .map, .mapOf: true
        default: false
        }
    }

    /// The kind of each value of a map of names.
    var element: ReferenceKind? {
        if case .mapOf(let kind) = self { kind } else { nil }
    }

    /// The keys of its form as a map, where the file says them once for all.
    var keys: [(name: String, kind: ReferenceKind)] {
        switch self {
        case .span: [("pointer", .pointer), ("unit", .choice(ExpiryReader.Unit.allCases.map(\.rawValue)))]
        case .secret: [("env", .text), ("file", .file), ("exec", .command)]
        case .secretButExec: [("env", .text), ("file", .file)]
        case .header:
            [("value", .text), ("overwrite", .boolean), ("secret", .boolean)] + ReferenceKind.secret.keys
        case .rules:
            [
                ("status", .number(200...599)), ("www-authenticate", .text), ("pointer", .pointer), ("equals", .list),
            ]
        default: []
        }
    }

    private static let words: [Substring: ReferenceKind] = [
        "text": .text, "URL": .url, "file": .file, "pointer": .pointer, "command": .command, "preset": .preset,
        "boolean": .boolean, "address": .address, "addresses": .addresses, "list": .list, "routes": .routes,
        "rules": .rules, "span": .span, "secret": .secret, "secret but exec": .secretButExec, "header": .header,
        "map": .map, "none": .word("none"), "off": .word("off"),
    ]

    /// The kinds that a comment begins with, such as `duration, 1s to 10m` or `map, address or off`. Nil if it has none.
    static func kinds(parsing text: Substring) -> [ReferenceKind]? {
        if text.hasPrefix("one of ") { return [.choice(text.dropFirst(7).parts(", ").map(String.init))] }
        if text.hasPrefix("map of ") {
            guard let element = words[text.dropFirst(7)] else { return nil }
            return [.mapOf(element)]
        }
        if let kind = bounded(text) { return [kind] }
        let kinds = text.parts(", ").flatMap { $0.parts(" or ") }.map { words[$0] }
        return kinds.contains(nil) || kinds.isEmpty ? nil : kinds.compactMap(\.self)
    }

    private static func bounded(_ text: Substring) -> ReferenceKind? {
        let parts = text.parts(", ")
        guard parts.count == 2 else { return nil }
        let bounds = parts[1].parts(" to ").map(String.init)
        guard bounds.count == 2 else { return nil }
        switch parts[0] {
        case "duration":
            return range(bounds.map(Quantity.duration)).map(ReferenceKind.duration)
        case "size": return range(bounds.map(Quantity.size)).map(ReferenceKind.size)
        case "number": return range(bounds.map { Int($0) }).map(ReferenceKind.number)
        default: return nil
        }
    }

    private static func range<Bound: Comparable>(_ bounds: [Bound?]) -> ClosedRange<Bound>? {
        guard let lower = bounds[0], let upper = bounds[1], lower <= upper else { return nil }
        return lower...upper
    }
}

extension Substring {
    /// What stands between the occurrences of `mark`.
    fileprivate func parts(_ mark: String) -> [Substring] {
        var (result, rest): ([Substring], Substring) = ([], self)
        while let range = rest.firstRange(of: mark) {
            result.append(rest[..<range.lowerBound])
            rest = rest[range.upperBound...]
        }
        return result + [rest]
    }
}
