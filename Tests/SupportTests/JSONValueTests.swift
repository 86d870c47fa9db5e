import Support
import Testing

@Suite struct JSONValueTests {
    @Test(arguments: [
        #"{"a":[1,2.50,-0,1e5,12345678901234567890],"b":{"c":null,"d":true},"e":"x\"\\\n\u00e9"}"#, "[]", "{}", #""""#,
        "0",
    ])
    func roundTrip(_ text: String) throws {
        let value = try #require(JSONValue(parsing: text.utf8))
        #expect(JSONValue(parsing: value.serialized().utf8) == value)
        #expect(JSONValue(parsing: value.serialized(pretty: true).utf8) == value)
    }

    @Test(arguments: [
        "", "{", "[1,]", "{\"a\":1,}", "01", "1.", "+1", "nul", "\"\u{1}\"", "[1] 2", "{a:1}", "\"\\ud800\"", "\"\\x\"",
        "--1",
    ])
    func malformedTextIsRefused(_ text: String) {
        #expect(JSONValue(parsing: text.utf8) == nil)
    }

    @Test func deepNestingIsRefused() {
        #expect(JSONValue(parsing: String(repeating: "[", count: 100_000).utf8) == nil)
    }

    @Test func pointersFindMembersAndElements() throws {
        let value = try #require(JSONValue(parsing: #"{"a":{"b~/c":[10,{"d":"x"}]},"":1}"#.utf8))
        #expect(value.value(at: "/a/b~0~1c/1/d")?.string == "x")
        #expect(value.value(at: "/a/b~0~1c/0")?.integer == 10)
        #expect(value.value(at: "/")?.integer == 1)
        #expect(value.value(at: "") == value)
        #expect(value.value(at: "/a/x") == nil && value.value(at: "a") == nil)
    }

    @Test func aByteOrderMarkIsIgnored() {
        #expect(JSONValue(parsing: "\u{FEFF}[1]".utf8) == .array([.number("1")]))
    }

    /// What is well formed reads the same either way.
    @Test(arguments: [
        #"{"a":[1,2.50,-0,1e5],"b":{"c":null,"d":true},"e":"x\"\\\n\u00e9\ud83d\ude00"}"#, "[]", "{}", "[[],{}]",
    ])
    func leniencyChangesNothing(_ text: String) throws {
        let value = try #require(JSONValue(parsing: text.utf8))
        #expect(JSONValue(lenient: text.utf8) == value)
    }

    @Test(arguments: [
        "", "{", "[1", #"{"a":1"#, #"{"a":"b"#, "1", "null", #""a""#, "<html>", "{]", "[}", #"{"a":1]"#, "{a:1}",
    ])
    func cutAndForeignTextsAreNoJSON(_ text: String) {
        #expect(JSONValue(lenient: text.utf8) == nil)
    }

    @Test(arguments: ["[", "{\"a\":", "[[[\"", "{\"a\":[{\"b\":\"\\u12"]) func deepOrCutTextsEnd(_ part: String) {
        _ = JSONValue(lenient: String(repeating: part, count: 100_000).utf8)
    }
}
