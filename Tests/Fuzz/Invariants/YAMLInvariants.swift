import Settings

/// Any text is a document within bounds, or a mistake at a place that the text has; what was read is read again from
/// the plainest way of writing it.
enum YAMLInvariants {
    static func check(_ bytes: [UInt8]) throws {
        let text = String(decoding: bytes, as: UTF8.self)
        let outcome: Result<YAMLNode?, YAMLReader.Problem>
        do throws(YAMLReader.Problem) {
            outcome = .success(try YAMLReader.read(text))
        } catch {
            outcome = .failure(error)
        }
        switch outcome {
        case .success(let root): try checkDocument(root)
        case .failure(let problem): try checkProblem(problem, text)
        }
    }

    private static func checkDocument(_ root: YAMLNode?) throws {
        guard let root else { return }
        var values = 0
        try checkBounds(root, depth: 1, &values)
        guard values <= 5_000 else { return }
        let written = written(root)
        let again = try? YAMLReader.read(written)
        try require(again.map { Self.written($0) } == written, "is read as something else when written plainly")
    }

    private static func checkProblem(_ problem: YAMLReader.Problem, _ text: String) throws {
        // Lines end where YAML 1.1 ends them.
        var lines: [Int] = [0]
        var former: Unicode.Scalar?
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\n" where former == "\r": break
            case "\n", "\r", "\u{85}", "\u{2028}", "\u{2029}": lines.append(0)
            default: lines[lines.count - 1] += 1
            }
            former = scalar
        }
        try require((1...lines.count).contains(problem.line), "a mistake in a line that is not there")
        try require(
            (1...lines[problem.line - 1] + 1).contains(problem.column),
            "a mistake in a column that is not there: \(problem.line):\(problem.column)"
        )
        try require(
            problem.message.contains(": ") && problem.message.utf8.count < 1_000,
            "nothing is said of a mistake"
        )
    }

    private static func checkBounds(_ node: YAMLNode, depth: Int, _ values: inout Int) throws {
        values += 1
        try require(depth <= YAMLReader.maximumDepth, "nested deeper than allowed")
        try require(values <= YAMLReader.maximumValues, "more values than allowed")
        switch node {
        case .scalar: break
        case .sequence(let sequence):
            for element in sequence.elements { try checkBounds(element, depth: depth + 1, &values) }
        case .mapping(let mapping):
            var keys: Set<String> = []
            for entry in mapping.entries {
                if case .scalar(let key) = entry.key {
                    try require(keys.insert(key.text).inserted, "a key is there twice")
                }
                try checkBounds(entry.key, depth: depth + 1, &values)
                try checkBounds(entry.value, depth: depth + 1, &values)
            }
        }
    }

    /// The same in one line, each text in double quotes.
    private static func written(_ node: YAMLNode) -> String {
        switch node {
        case .scalar(let scalar): quoted(scalar.text)
        case .sequence(let sequence): "[" + sequence.elements.map { written($0) + ", " }.joined() + "]"
        case .mapping(let mapping):
            "{" + mapping.entries.map { "? \(written($0.key)) : \(written($0.value)), " }.joined() + "}"
        }
    }

    private static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar.value {
            case 0x22, 0x5C: result += "\\" + String(scalar)
            case 0x20..<0x7F: result.unicodeScalars.append(scalar)
            default:
                let digits = String(scalar.value, radix: 16)
                result += "\\U" + String(repeating: "0", count: 8 - digits.count) + digits
            }
        }
        return result + "\""
    }
}
