/// Folds messages at the width of a terminal, which would break them within a word.
public enum MessageLines {
    /// Narrower terminals break the lines themselves.
    private static let leastWidth = 40

    /// The text, with each line of prose in lines of at most `width` columns, as far as its words allow. A line to be
    /// run is not broken, and stands alone behind `Run:`. What is indented or has columns stays as it is.
    public static func folded(_ text: String, width: Int) -> String {
        guard width >= leastWidth else { return text }
        return text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
            let isProse = line.first != " " && !line.contains("  ") && !line.lowercased().hasPrefix("usage:")
            return line.unicodeScalars.count > width && isProse ? filled(parts(of: line), width) : String(line)
        }.joined(separator: "\n")
    }

    /// The parts in lines of at most `width` columns, as far as none is longer; `indentation` begins each line but the
    /// first. What stands alone has a line of its own.
    static func filled(
        _ parts: [(text: String, standsAlone: Bool)],
        _ width: Int,
        indentation: String = ""
    ) -> String {
        var lines: [String] = []
        var standsAlone = false
        for part in parts {
            let length = part.text.unicodeScalars.count
            if let last = lines.last, !standsAlone, !part.standsAlone, last.unicodeScalars.count + 1 + length <= width {
                lines[lines.count - 1] += " " + part.text
            } else {
                lines.append((lines.isEmpty ? "" : indentation) + part.text)
            }
            standsAlone = part.standsAlone
        }
        return lines.joined(separator: "\n")
    }

    /// The words, but for lines to be run, which are one: from `squire` behind a colon to the end of the clause.
    private static func parts(of line: Substring) -> [(text: String, standsAlone: Bool)] {
        var parts: [(text: String, standsAlone: Bool)] = []
        var before: Substring = ""
        var isCommand = false
        for word in line.split(separator: " ", omittingEmptySubsequences: false) {
            if isCommand {
                parts[parts.count - 1].text += " " + word
            } else {
                isCommand = word == "squire" && before.hasSuffix(":")
                parts.append((String(word), isCommand && before == "Run:"))
            }
            if let end = word.last, ".,;".contains(end) { isCommand = false }
            before = word
        }
        return parts
    }
}
