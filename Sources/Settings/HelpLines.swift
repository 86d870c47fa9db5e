/// Lays out the help of a command for a narrow terminal: the parser of options keeps 26 columns for names alone, and
/// leaves the rest to what explains them.
public enum HelpLines {
    /// Narrower terminals get the help laid out here. Otherwise the parser does it.
    public static let leastWidth = 64
    /// A word has to fit.
    private static let narrowest = 20

    private static let indentation = 6
    /// Where the parser begins what explains a name.
    private static let explanationColumn = 26
    /// What begins here or behind it stands below what an example's label leads to.
    private static let exampleColumn = 12

    /// `text` is the help in lines as long as they are. Words stay whole: a line is longer than `width` only where one
    /// word is.
    public static func narrow(_ text: String, width: Int) -> String {
        let width = max(width, narrowest)
        var isOverview = true
        return text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
            if line.hasPrefix("USAGE: ") {
                isOverview = false
                return UsageLines.folded(String(line), width: width)
            }
            return isOverview ? overview(line, width) : option(line, width)
        }.joined(separator: "\n")
    }

    /// Prose, or an example: `  squire run`, `Token:            squire login --token -`.
    private static func overview(_ line: Substring, _ width: Int) -> String {
        let (label, rest) = columns(line)
        var start = line.prefix { $0 == " " }.count
        if start >= exampleColumn { start = 2 } else if line.count <= width { return String(line) }
        let isProse = start == 0 && rest == nil
        let first = filled(label, width, start: start, indentation: isProse ? 0 : start + 2)
        guard let rest else { return first }
        return first + "\n" + filled(rest, width, start: start + 2, indentation: start + 4)
    }

    /// A name and what explains it: each begins lines of its own.
    private static func option(_ line: Substring, _ width: Int) -> String {
        guard line.hasPrefix("  ") else { return String(line) }
        let (name, explanation) = columns(line)
        let isExplanation = line.prefix { $0 == " " }.count >= explanationColumn
        let first = filled(name, width, start: isExplanation ? indentation : 2, indentation: indentation)
        guard let explanation else { return first }
        return first + "\n" + filled(explanation, width, start: indentation, indentation: indentation)
    }

    /// What stands before the first gap of two blanks or more, and what follows; without the blanks that begin the line.
    private static func columns(_ line: Substring) -> (Substring, Substring?) {
        let text = line.drop { $0 == " " }
        guard let gap = text.firstRange(of: "  ") else { return (text, nil) }
        return (text[..<gap.lowerBound], text[gap.upperBound...].drop { $0 == " " })
    }

    private static func filled(_ text: Substring, _ width: Int, start: Int = 0, indentation: Int = 0) -> String {
        let words = text.split(separator: " ").map { (text: String($0), standsAlone: false) }
        let blanks = String(repeating: " ", count: start)
        // The blanks that begin the first line are no word.
        guard let first = words.first else { return blanks }
        return MessageLines.filled([(blanks + first.text, false)] + words.dropFirst(), width, indentation: indentation)
    }
}
