import Testing

@testable import Settings

@Suite struct UsageLinesTests {
    @Test func longOnesAreFoldedBetweenOptions() {
        let usage =
            "Usage: squire run [--config <file> ...] [--listen <addr>] [--header <'Name: value'> ...] <method> [--json]"
        let folded = UsageLines.folded("squire: \(usage)\n\(usage)\n  See 'squire run --help' for more information.")
        #expect(
            folded == """
                squire: \(usage)
                Usage: squire run [--config <file> ...] [--listen <addr>]
                         [--header <'Name: value'> ...] <method> [--json]
                  See 'squire run --help' for more information.
                """
        )
        #expect(UsageLines.folded(folded) == folded)
    }

    @Test(arguments: ["", "Usage: squire demo <options>", String(repeating: "x", count: 200), "Usage: a]]]> <<[ b"])
    func othersStayAsTheyAre(_ text: String) {
        #expect(UsageLines.folded(text) == text)
    }

    @Test func theCommandStaysWhole() {
        let usage = "Usage: squire exec " + String(repeating: "x", count: 50) + " -- <command> ..."
        #expect(UsageLines.folded(usage).hasSuffix("x\n         -- <command> ..."))
    }

    @Test func theWidthMayBeAnother() {
        let folded = UsageLines.folded("Usage: squire token [--min-ttl <duration>] [--format <format>]", width: 39)
        #expect(folded == "Usage: squire token\n         [--min-ttl <duration>]\n         [--format <format>]")
    }

    @Test func whatCannotBeFoldedIsWhole() {
        let long = "USAGE: [" + String(repeating: "a ", count: 60) + "]"
        #expect(UsageLines.folded(long) == long)
    }
}
