import EventIO
import ReverseProxy
import Testing

@Suite struct RedactionTests {
    @Test(
        arguments: [
            ("/a", "/a"), ("/a?b=1&c", "/a?b=1&c"), ("/a?", "/a?"), ("/a?&&b=&", "/a?&&b=&"), ("*", "*"), ("", ""),
            ("/a?token=x&b=1&API_KEY=y&c", "/a?token=…&b=1&API_KEY=…&c"), ("/a?b=1&xsigx=", "/a?b=1&xsigx=…"),
            ("/a?token", "/a?token"), ("/token=1/b?c=2", "/token=1/b?c=2"), ("/a?b=c?key=d&e", "/a?b=c?key=d&e"),
            ("/a?b?key=c=d&e", "/a?b?key=…&e"), ("/a?b=key=c", "/a?b=key=c"),
            ("/a?x=eyJhbGciOiJIUzI1NiJ9.abc.def", "/a?x=…"), ("/a?x=eyJhbGciOiJIUzI1", "/a?x=eyJhbGciOiJIUzI1"),
            ("/a\u{1B}[31m", "/a\\x1b[31m"), ("/a\u{9B}31m", "/a\\x9b31m"), ("/\u{7F}\n", "/\\x7f\\xa"),
            ("/é\u{A0}🙂", "/é\u{A0}🙂"),
        ]
    )
    func secretsGo(_ target: String, _ shown: String) {
        #expect(redacted(target) == shown)
    }

    /// 512 characters, of what is shown.
    @Test func longOnesAreCut() {
        let path = "/" + String(repeating: "a", count: 511)
        #expect(redacted(path) == path)
        #expect(redacted(path + "b") == path + "…")
        #expect(redacted(path + "?token=x") == path + "…")
        let query = "/?token=" + String(repeating: "a", count: 600) + "&b="
        #expect(redacted(query + "\u{7}") == "/?token=…&b=\\x7")
        #expect(redacted(query + path) == "/?token=…&b=" + path.prefix(500) + "…")
        let accents = String(repeating: "é", count: 512)
        #expect(redacted(accents) == accents)
        #expect(redacted(accents + "\n") == accents + "…")
    }

    private func redacted(_ target: String) -> String {
        let scratch = ByteBuffer(capacity: 64)
        return Array(target.utf8).withUnsafeBufferPointer {
            String(decoding: Redaction.target($0, scratch: scratch), as: UTF8.self)
        }
    }
}
