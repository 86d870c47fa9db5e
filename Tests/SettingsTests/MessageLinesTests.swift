import Testing

@testable import Settings

@Suite struct MessageLinesTests {
    private static let words = "squire: the token is refused, and the API gives no other one for it"

    @Test("Prose is folded between words")
    func prose() {
        let expected = "squire: the token is refused, and the\nAPI gives no other one for it"
        #expect(MessageLines.folded(Self.words, width: 40) == expected)
        #expect(MessageLines.folded("\(Self.words)\nand more", width: 40) == "\(expected)\nand more")
        #expect(MessageLines.folded("a question of more than so many columns? [y/N] ", width: 45).hasSuffix("[y/N] "))
    }

    @Test("A line to be run is whole, and stands alone behind Run:")
    func commands() {
        let line = "squire login --config /a/long/directory/with/a/long/name.yaml --email"
        #expect(
            MessageLines.folded("\(Self.words). Run: \(line), or set profile: menu", width: 60)
                == "squire: the token is refused, and the API gives no other one\nfor it. Run:\n\(line),\n"
                + "or set profile: menu"
        )
        #expect(
            MessageLines.folded("\(Self.words). To replace it: \(line)", width: 60).hasSuffix("To replace it:\n\(line)")
        )
    }

    @Test(
        "The rest stays as it is",
        arguments: [
            "squire: short", "  etcd: an indented line that is longer than so many columns, as an example",
            "Usage: squire login [--config <file>] [--token <->] [--email <address>]",
            "ok    DNS            a line in columns that is longer than so many", "", "\n\n",
            "https://login.example.com/authorize?client_id=my-tool&response_type=code",
        ]
    )
    func others(_ text: String) { #expect(MessageLines.folded(text, width: 40) == text) }

    @Test("A terminal that says no width, or next to none, gets the lines as they are", arguments: [0, 1, 39, -1])
    func narrow(_ width: Int) { #expect(MessageLines.folded(Self.words, width: width) == Self.words) }

    private static let row = "ok    DNS            a line in columns that is longer, of /a/path/that/is/long/itself, so"

    @Test("What stands behind a label goes on below it, and a long word as far to the left as it must")
    func hanging() {
        #expect(
            MessageLines.hanging(Self.row, at: 21, width: 50)
                == """
                ok    DNS            a line in columns that is
                                     longer, of
                                     /a/path/that/is/long/itself,
                                     so
                """
        )
        #expect(
            MessageLines.hanging("--    session file   /home/somebody/.local/state/x.json, none", at: 21, width: 40)
                == "--    session file\n     /home/somebody/.local/state/x.json,\n                     none"
        )
        #expect(
            MessageLines.hanging("customer    \(String(repeating: "x", count: 90)) and more words", at: 12, width: 80)
                == "customer    \(String(repeating: "x", count: 90)) and more words"
        )
        #expect(MessageLines.hanging("a    b", at: 5, width: 40) == "a    b")
        #expect(MessageLines.hanging(Self.row, at: 21, width: 39) == Self.row)
    }

    @Test("A line to be run is whole in columns, too")
    func hangingCommands() {
        let line = "squire login --config a.yaml --email"
        #expect(
            MessageLines.hanging("--    session file   here, and no session yet. Run: \(line)", at: 21, width: 60)
                == "--    session file   here, and no session yet. Run:\n                     \(line)"
        )
    }

    @Test("Colours have no width")
    func colours() {
        let text = "\u{1B}[2m08:15:02.123\u{1B}[0m \u{1B}[34mnotice \u{1B}[0m one two three"
        #expect(MessageLines.hanging(text, at: 21, width: 40) == text)
        let long = "\(text) \u{1B}[36mfour\u{1B}[0m five"
        let end = "\u{1B}[36mfour\u{1B}[0m\n" + String(repeating: " ", count: 21) + "five"
        #expect(MessageLines.hanging(long, at: 21, width: 40) == "\(text) \(end)")
    }

    @Test("A row is broken between its values alone")
    func rows() {
        let values = ["usable", "a customer", "https://api.example.com", "/home/somebody/squire.yaml"]
        #expect(MessageLines.row(values) == values.joined(separator: "  "))
        #expect(
            MessageLines.row(values, width: 50)
                == "usable  a customer  https://api.example.com\n  /home/somebody/squire.yaml"
        )
        #expect(MessageLines.row(values, width: 1) == values.joined(separator: "  "))
    }

    @Test("In columns, too, nothing is lost, and no line is too long", arguments: 52...120)
    func everyWidthInColumns(_ width: Int) {
        let text = "\(Self.row). \(Self.words). Run: squire login --token -. \(Self.words)"
        let folded = MessageLines.hanging(text, at: 21, width: width)
        #expect(folded.split(whereSeparator: \.isWhitespace) == text.split(whereSeparator: \.isWhitespace))
        #expect(folded.split(separator: "\n").allSatisfy { $0.count <= width && !$0.hasSuffix(" ") })
    }

    @Test("Nothing is lost, and no line is longer than its words make it", arguments: 40...120)
    func everyWidth(_ width: Int) {
        let text = "\(Self.words). Run: squire login --token -. \(Self.words); \(Self.words): squire check --online"
        let folded = MessageLines.folded(text, width: width)
        #expect(folded.split(whereSeparator: \.isWhitespace) == text.split(whereSeparator: \.isWhitespace))
        #expect(folded.split(separator: "\n").allSatisfy { $0.count <= width })
        #expect(folded.contains("\nsquire login --token -.\n") && folded.contains("squire check --online"))
    }
}
