/// Lays out a command's help for a narrow terminal, because the option parser reserves 26 columns for names alone.
public enum HelpLines {
    /// The help is laid out here for narrower terminals, otherwise by the option parser.
    public static let leastWidth = 64
    /// A word has to fit.
    private static let narrowest = 20

    private static let indentation = 6
    /// The column in which the parser puts explanations.
    private static let explanationColumn = 26
    /// Text from this column on is put below the label of an example.
    private static let exampleColumn = 12

    /// `text` is the help with unfolded lines. Words stay whole, so that a line may exceed `width` for a single long
    /// word.
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

    /// A name and its explanation, on separate lines.
    private static func option(_ line: Substring, _ width: Int) -> String {
        guard line.hasPrefix("  ") else { return String(line) }
        let (name, explanation) = columns(line)
        let isExplanation = line.prefix { $0 == " " }.count >= explanationColumn
        let first = filled(name, width, start: isExplanation ? indentation : 2, indentation: indentation)
        guard let explanation else { return first }
        return first + "\n" + filled(explanation, width, start: indentation, indentation: indentation)
    }

    /// Splits a line at the first gap of two or more blanks, without its leading blanks.
    private static func columns(_ line: Substring) -> (Substring, Substring?) {
        let text = line.drop { $0 == " " }
        guard let gap = text.firstRange(of: "  ") else { return (text, nil) }
        return (text[..<gap.lowerBound], text[gap.upperBound...].drop { $0 == " " })
    }

    private static func filled(_ text: Substring, _ width: Int, start: Int = 0, indentation: Int = 0) -> String {
        let words = text.split(separator: " ").map { (text: String($0), standsAlone: false) }
        let blanks = String(repeating: " ", count: start)
        // The first line's leading blanks are not a word.
        guard let first = words.first else { return blanks }
        return MessageLines.filled([(blanks + first.text, false)] + words.dropFirst(), width, indentation: indentation)
    }
}
