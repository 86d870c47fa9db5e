import Support
import Testing

@Suite struct JSONEndTests {
    @Test(arguments: [
        #"{"a":{"b":[1,2]},"c":"}"}"#, #"[{"a":"\"]"},"\\"]"#, "\u{FEFF} \n{}", #""{" [1]"#, "}{}", #"\[]"#,
    ])
    func endIsFoundOnceHoweverItArrives(_ text: String) {
        let octets = Array(text.utf8)
        let last = octets.count - 1
        #expect(Self.answers([octets[..<last], octets[last...], octets[...]]) == [false, true, false])
        #expect(Self.answers(octets.indices.map { octets[$0...$0] }) == octets.indices.map { $0 == last })
        #expect(Self.answers([octets + Array(" {".utf8)]) == [true])
    }

    @Test(arguments: ["", "1", #"{"a":"}"#, #"{"a":"\"}"#, "[{}", "text", #""[]""#])
    func whatDoesNotEndHasNone(_ text: String) {
        #expect(Self.answers([Array(text.utf8)]) == [false])
    }

    private static func answers(_ parts: [some Sequence<UInt8>]) -> [Bool] {
        var end = JSONEnd()
        return parts.map { end.feed($0) }
    }
}
