/// libyaml's report about a text that it cannot parse, and its translation into an error message for people.
struct YAMLComplaint {
    /// A constant of libyaml; nil if it had no memory.
    var problem: String?
    /// The construct that it was parsing, such as "while parsing a block mapping"; empty if unknown.
    var context: String
    var mark: YAMLMark
    /// The start of that construct; the start of the text if unknown.
    var contextMark: YAMLMark
    /// The start of the innermost open sequence or map.
    var open: YAMLMark?

    /// The problem in our own words, at the place of the mistake.
    func problem(in text: String) -> YAMLReader.Problem {
        guard let problem else { return .init(message: "cannot be read: there is no memory for it", mark: YAMLMark()) }
        let scene = Scene(text, mark)
        return .init(message: "not valid YAML: \(words(problem, scene))", mark: place(problem, scene))
    }

    /// The place of the mistake: libyaml notices an unclosed construct only later, on another line.
    private func place(_ problem: String, _ scene: Scene) -> YAMLMark {
        switch problem {
        case "could not find expected ':'", "found unexpected end of stream", "found unexpected document indicator":
            contextMark
        case _ where context.hasSuffix(" a tag"): contextMark
        case "did not find expected node content" where scene.scalar == nil: open ?? mark
        default: mark
        }
    }

    /// The surroundings of a place.
    private struct Scene {
        /// The line up to the place.
        var before = ""
        /// The character there; nil at the end of the text.
        var scalar: Unicode.Scalar?

        init(_ text: String, _ mark: YAMLMark) {
            let scalars = text.unicodeScalars
            let place = scalars.index(scalars.startIndex, offsetBy: mark.index, limitedBy: scalars.endIndex)
            let end = place ?? scalars.endIndex
            let start = scalars.index(end, offsetBy: 1 - mark.column, limitedBy: scalars.startIndex)
            before = String(scalars[(start ?? scalars.startIndex)..<end])
            scalar = end == scalars.endIndex ? nil : scalars[end]
        }

        var isFirstInLine: Bool { before.utf8.allSatisfy { $0 == UInt8(ascii: " ") } }
    }

    private static let tab = "a tab stands here, where YAML wants spaces: indent with spaces"
    private static let blank = "the blank after this colon is missing: put one there"
    private static let directive =
        "a line that begins with % is a directive, and this one is none that is known: take it out, or put the value in "
        + "quotes"
    private static let tag = "! begins a tag, and a configuration has none: take it out, or put the value in quotes"
    private static let block =
        "| and > begin a text of several lines and end their line: put the text below, indented, or the value in quotes"
    private static let escape =
        "\\ begins an escape here, and this is none that YAML knows: write \\\\, or use single quotes"

    private func words(_ problem: String, _ scene: Scene) -> String {
        let shown = scene.scalar.map { "\"\(ControlCharacters.escaped(String($0)))\"" } ?? "the end of the file"
        return switch problem {
        case "found a tab character that violates indentation",
            "found a tab character where an indentation space is expected":
            Self.tab

        // Keys and their colons.
        case "mapping values are not allowed in this context": colon(scene)
        case "could not find expected ':'":
            "this is no \"key: value\": is the colon missing, or the blank after it?"
        case "did not find expected key": key(scene, shown)
        case "mapping keys are not allowed in this context":
            "\"?\" and a blank begin a key, which cannot stand here: put the value in quotes"
        case "found unexpected ':'":
            "within [ ] and { } a colon needs a blank after it, or the value quotes"

        // Lists and brackets.
        case "block sequence entries are not allowed in this context":
            "\"-\" and a blank begin an element of a list, which cannot stand here: put it on a line of its own, or the "
                + "value in quotes"
        case "did not find expected '-' indicator":
            "the list that begins in line \(contextMark.line) goes on with \"-\", in the same column: indent this line "
                + "like the others of its kind"
        case "did not find expected ',' or ']'":
            "the [ of line \(contextMark.line) is not closed: a comma or ] is missing before this"
        case "did not find expected ',' or '}'":
            "the { of line \(contextMark.line) is not closed: a comma or } is missing before this"
        case "did not find expected node content": content(scene, shown)

        // Quotes.
        case "found unexpected end of stream":
            "this quotation mark is not closed: put another at the end of its value"
        case "found unexpected document indicator":
            "this quotation mark is not closed before line \(mark.line), which begins or ends a document: put another at "
                + "the end of its value"
        case "found unknown escape character": Self.escape
        case "did not find expected hexdecimal number", "found invalid Unicode character escape code":
            "an escape such as \\x41 or \\u0041 lacks digits, or stands for no character: write all its digits"
        case "found an indentation indicator equal to 0": Self.block
        case _ where context == "while scanning a block scalar": Self.block

        // Blanks and single characters.
        case "found character that cannot start any token":
            scene.scalar == "\t" ? Self.tab : "a value cannot begin with \(shown): put it in quotes"
        case _ where context == "while scanning an alias":
            "* begins an alias, and no name of one follows: put the value in quotes"
        case _ where context == "while scanning an anchor":
            "& begins an anchor, and no name of one follows: put the value in quotes"

        // What is no part of a value.
        case "did not find expected <document start>" where scene.scalar == ":": Self.blank
        case "did not find expected <document start>":
            "the value of the file has ended before this: take it out, or indent it like what it belongs to"
        case "found undefined tag handle": Self.tag
        case _ where context.hasSuffix(" a tag"): Self.tag
        case "found incompatible YAML document", "found duplicate %YAML directive", "found duplicate %TAG directive":
            Self.directive
        case _ where context.hasSuffix(" directive"): Self.directive

        // A newer libyaml may have other messages.
        default: problem
        }
    }

    /// The message about a colon with a blank that turns text into a key.
    private func colon(_ scene: Scene) -> String {
        if scene.before.contains(": ") {
            return "a colon and a blank within a value: put the value in quotes"
        }
        return "no key can stand here: is the colon, or the blank after it, missing in the line above, or is this line "
            + "indented too far?"
    }

    /// In a map of several lines.
    private func key(_ scene: Scene, _ shown: String) -> String {
        if scene.scalar == ":" { return Self.blank }
        if scene.isFirstInLine, scene.scalar != nil {
            return "this line belongs to no map above it: indent it like its neighbours, whose keys begin in one column"
        }
        return "the value has ended before \(shown): put all of it in quotes, or take this out"
    }

    /// A value within brackets.
    private func content(_ scene: Scene, _ shown: String) -> String {
        if scene.scalar == nil { return "this list or map is not closed where the file ends: a ] or } is missing" }
        return "a value is missing before \(shown): write it, or \"\" for an empty one, or put the value in quotes"
    }
}
