import Yams

/// Reads a YAML document. The only place that knows the library that does.
///
/// Aliases are filled in, within bounds: a short text can stand for more values than memory has room for.
struct YAMLReader {
    /// Why a text is no document, and the line with the mistake, counted from 1.
    struct Problem: Error, Equatable {
        var message: String
        var line: Int
    }

    /// Deeper than any configuration is. What is read is walked by functions that call themselves.
    static let maximumDepth = 64
    /// Values in all, those that aliases stand for counted each time.
    static let maximumValues = 100_000
    /// Values that the library may have to compare because of aliases.
    private static let maximumComparisons = 1_000_000
    /// Levels that aliases could put on one another.
    private static let maximumOpeners = 4_000

    /// Values that may still be made.
    private var remaining = Self.maximumValues

    /// The document; nil if it is empty.
    static func read(_ text: String) throws(Problem) -> YAMLNode? {
        try checkAliases(text)
        guard let root = try compose(text) else { return nil }
        var reader = YAMLReader()
        return try reader.node(root, depth: 1)
    }

    /// Takes every scalar for text and the input for UTF-8, whatever the environment wants.
    private static func compose(_ text: String) throws(Problem) -> Node? {
        do {
            return try Yams.compose(yaml: text, .basic, .default, .utf8)
        } catch let error as YamlError {
            throw problem(error)
        } catch {
            throw Problem(message: "not valid YAML: \(error)", line: 1)
        }
    }

    private static func problem(_ error: YamlError) -> Problem {
        switch error {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            Problem(message: "not valid YAML: \(problem)", line: mark.line)
        case .duplicatedKeysInMapping(let duplicates, let context):
            Problem(message: "\"\(duplicates.joined(separator: ", "))\" is given twice", line: context.mark.line)
        default:
            Problem(message: "not valid YAML: \(error)", line: 1)
        }
    }

    // MARK: Aliases

    /// Refuses a text whose aliases could make the library itself walk too many values, or too deep: it compares keys,
    /// and a key may be an alias of anything. With n aliases a value can be repeated 3^(n/3) times.
    private static func checkAliases(_ text: String) throws(Problem) {
        let found = aliases(text)
        guard found.count > 0 else { return }
        var values = max(text.utf8.count / 2, 1)
        for _ in 0..<(found.count + 2) / 3 where values <= maximumComparisons { values *= 3 }
        guard values <= maximumComparisons, found.openers <= maximumOpeners else {
            throw Problem(message: "holds too many aliases (\(found.count)): write the values out", line: found.line)
        }
    }

    /// How many aliases there can be, the line of the last, and how many characters could begin another level. Counts a
    /// few words in quotes and in comments, too.
    private static func aliases(_ text: String) -> (count: Int, line: Int, openers: Int) {
        var (count, last, openers) = (0, 1, 0)
        var line = 1
        var isComment = false
        var previous = UInt8(ascii: "\n")
        var star = false
        for byte in text.utf8 {
            if star, Self.isAnchorName(byte) { (count, last) = (count + 1, line) }
            star = byte == UInt8(ascii: "*") && !isComment && " \t\n\r[{,:".utf8.contains(previous)
            switch byte {
            case UInt8(ascii: "\n"): (line, isComment, openers) = (line + 1, false, openers + 1)
            case UInt8(ascii: "#") where previous == UInt8(ascii: "\n"): isComment = true
            case UInt8(ascii: "["), UInt8(ascii: "{"), UInt8(ascii: "-"), UInt8(ascii: "?"): openers += 1
            default: break
            }
            previous = byte
        }
        return (count, last, openers)
    }

    private static func isAnchorName(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "_"), UInt8(ascii: "-"): true
        default: false
        }
    }

    // MARK: Nodes

    private mutating func node(_ node: Node, depth: Int) throws(Problem) -> YAMLNode {
        let line = node.mark?.line ?? 1
        guard depth <= Self.maximumDepth else {
            throw Problem(message: "is nested deeper than \(Self.maximumDepth) levels", line: line)
        }
        remaining -= 1
        guard remaining >= 0 else {
            throw Problem(message: "holds more than \(Self.maximumValues) values", line: line)
        }
        switch node {
        case .scalar(let scalar):
            return .scalar(.init(text: scalar.string, isPlain: scalar.style == .plain, place: .line(line)))
        case .sequence(let sequence):
            var elements: [YAMLNode] = []
            for element in sequence { elements.append(try self.node(element, depth: depth + 1)) }
            return .sequence(.init(elements: elements, place: .line(line)))
        case .mapping(let mapping):
            var (entries, keys): ([YAMLNode.Entry], Set<String>) = ([], [])
            for (key, value) in mapping {
                let key = try self.node(key, depth: depth + 1)
                if let text = key.text, !keys.insert(text).inserted {
                    throw Problem(message: "\"\(text)\" is given twice", line: key.line ?? line)
                }
                entries.append(.init(key: key, value: try self.node(value, depth: depth + 1)))
            }
            return .mapping(.init(entries: entries, place: .line(line)))
        case .alias:
            throw Problem(message: "not valid YAML: an alias stands for nothing", line: line)
        }
    }
}
