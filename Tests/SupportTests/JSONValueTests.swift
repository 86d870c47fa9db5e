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

    /// A stroke through the slash is a character of the name, and the slash is one no more (RFC 6901 section 4).
    @Test func pointersAreReadByOctets() throws {
        let value = try #require(JSONValue(parsing: "{\"a\":{\"\u{338}b\":1}}".utf8))
        #expect(value.value(at: "/a/\u{338}b")?.integer == 1)
    }

    @Test(arguments: [
        (#""""#, ""), (#""\n""#, "\n"), (#""a\nb\tc""#, "a\nb\tc"), (#""\"\\\/\b\f\r""#, "\"\\/\u{8}\u{C}\r"),
        (#""é\u00e9\u00E9é""#, "éééé"), (#""x\ud83d\uDE00\u0000y""#, "x😀\0y"),
    ])
    func escapesStandForCharacters(_ text: String, _ expected: String) {
        #expect(JSONValue(parsing: text.utf8) == .string(expected))
        #expect(JSONValue(lenient: "[\(text)]".utf8) == .array([.string(expected)]))
    }

    @Test(arguments: [#"\u+123"#, #"\u-123"#, #"\u12"#, #"\u12g4"#, #"\ud83d\u0041"#, #"\ude00"#, #"\x"#])
    func whatIsNoEscapeIsRefusedOrReplaced(_ escape: String) throws {
        let text = "[\"a\(escape)b\"]"
        #expect(JSONValue(parsing: text.utf8) == nil)
        guard case .array(let elements) = JSONValue(lenient: text.utf8), let read = elements.first?.string else {
            Issue.record("leniently, it is read")
            return
        }
        #expect(read.hasPrefix("a") && read.hasSuffix("b") && (read.contains("\u{FFFD}") || escape == #"\x"#))
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

    @Test(arguments: [
        (["/a/b"], #"{"a":{"b":0}}"#), ([""], "0"), (["/"], #"{"":0}"#), (["/0/t~1~0"], #"{"0":{"t/~":0}}"#),
        (["/a/b", "/a/c", "/d"], #"{"a":{"b":0,"c":1},"d":2}"#), (["a"], "{}"),
        // No two values are in one place, nor is one within another.
        (["/a", "/a"], #"{"a":0}"#), (["/a", "/a/b"], #"{"a":0}"#), (["/a/b", "/a", ""], #"{"a":{"b":0}}"#),
        ([String(repeating: "/a", count: 100_000), "/b"], #"{"b":1}"#),
    ])
    func valuesAreAtTheirPointers(_ pointers: [String], _ text: String) {
        let value = JSONValue(pointers.enumerated().map { ($1, .integer($0)) })
        #expect(String(decoding: value.octets(), as: UTF8.self) == text)
        if pointers[0].hasPrefix("/"), pointers.count == 1 {
            #expect(value.value(at: pointers[0]) == .integer(0))
        }
    }

    @Test(arguments: ["[", "{\"a\":", "[[[\"", "{\"a\":[{\"b\":\"\\u12"]) func deepOrCutTextsEnd(_ part: String) {
        _ = JSONValue(lenient: String(repeating: part, count: 100_000).utf8)
    }
}
