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

    @Test("Nothing is lost, and no line is longer than its words make it", arguments: 40...120)
    func everyWidth(_ width: Int) {
        let text = "\(Self.words). Run: squire login --token -. \(Self.words); \(Self.words): squire check --online"
        let folded = MessageLines.folded(text, width: width)
        #expect(folded.split(whereSeparator: \.isWhitespace) == text.split(whereSeparator: \.isWhitespace))
        #expect(folded.split(separator: "\n").allSatisfy { $0.count <= width })
        #expect(folded.contains("\nsquire login --token -.\n") && folded.contains("squire check --online"))
    }
}
