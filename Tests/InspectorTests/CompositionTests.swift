import Support
import Testing

@testable import Inspector

@Suite struct CompositionTests {
    private func read(_ text: String) throws(InvalidMember) -> Composition {
        try Composition(JSONValue(parsing: text.utf8)!)
    }

    @Test func whatIsGivenIsTaken() throws {
        let composition = try read(
            #"{"method":"PATCH","target":"/a?b=%20","fields":[["X-A","1"],["Authorization","Bearer x"]],"body":"ä"}"#
        )
        #expect(composition.method == Array("PATCH".utf8))
        #expect(composition.target == Array("/a?b=%20".utf8))
        #expect(composition.fields?.map { String(decoding: $0.name, as: UTF8.self) } == ["X-A", "Authorization"])
        #expect(composition.body == [0xC3, 0xA4])
        #expect(try read("{}") == Composition())
        #expect(try read(#"{"body":""}"#).body == [])
        #expect(try read(#"{"body_base64":"AP8="}"#).body == [0, 0xFF])
    }

    @Test(arguments: [
        (#"{"target":"http://evil/"}"#, "target"), (#"{"target":"//evil/"}"#, "target"), (#"{"target":""}"#, "target"),
        (#"{"target":"evil"}"#, "target"), (#"{"target":"/a b"}"#, "target"), (#"{"target":"/a#b"}"#, "target"),
        (#"{"target":"/a\r\nHost: evil"}"#, "target"), (#"{"target":"/ä"}"#, "target"), (#"{"target":7}"#, "target"),
        (#"{"target":"/\u0000"}"#, "target"),
        (#"{"method":"CONNECT"}"#, "method"), (#"{"method":"TRACE"}"#, "method"), (#"{"method":"connect"}"#, "method"),
        (#"{"method":""}"#, "method"), (#"{"method":"GET /x"}"#, "method"), (#"{"method":"GE\r\nT"}"#, "method"),
        (#"{"method":null}"#, "method"),
        (#"{"body":"a","body_base64":"YQ=="}"#, "body"), (#"{"body":{}}"#, "body"), (#"{"body":null}"#, "body"),
        (#"{"body_base64":"YQ"}"#, "body_base64"), (#"{"body_base64":"Y-=="}"#, "body_base64"),
        (#"{"body_base64":"Y=Q="}"#, "body_base64"),
        (#"{"url":"/"}"#, "url"), (#"{"target":"/","target":"/b"}"#, "target"),
        (#"{"fields":{}}"#, "fields"), (#"{"fields":[["a"]]}"#, "fields"), (#"{"fields":[["a",1]]}"#, "fields"),
        (#"{"fields":[["a","b","c"]]}"#, "fields"), (#"{"fields":[["","b"]]}"#, "fields"),
        (#"{"fields":[["a b","c"]]}"#, "a b"), (#"{"fields":[["a","b\nc"]]}"#, "a"),
        (#"{"fields":[["a","\u007f"]]}"#, "a"),
    ])
    func whatIsWrongIsNamed(_ text: String, _ field: String) {
        do throws(InvalidMember) {
            _ = try read(text)
            Issue.record("\(text) was taken")
        } catch {
            #expect(error.field == field)
        }
    }

    @Test(arguments: [
        "Host", "content-length", "Transfer-Encoding", "TE", "Trailer", "Connection", "Keep-Alive", "Proxy-Connection",
        "Upgrade", "Expect", "Proxy-Authorization", "X-Squire-Key", "x-squire-anything",
    ])
    func whatIsSquiresOwnIsRefused(_ name: String) {
        #expect(throws: InvalidMember.self) { try read(#"{"fields":[["\#(name)","x"]]}"#) }
    }
}
