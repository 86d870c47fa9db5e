/// Folds usage lines: the argument parser does not, and a terminal breaks them within words.
public enum UsageLines {
    /// Folds each line that begins with `usage:` to at most `width` columns, without separating an option from its value.
    public static func folded(_ text: String, width: Int = 79) -> String {
        text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
            line.lowercased().hasPrefix("usage: ") && line.utf8.count > width ? fold(line, width) : String(line)
        }.joined(separator: "\n")
    }

    private static func fold(_ line: Substring, _ width: Int) -> String {
        MessageLines.filled(parts(of: line).map { ($0, false) }, width, indentation: 9)
    }

    /// Splits into words, but keeps parts together: `[--header <'Name: value'> ...]`, `-- <command> ...`.
    private static func parts(of line: Substring) -> [String] {
        var parts: [String] = []
        var depth = 0
        var part = ""
        for character in line {
            if character == " ", depth == 0 {
                parts.append(part)
                part = ""
                continue
            }
            if character == "[" || character == "<" { depth += 1 }
            if character == "]" || character == ">", depth > 0 { depth -= 1 }
            part.append(character)
        }
        return (parts + [part]).reduce(into: []) { joined, part in
            if let last = joined.last, last == "--" || part == "..." {
                joined[joined.count - 1] = "\(last) \(part)"
            } else {
                joined.append(part)
            }
        }
    }
}
