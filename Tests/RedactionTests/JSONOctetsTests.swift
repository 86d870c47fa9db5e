import Testing

@testable import Redaction

@Suite struct JSONOctetsTests {
    private func closing(_ text: String, _ quote: Character = "\"") -> Int? {
        Array(text.utf8).withUnsafeBufferPointer {
            JSONOctets.closing($0, 0, $0.count, quote.asciiValue ?? 0)
        }
    }

    @Test func aStringEndsAtItsQuote() {
        #expect(closing(#"abc" x"#) == 3)
        #expect(closing(#"a\"b" x"#) == 4)
        #expect(closing(#"a\\" x"#) == 3)
        #expect(closing(#"a'b" x"#, "'") == 1)
    }

    /// Behind a backslash at the end there is nothing to look at.
    @Test(arguments: ["", "abc", #"abc\"#, #"abc\""#]) func oneThatIsCutHasNoEnd(_ text: String) {
        #expect(closing(text) == nil)
    }

    @Test(arguments: [("12,3", 2), ("true}", 4), ("a b", 1), ("x\"", 1), ("abc", 3), ("]", 0)])
    func aWordEndsBeforeWhatIsNone(_ text: String, _ end: Int) {
        let found = Array(text.utf8).withUnsafeBufferPointer { JSONOctets.endOfWord($0, 0, $0.count) }
        #expect(found == end)
    }

    @Test(arguments: [(#"\""#, 1, true), (#"\\""#, 2, false), (#"\\\""#, 3, true), ("\"", 0, false)])
    func anOddNumberOfBackslashesEscapes(_ text: String, _ index: Int, _ expected: Bool) {
        let found = Array(text.utf8).withUnsafeBufferPointer { JSONOctets.isEscaped($0, index, 0) }
        #expect(found == expected)
    }

    @Test(arguments: [("true", true), ("null", true), ("false", true), ("truth", false), ("falsehood", false)])
    func literalsAreNoSecrets(_ text: String, _ expected: Bool) {
        let found = Array(text.utf8).withUnsafeBufferPointer { JSONOctets.isLiteral($0, 0..<$0.count) }
        #expect(found == expected)
    }
}
