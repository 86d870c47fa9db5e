import Testing

@testable import Settings

/// What is written, and the text that the configuration gets. All of it is text: no spelling is a number or a truth.
@Suite struct YAMLScalarTests {
    /// One scalar below the key `k`: what follows the colon, its text, and whether it is plain.
    private static let scalars: [(written: String, text: String, isPlain: Bool)] = [
        // Without quotes.
        (" a b  ", "a b", true), (" ~", "~", true), (" null", "null", true), (" Null", "Null", true), ("", "", true),
        (" true", "true", true), (" Yes", "Yes", true), (" off", "off", true), (" 4.10", "4.10", true),
        (" 010", "010", true), (" 0x1F", "0x1F", true), (" 1_000", "1_000", true), (" 1e3", "1e3", true),
        (" .5", ".5", true), (" +1", "+1", true), (" 1:30", "1:30", true), (" .inf", ".inf", true),
        (" 2024-01-01T00:00:00Z", "2024-01-01T00:00:00Z", true), (" =", "=", true), (" <<", "<<", true),
        (" https://a.example:1/x?y=z", "https://a.example:1/x?y=z", true), (" a#b", "a#b", true),
        (" a # b", "a", true), (" a\tb", "a\tb", true), (" a'b\"c", "a'b\"c", true), (" -1", "-1", true),
        (" ?x", "?x", true), (" é日\u{1F600}", "é日\u{1F600}", true), (" POST /a,b", "POST /a,b", true),
        (" a{token}", "a{token}", true), (" a\n  b\n\n  c", "a b\nc", true),
        // In quotes.
        (" ''", "", false), (" \"\"", "", false), (" '~'", "~", false), (" \"null\"", "null", false),
        (" 'it''s'", "it's", false), (" 'a\\n'", "a\\n", false), (" 'a\n  b\n\n  c'", "a b\nc", false),
        (" \"a\n  b\\\n  c\\  d\"", "a bc  d", false),
        (#" "\t\n\r\"\\\/\0\a\e\ ""#, "\t\n\r\"\\/\0\u{7}\u{1B} ", false),
        (#" "\x41\u00e9\U0001F600\_\N\L\P\v\f\b""#, "Aé\u{1F600}\u{A0}\u{85}\u{2028}\u{2029}\u{B}\u{C}\u{8}", false),
        // Of several lines.
        (" |\n  a\n   b\n\n  c\n\n", "a\n b\n\nc\n", false), (" |-\n  a\n  b\n\n", "a\nb", false),
        (" |+\n  a\n\n", "a\n\n\n", false), (" >\n  a\n  b\n\n  c\n   d\n", "a b\nc\n d\n", false),
        (" >-\n  a\n  b\n", "a b", false), (" |2\n    a\n", "  a\n", false), (" |1-\n  a\n", " a", false),
        (" | # c\n  # a\n", "# a\n", false), (" |\n", "", false),
        (" |\n  a\n  \tb\n", "a\n\tb\n", false),
    ]

    @Test(arguments: scalars)
    func scalar(_ written: String, _ text: String, _ isPlain: Bool) throws {
        for ends in ["\n", "\r\n"] {
            let document = "k:\(written)\n".split(separator: "\n", omittingEmptySubsequences: false)
                .joined(separator: ends)
            guard case .mapping(let map)? = try YAMLReader.read(document), case .scalar(let scalar)? = map["k"]?.value
            else {
                Issue.record("\(written) is no scalar")
                continue
            }
            #expect(scalar == .init(text: text, isPlain: isPlain, place: scalar.place), "\(document)")
            #expect(scalar.isNull == (isPlain && ["", "~", "null"].contains(text)))
        }
    }

    /// The structure that is written in several ways.
    @Test(
        arguments: [
            "a: {b: [c, d], e: f}", "{a: {b: [c, d], e: f}}", "a:\n  b:\n  - c\n  - d\n  e: f\n",
            "a:\n  b:\n    - c\n    - d\n  e: f\n", "? a\n: {b: [c, d,], e: f,}\n", "---\na: {b: [c, d], e: f}\n...\n",
            "%YAML 1.2\n---\n\"a\": {'b': [c, \"d\"], e: f}\n", "\u{FEFF}a: {b: [c, d], e: f}\n",
            "{\"a\":{\"b\":[\"c\",\"d\"],\"e\":\"f\"}}", "a: {b: [\n\tc,\n\td], e: f}\n",
            "a: {b: [c, d], e: f}\n...\n# x\n",
            "x: &b [c, d]\na: {b: *b, e: f}\n", "&a a: &m {b: [&c c, d], e: f}\n", "a:\r\n  b: [c, d]\r\n  e: f\r\n",
            "a:\r  b: [c, d]\r  e: f\r", "# c\n\na:   # d\n    b:\n      [c,\n    d]\n    e: f\n",
        ]
    )
    func structure(_ text: String) throws {
        guard case .mapping(let root)? = try YAMLReader.read(text), case .mapping(let map)? = root["a"]?.value,
            case .sequence(let list)? = map["b"]?.value
        else {
            Issue.record("\(text) is something else")
            return
        }
        #expect(list.elements.map(\.text) == ["c", "d"] && map["e"]?.value.text == "f" && map.entries.count == 2)
    }

    @Test func keysOfOtherKinds() throws {
        guard case .mapping(let map)? = try YAMLReader.read("? [a]\n: b\n? \n: c\n<<: d\n~: e\n'f g': h\n? i\n") else {
            Issue.record("is no map")
            return
        }
        #expect(map.entries.map(\.key.text) == [nil, "", "<<", "~", "f g", "i"])
        #expect(map.entries.map(\.key.isNull) == [false, true, false, true, false, false])
        #expect(map.entries.map(\.value.text) == ["b", "c", "d", "e", "h", ""])
    }

    /// A mistake in what an alias stands for is one of the line where it is written.
    @Test func anAliasIsWhereItsValueIs() throws {
        guard case .mapping(let map)? = try YAMLReader.read("a: &x\n  [b]\nc: *x\n&y d: *y\n") else {
            Issue.record("is no map")
            return
        }
        #expect(map["c"]?.value == map["a"]?.value && map["c"]?.value.line == 1)
        #expect(map["d"]?.value == .scalar(.init(text: "d", isPlain: true, place: .line(4))))
    }
}
