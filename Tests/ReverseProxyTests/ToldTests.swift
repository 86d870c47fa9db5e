import EventIO
import HTTP1
import Testing

@testable import ReverseProxy

/// What observers are told of a request beside its end.
@Suite struct ToldTests {
    // MARK: X-Request-ID

    @Test(
        arguments: [
            ("GET / HTTP/1.1\r\nX-Request-ID: a-1\r\n", "a-1"),
            ("GET / HTTP/1.1\r\nx-request-id:  a\t\r\nA: b\r\n", "a"),
            ("GET / HTTP/1.1\r\nA: b\r\nX-REQUEST-ID: a\r\nX-Request-ID: b\r\n", "a"),
            ("GET / HTTP/1.1\r\nX-Request-IDs: a\r\nX-Request-I: b\r\n", ""), ("GET / HTTP/1.1\r\n", ""), ("", ""),
            ("GET / HTTP/1.1\r\nX-Request-ID:\r\n", ""), ("X-Request-ID: a", ""), ("\n\n\nX-Request-ID:\n", ""),
        ]
    )
    func requestIdentifiersAreFound(_ head: String, _ expected: String) {
        let found = Array(head.utf8).withUnsafeBufferPointer {
            String(decoding: RequestIdentifier.find(in: $0), as: UTF8.self)
        }
        #expect(found == expected)
    }

    // MARK: Fields

    @Test func editsAreNamedByKind() {
        let edits = edits(
            "GET / HTTP/1.1\r\nHost: a\r\nAccept: x\r\nConnection: close\r\nCookie: 1\r\ncookie: 2\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: b\r\naccept: x\r\nVia: 1.1 squire\r\nCookie: 2\r\n"
        )
        #expect(edits.added == ["Via"])
        #expect(edits.replaced == ["Host"])
        #expect(edits.removed == ["Connection", "Cookie"])
        #expect(!edits.isEmpty && self.edits("GET /\r\nA: b\r\n", "GET /x\r\nA: b\r\n\r\n").isEmpty)
    }

    /// A name is the client's to choose: however long, however many, and whatever secret it holds.
    @Test func namesAreShortAndHoldNoSecret() {
        let many = (0..<100).map { "A\($0): b\r\n" }.joined()
        let long = String(repeating: "x", count: 5000)
        let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI1MDkwOTc2In0.c2lnbmF0dXJl"
        let edits = edits(
            "GET / HTTP/1.1\r\n\(many)\(long): 1\r\n\r\n",
            "GET / HTTP/1.1\r\n\(jwt): 1\r\nopaque-secret-x: 1\r\n",
            secrets: KnownSecrets([Array("opaque-secret".utf8)])
        )
        #expect(edits.added == ["…", "…-x"])
        #expect(edits.removed.count == 41 && edits.removed.last == "and 61 more")
        #expect(edits.removed.allSatisfy { $0.count < 70 })
    }

    private func edits(_ before: String, _ after: String, secrets: KnownSecrets = .none) -> HeadEdits {
        func fields(_ head: String) -> HeadEdits.Fields {
            Array(head.utf8).withUnsafeBytes { HeadEdits.Fields($0, secrets: secrets) }
        }
        return HeadEdits(from: fields(before), to: fields(after))
    }

    // MARK: Refusals

    @Test(
        arguments: [
            (.misdirected, "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", "Host evil.example"),
            (
                .misdirected, "GET http://u:p@evil.example/x HTTP/1.1\r\nHost: localhost\r\n\r\n",
                "target at …@evil.example, Host localhost"
            ),
            (
                .forbiddenOrigin,
                "GET / HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\nSec-Fetch-Site: cross-site\r\n\r\n",
                "Origin http://evil.example, Sec-Fetch-Site cross-site"
            ),
            (.forbiddenOrigin, "GET / HTTP/1.1\r\nHost: localhost\r\nOrigin:\r\n\r\n", "Origin (empty)"),
            (
                .speculative, "GET / HTTP/1.1\r\nHost: localhost\r\nSec-Purpose: prefetch;prerender\r\n\r\n",
                "Sec-Purpose prefetch;prerender"
            ),
            (
                .unprovenPage, "GET / HTTP/1.1\r\nHost: api.example.com\r\nUser-Agent: Mozilla/5.0\r\n\r\n",
                "Host api.example.com, User-Agent Mozilla/5.0"
            ),
            (.methodNotAllowed, "CONNECT u:p@a.example:443 HTTP/1.1\r\nHost: a\r\n\r\n", "CONNECT …@a.example:443"),
            (.methodNotAllowed, "TRACE /a?token=x HTTP/1.1\r\nHost: a\r\n\r\n", "TRACE /a?token=…"),
            (.wrongKey, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "no X-Squire-Key"),
            (.wrongKey, "GET / HTTP/1.1\r\nHost: a\r\nX-Squire-Key: guess\r\n\r\n", "another X-Squire-Key"),
            (.loopDetected, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", nil),
        ] as [(Problem, String, String?)]
    )
    func refusalsNameWhatLedToThem(_ problem: Problem, _ request: String, _ expected: String?) {
        var parser = RequestParser(limits: HeadLimits())
        var head = RequestHead()
        let bytes = Array(request.utf8)
        #expect(parser.parse(bytes.span, into: &head) == .complete(bytes.count))
        let evidence = bytes.withUnsafeBytes { RefusalEvidence(secrets: .none).of(problem, head, $0) }
        #expect(evidence == expected)
    }

    @Test(
        arguments: [
            ("\u{16}\u{3}\u{1}", nil, nil), ("PRI * HTTP/2.0\r\n", nil, "PRI *"),
            ("GET /a HTTP/1.1\r\nHost: a b\r\n\r\n", "Host a b", "GET /a"),
            ("GET /a HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "Host a, b", "GET /a"),
            ("GET /a HTTP/1.1\r\nHost: u:p@b\r\n\r\n", "Host …@b", "GET /a"),
            ("GET /a b?token=c HTTP/1.1\r\n", nil, "GET /a"), ("GET a HTTP/1.1\r\n", nil, "GET a"),
            ("\r\n\r\nGET /a HTTP/3.0\r\n", nil, "GET /a"),
            ("GET / HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\n\r\n", "Expect 200-ok", "GET /"),
            ("SSH-2.0-OpenSSH_9.2p1\r\n", "it begins with SSH-2.0-OpenSSH_9.2p", nil),
            ("AUTH password\r\n", "it begins with AUTH", nil), ("\u{1B}[31m\r\n", "it begins with \\x1b[31m", nil),
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", "Content-Length -1", "POST /"),
        ] as [(String, String?, String?)]
    )
    func bytesThatAreNoRequestAreNamed(_ text: String, _ evidence: String?, _ line: String?) {
        var parser = RequestParser(limits: HeadLimits())
        var head = RequestHead()
        let bytes = Array(text.utf8)
        guard case .failed(let error) = parser.parse(bytes.span, into: &head) else {
            Issue.record("\(text) was not refused")
            return
        }
        bytes.withUnsafeBytes { bytes in
            #expect(RefusalEvidence(secrets: .none).of(error, bytes) == evidence)
            let first = RefusalEvidence.firstLine(bytes).map {
                "\(String(decoding: $0.method, as: UTF8.self)) \(String(decoding: $0.target, as: UTF8.self))"
            }
            #expect(first == line)
        }
    }

    // MARK: Time

    @Test func stopwatchesAddUpWhatTheyMeasure() {
        var watch = Stopwatch()
        watch.stop(now: 5)
        #expect(watch.elapsed(now: 7) == nil)
        watch.start(now: 10)
        watch.start(now: 12)
        #expect(watch.elapsed(now: 15) == 5)
        watch.stop(now: 20)
        watch.stop(now: 30)
        #expect(watch.elapsed(now: 40) == 10)
        watch.start(now: 50)
        #expect(watch.elapsed(now: 51) == 11)
    }
}
