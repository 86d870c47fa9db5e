/// Folds messages at the width of the terminal, which would break them within words. Columns are code points; escape
/// sequences for colours have none.
public enum MessageLines {
    /// Narrower terminals break the lines themselves.
    private static let leastWidth = 40

    /// Folds each line of prose to at most `width` columns, as far as its words allow. A command line is not broken,
    /// and stands alone after `Run:`. Indented text and columns stay as they are.
    public static func folded(_ text: String, width: Int) -> String {
        eachLine(of: text, longerThan: width) { line in
            let isProse = line.first != " " && !line.contains("  ") && !line.lowercased().hasPrefix("usage:")
            return isProse ? filled(parts(of: line), width) : String(line)
        }
    }

    /// The same for lines that begin with a label or a time: continuation lines are indented to `column`. A word that
    /// is too long for that, such as a path, has a line of its own with less indentation.
    public static func hanging(_ text: String, at column: Int, width: Int) -> String {
        eachLine(of: text, longerThan: width) { filled(parts(of: $0), width, indentation: column) }
    }

    /// Joins the values of one line, broken only between values; all lines but the first are indented.
    public static func row(
        _ values: [String],
        separator: String = "  ",
        indentation: Int = 2,
        width: Int = .max
    ) -> String {
        let isFoldable = width >= leastWidth
        return filled(
            values.map { ($0, false) },
            isFoldable ? width : .max,
            indentation: indentation,
            separator: separator
        )
    }

    private static func eachLine(of text: String, longerThan width: Int, _ fold: (Substring) -> String) -> String {
        guard width >= leastWidth else { return text }
        return text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
            columns(line) > width ? fold(line) : String(line)
        }.joined(separator: "\n")
    }

    /// Fills lines of at most `width` columns with the parts, unless one is longer. A part that stands alone has a line
    /// of its own. All lines but the first are indented by `indentation`, or by less if the part would not fit.
    static func filled(
        _ parts: [(text: String, standsAlone: Bool)],
        _ width: Int,
        indentation: Int = 0,
        separator: String = " "
    ) -> String {
        var lines: [String] = []
        /// The end of the last line.
        var end = 0
        var standsAlone = false
        for part in parts {
            let length = columns(part.text)
            let isEmpty = part.text.isEmpty
            // A part that the terminal breaks in any case stays where it is, next to what it belongs to.
            let isHopeless = length > width && indentation > 0 && !part.standsAlone
            let fits = end + separator.count + length <= width || isHopeless
            if !lines.isEmpty, isEmpty || !standsAlone && !part.standsAlone && fits {
                if !isEmpty || fits { lines[lines.count - 1] += separator + part.text }
                end += separator.count + length
                if isHopeless { end %= width }
            } else {
                let indent = lines.isEmpty ? 0 : min(indentation, max(width - length, 0))
                trimEnd(&lines)
                lines.append(String(repeating: " ", count: indent) + part.text)
                end = indent + length
            }
            if !isEmpty { standsAlone = part.standsAlone }
        }
        return lines.joined(separator: "\n")
    }

    private static func trimEnd(_ lines: inout [String]) {
        while let last = lines.last, last.hasSuffix(" ") { lines[lines.count - 1].removeLast() }
    }

    /// The width of the text without escape sequences for colours.
    private static func columns(_ text: some StringProtocol) -> Int {
        var count = 0
        var isColour = false
        for scalar in text.unicodeScalars {
            if scalar == "\u{1B}" {
                isColour = true
            } else if isColour {
                isColour = scalar != "m"
            } else {
                count += 1
            }
        }
        return count
    }

    /// The words; a command line is one word: from `squire` after a colon to the end of the clause.
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
