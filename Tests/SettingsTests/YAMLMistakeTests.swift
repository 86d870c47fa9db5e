import Platform
import TestFiles
import Testing

@testable import Settings

/// What is no configuration's YAML: where the mistake is, what it is, and what to do.
@Suite struct YAMLMistakeTests {
    /// The text, LINE:COLUMN of the mistake, and what is said of it.
    private static let mistakes: [(text: String, place: String, words: String)] = [
        // Indentation.
        ("a: 1\nb:\n  c: 2\n d: 3\n", "4:2", "this line belongs to no map above it: indent it like its neighbours"),
        ("a: 1\n  b: 2\n", "2:4", "or is this line indented too far?"),
        ("a:\n  - b\n c: d\n", "3:2", "this line belongs to no map above it"),
        ("a:\n - b\n c: d\n", "3:2", "the list that begins in line 2 goes on with \"-\""),
        ("a:\n\tb: 1\n", "2:1", "a tab stands here, where YAML wants spaces"),
        ("a:\n  - b\n\tc: 1\n", "3:1", "a tab stands here, where YAML wants spaces"),
        ("a: |\n\tb\n", "2:1", "a tab stands here, where YAML wants spaces"),
        // Keys and colons.
        ("a: b: c\n", "1:5", "a colon and a blank within a value: put the value in quotes"),
        ("a:b\nc: d\n", "2:2", "is the colon, or the blank after it, missing in the line above"),
        ("a b\nc: d\n", "2:2", "is the colon, or the blank after it, missing in the line above"),
        ("a: 1\nb c\nd: 2\n", "2:1", "this is no \"key: value\": is the colon missing, or the blank after it?"),
        ("\"a\":b\n", "1:4", "the blank after this colon is missing"),
        ("c: d\n\"a\":b\n", "2:1", "is the colon missing, or the blank after it?"),
        ("a: ? b\n", "1:4", "\"?\" and a blank begin a key"), ("a: [b:]\n", "1:6", "a colon needs a blank after it"),
        // Lists and brackets.
        ("a: [1, 2\nb: 3\n", "2:2", "the [ of line 1 is not closed: a comma or ] is missing before this"),
        ("a: {b: 1\nc: 3\n", "2:2", "the { of line 1 is not closed: a comma or } is missing before this"),
        ("a: [\n", "1:4", "this list or map is not closed where the file ends"),
        ("a: ]\n", "1:4", "a value is missing before \"]\""), ("a: - b\n", "1:4", "\"-\" and a blank begin an element"),
        ("{a: 1}\nb: 2\n", "2:1", "the value of the file has ended before this"),
        // At the end of a file whose last line has no end.
        ("a: [b", "1:6", "the [ of line 1 is not closed"), ("a: [", "1:4", "this list or map is not closed where"),
        ("a: \"b", "1:4", "this quotation mark is not closed"), ("a: 1\nb", "2:1", "this is no \"key: value\""),
        ("a: {? b: c, ? b", "1:15", "\"b\" is given twice"), ("a: \"\\", "1:5", "write"), ("- &", "1:4", "& begins an"),
        // Quotes.
        ("a: \"b\nc: d\n", "1:4", "this quotation mark is not closed"),
        ("b: 1\na: 'b\n---\n", "2:4", "is not closed before line 3, which begins or ends a document"),
        ("a: 'it's'\n", "1:8", "the value has ended before \"s\": put all of it in quotes"),
        ("a: \"\\d+\"\n", "1:5", "write \\\\, or use single quotes"),
        ("a: \"\\u12\"\n", "1:7", "lacks digits, or stands for no character"),
        ("a: \"\\ud83d\"\n", "1:7", "lacks digits, or stands for no character"),
        ("a: |x\n b\n", "1:5", "| and > begin a text of several lines"), ("a: |0\n", "1:5", "| and > begin a text"),
        // Characters that mean something to YAML.
        ("a: *.example\n", "1:5", "* begins an alias, and no name of one follows: put the value in quotes"),
        ("a: &.x y\n", "1:5", "& begins an anchor, and no name of one follows: put the value in quotes"),
        ("a: @b\n", "1:4", "a value cannot begin with \"@\": put it in quotes"),
        ("a: %b\n", "1:4", "a value cannot begin with \"%\": put it in quotes"),
        ("%b\n---\na: 1\n", "1:3", "a line that begins with % is a directive"),
        ("%YAML 2.0\n---\na: 1\n", "1:1", "a line that begins with % is a directive"),
        // Twice.
        ("a: 1\nb: 2\na: 3\n", "3:1", "\"a\" is given twice: line 1 has it too, so take one out"),
        ("a: {'b': 1,\n  b: 2}\n", "2:3", "\"b\" is given twice: line 1 has it too"),
        ("~: 1\n'~': 2\n", "2:1", "\"~\" is given twice"),
        // Aliases.
        ("a: *b\n", "1:4", "*b is an alias for nothing, as no &b has ended before it"),
        ("&a [*a]: 1\n", "1:5", "*a is an alias for nothing"),
        ("b: *a\na: &a x\n", "1:4", "*a is an alias for nothing"),
        // Tags.
        ("a: !!int 1\n", "1:4", "has a tag, !!int, and a configuration has none: take it out"),
        ("a: !b 1\n", "1:4", "has a tag, !b,"), ("a: ! 1\n", "1:4", "has a tag, !,"),
        ("a: &b ! 1\n", "1:4", "has a tag"),
        ("!!map a: 1\n", "1:1", "has a tag, !!map,"), ("- !<x> [1]\n", "1:3", "has a tag, x,"),
        ("a: !b!c d\n", "1:4", "! begins a tag"), ("a: !<b c\n", "1:4", "! begins a tag"),
        ("%TAG ! tag:x,2000:\n---\na: 1\n", "1:1", "has a tag, %TAG,"),
        // Several documents.
        ("a: 1\n---\nb: 2\n", "2:1", "a second document begins here"), ("---\n---\n", "2:1", "a second document"),
        ("a: 1\n...\n---\n", "3:1", "a second document begins here"),
        // Characters that cannot be there.
        (
            "a: b\u{1B}c\n", "1:5",
            "holds \\x1B, a control character, which YAML forbids: take it out, or write \"\\x1B\""
        ),
        ("a: 1\r\n\u{7F}", "2:1", "holds \\x7F"), ("\u{0}a", "1:1", "save the file as UTF-8 text"),
        ("é\u{85}é\u{9F}", "2:2", "holds \\x9F"), ("x\u{FFFF}", "1:2", "or write \"\\uFFFF\" in double quotes"),
        ("a: \u{FEFF}b\n", "1:4", "holds a byte order mark (U+FEFF) that does not begin the file: take it out"),
        ("\u{FEFF}\u{FEFF}a: b\n", "1:1", "holds a byte order mark"),
    ]

    @Test(arguments: mistakes) func isSaidWithItsPlace(_ text: String, _ place: String, _ words: String) {
        let problem = #expect(throws: YAMLReader.Problem.self) { try YAMLReader.read(text) }
        #expect(problem.map { "\($0.line):\($0.column)" } == place, "\(problem as Any)")
        #expect(problem?.message.contains(words) == true, "\(problem as Any)")
    }

    /// The form that people and editors know, through the whole of the loading.
    @Test func isAnErrorOfTheFile() {
        let error = #expect(throws: ConfigurationError.self) {
            try ConfigurationLoader(environment: [:]).read("upstream: https://a.example\nlisten: [\n", path: "c.yaml")
        }
        #expect(
            error?.description
                == "c.yaml:2: column 9: not valid YAML: this list or map is not closed where the file ends: a ] or } is missing"
        )
    }

    /// A name in a message is no longer than a line.
    @Test func longNamesAreShortened() {
        for text in ["? \(String(repeating: "k", count: 100_000))\n", "!\(String(repeating: "t", count: 900)) a"] {
            let problem = #expect(throws: YAMLReader.Problem.self) { try YAMLReader.read(text + text) }
            #expect((problem?.message.utf8.count ?? 0) < 300, "\(problem as Any)")
        }
    }

    // MARK: What is YAML, and no configuration

    @Test(
        arguments: [
            (
                "upstream:https://a.example\n",
                "c.yaml:1: the configuration must be a map of keys and values: is a blank"
            ),
            (
                "upstream: https://a.example\nheaders:\nX-A: b\n",
                "c.yaml:3: unknown key \"X-A\": if it belongs to \"headers\", indent it below"
            ),
            (
                "upstream: https://a.example\ntls: {ca:x.pem}\n",
                "c.yaml:2: unknown key \"tls.ca:x.pem\": is a blank missing after its colon?"
            ),
        ]
    )
    func whatWasMeantIsGuessed(_ text: String, _ words: String) {
        let error = #expect(throws: ConfigurationError.self) {
            try ConfigurationLoader(environment: [:]).read(text, path: "c.yaml")
        }
        #expect(error?.description.hasPrefix(words) == true, "\(error as Any)")
    }

    // MARK: Aliases

    /// Each repeats ten times what the one before is: the values are counted, not made.
    @Test func aBombIsRefusedWhereItBecomesOne() {
        var text = "a: &a [x]\n"
        for (name, former) in zip("bcdefghij", "abcdefghi") {
            text += "\(name): &\(name) [\(Array(repeating: "*\(former)", count: 10).joined(separator: ", "))]\n"
        }
        let problem = #expect(throws: YAMLReader.Problem.self) { try YAMLReader.read(text) }
        #expect(problem?.line == 5 && problem?.message.contains("holds more than 10000 values") == true)
    }

    /// Few values, and a long text that each of them is: whoever takes one looks at all of it.
    @Test func textIsCountedThroughAliases() throws {
        let text =
            "x: &x \(String(repeating: "y", count: 100_000))\nl: [\(Array(repeating: "*x", count: 50).joined(separator: ", "))]\n"
        let problem = #expect(throws: YAMLReader.Problem.self) { try YAMLReader.read(text) }
        #expect(problem?.line == 2 && problem?.message.contains("holds more than 4 MiB of text") == true)
    }

    @Test func levelsAreCountedThroughAliases() throws {
        let nested = { (levels: Int, inner: String) in
            String(repeating: "[", count: levels) + inner + String(repeating: "]", count: levels)
        }
        // The map, 40 lists and their text; the other lists around them.
        _ = try YAMLReader.read("a: &a \(nested(40, "x"))\nb: \(nested(22, "*a"))\n")
        let problem = #expect(throws: YAMLReader.Problem.self) {
            try YAMLReader.read("a: &a \(nested(40, "x"))\nb: \(nested(23, "*a"))\n")
        }
        #expect(problem?.line == 2 && problem?.message.contains("deeper than 64 levels") == true)
    }

    @Test func anAnchorGivenAgainIsTheLastOne() throws {
        guard case .mapping(let map)? = try YAMLReader.read("a: &x 1\nb: &x 2\nc: *x\n") else { return }
        #expect(map["c"]?.value.text == "2")
    }

    /// A file that is no UTF-8 is refused at its first octet that is none, with what it is.
    @Test func otherEncodings() {
        let path = TestDirectory.make() + "/c.yaml"
        for (octets, words) in [
            (
                Array("a: é\nb: é".utf8).dropLast() + [0x0A],
                ":2: cannot be read: it is not UTF-8 text from column 4 on: save"
            ),
            ([0xFF, 0xFE, 0x61, 0], ":1: cannot be read: it is UTF-16 text: save it as UTF-8"),
            ([0xFE, 0xFF, 0, 0x61], ":1: cannot be read: it is UTF-16 text: save it as UTF-8"),
            (
                Array(repeating: 0x20, count: (1 << 20) + 1),
                ": cannot be read: it is larger than 1024 KiB: is it the right file?"
            ),
        ] as [([UInt8], String)] {
            let file = fopen(path, "w")
            fwrite(octets, 1, octets.count, file)
            fclose(file)
            let error = #expect(throws: ConfigurationError.self) {
                try ConfigurationLoader(environment: [:]).load(path)
            }
            #expect(error?.description.hasPrefix(path + words) == true, "\(error as Any)")
        }
    }

    /// libyaml alone keeps it: a byte order mark that somebody wrote as an escape is a character like others.
    @Test func anEscapedByteOrderMarkIsKept() throws {
        #expect(try YAMLReader.read("\"\\uFEFFa\"")?.text == "\u{FEFF}a")
    }
}
