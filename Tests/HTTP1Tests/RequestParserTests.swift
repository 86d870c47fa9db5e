import HTTP1
import Testing

/// Feeds `text` in pieces that end at `cuts`, as a connection would, and gives the last progress and head.
private func parse(_ text: String, cuts: [Int] = [], limits: HeadLimits = HeadLimits()) -> (ParseProgress, RequestHead)
{
    let bytes = Array(text.utf8)
    var parser = RequestParser(limits: limits)
    var head = RequestHead()
    var progress = ParseProgress.incomplete
    for end in cuts + [bytes.count] {
        let part = Array(bytes[..<end])
        progress = parser.parse(part.span, into: &head)
        if progress != .incomplete { break }
    }
    return (progress, head)
}

@Suite struct RequestParserTests {
    private static let valid = [
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "\r\n\r\nGET /x?y=|;z HTTP/1.0\r\n\r\n",
        "POST /a HTTP/1.1\r\nHost: a:80\r\nContent-Length: 5\r\nX:\r\nY: \t b \r\n\r\n",
        "POST /a HTTP/1.1\r\nhost: [::1]:9\r\ntransfer-encoding: Chunked\r\nConnection: close, x-a\r\nX-A: 1\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET http://h.example:81/p?q HTTP/1.1\r\nHost: h.example:81\r\nExpect: 100-Continue\r\n\r\n",
    ]

    /// Whole, byte by byte, and cut in two anywhere: always the same.
    @Test(arguments: valid) func anySplitGivesTheSameVerdict(_ text: String) {
        let (whole, head) = parse(text)
        #expect(whole == .complete(text.utf8.count))
        let count = text.utf8.count
        var ways = (1..<count).map { [$0] }
        ways.append(Array(1..<count))
        for cuts in ways {
            let (progress, other) = parse(text, cuts: cuts)
            #expect(progress == whole)
            #expect(
                other.target == head.target && other.framing == head.framing && other.fields.count == head.fields.count
            )
            #expect(other.keepsAlive == head.keepsAlive && other.path == head.path && other.host == head.host)
        }
    }

    @Test func fieldsMeanWhatTheySay() {
        var (_, head) = parse(Self.valid[2])
        #expect(head.method == .post && head.framing == .length(5) && head.keepsAlive)
        #expect(head.fields[2].value.isEmpty)
        (_, head) = parse(Self.valid[3])
        #expect(head.framing == .chunked && !head.keepsAlive)
        #expect(head.fields.last?.isNominated == true)
        (_, head) = parse(Self.valid[5])
        #expect(head.form == .absolute && head.expectsContinue)
        let bytes = Array(Self.valid[5].utf8)
        #expect(bytes.span.text(head.authority) == "h.example:81")
        #expect(bytes.span.text(head.pathAndQuery) == "/p?q")
        #expect(bytes.span.text(head.path) == "/p")
        (_, head) = parse(Self.valid[1])
        #expect(head.minorVersion == 0 && !head.keepsAlive)
    }

    @Test(arguments: [
        "GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: \r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775808\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
        "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nX : b\r\n\r\n",
        "GET / HTTP/1.1\r\n Host: a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nX: \u{7F}\r\n\r\n",
        "GET / HTTP/1.1\nHost: a\n\n", "GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n",
        "GET /#f HTTP/1.1\r\nHost: a\r\n\r\n", "GET * HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET http:/// HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.10\r\nHost: a\r\n\r\n",
        "GET / http/1.1\r\nHost: a\r\n\r\n",
        "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", "G(T / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /\u{E9} HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\nHost:\r\n\r\n",
    ])
    func refused(_ text: String) {
        let (progress, _) = parse(text)
        guard case .failed(.malformed) = progress else {
            Issue.record("\(progress)")
            return
        }
        // In pieces the verdict is the same.
        let (bytewise, _) = parse(text, cuts: Array(1..<text.utf8.count))
        #expect(bytewise == progress)
    }

    @Test func headBeyondALimitFails() {
        let limits = HeadLimits(head: 200, fields: 3, target: 50)
        let host = "Host: a\r\n"
        #expect(
            parse("GET /\(String(repeating: "a", count: 60)) HTTP/1.1\r\n\(host)\r\n", limits: limits).0
                == .failed(.targetTooLong)
        )
        #expect(
            parse("GET / HTTP/1.1\r\n\(host)X: \(String(repeating: "a", count: 200))\r\n\r\n", limits: limits).0
                == .failed(.headTooLarge)
        )
        #expect(parse("GET / HTTP/1.1\r\n\(host)A:\r\nB:\r\nC:\r\n\r\n", limits: limits).0 == .failed(.tooManyFields))
        #expect(parse("GET / HTTP/2.0\r\n\(host)\r\n").0 == .failed(.unsupportedVersion))
        #expect(parse("GET / HTTP/1.1\r\n\(host)Expect: 200-maybe\r\n\r\n").0 == .failed(.unknownExpectation))
        #expect(
            parse("PUT / HTTP/1.1\r\n\(host)Content-Length: 1125899906842625\r\n\r\n").0 == .failed(.bodyTooLarge)
        )
    }

    /// Fields are read many at a time; their number makes no difference.
    @Test(arguments: [1, 31, 32, 33, 63, 64, 65, 128]) func everyFieldIsRead(_ count: Int) {
        let names = ["Host"] + (1..<count).map { "X-Field-\($0)" }
        let text = "GET / HTTP/1.1\r\n" + names.map { "\($0): v\r\n" }.joined() + "\r\n"
        let bytes = Array(text.utf8)
        let (progress, head) = parse(text)
        #expect(progress == .complete(bytes.count))
        #expect(head.fields.map { bytes.span.text($0.name) } == names)
        #expect(head.fields.allSatisfy { bytes.span.text($0.value) == "v" && !$0.hasOddName })
        #expect(parse(text, limits: HeadLimits(fields: count - 1)).0 == .failed(.tooManyFields))
    }

    /// Framing and Host cannot be taken away by naming them in `Connection`. The client's own credential can: Squire's is
    /// added behind that.
    @Test func connectionCannotRemoveFraming() {
        let (_, head) = parse(
            "POST / HTTP/1.1\r\nHost: a\r\nConnection: Content-Length, Host, X\r\nContent-Length: 1\r\nX: 1\r\n\r\n"
        )
        #expect(head.fields.filter(\.isNominated).count == 1)
        let own = parse("GET / HTTP/1.1\r\nHost: a\r\nConnection: Authorization\r\nAuthorization: Basic eA==\r\n\r\n").1
        #expect(own.fields.filter(\.isNominated).map(\.id) == [.authorization])
    }
}

@Suite struct ResponseParserTests {
    private func parse(_ text: String, _ method: MethodName = .get) -> (ParseProgress, ResponseHead) {
        var parser = ResponseParser(limits: HeadLimits())
        var head = ResponseHead()
        let bytes = Array(text.utf8)
        let whole = parser.parse(bytes.span, answering: method, into: &head)
        var pieces = ResponseParser(limits: HeadLimits())
        var other = ResponseHead()
        var progress = ParseProgress.incomplete
        for end in 1...bytes.count where progress == .incomplete {
            progress = pieces.parse(Array(bytes[..<end]).span, answering: method, into: &other)
        }
        if case .complete = whole {
            #expect(progress == whole && other.framing == head.framing && other.status == head.status)
        }
        return (whole, head)
    }

    @Test("A TLS port that answers plain HTTP with an alert is recognised by the alert's first byte")
    func alerts() {
        #expect(parse("\u{15}").0 == .failed(.answersTLS))
        #expect(parse("\u{15}\u{3}\u{1}\0\u{2}\u{2}F").0 == .failed(.answersTLS))
        #expect(parse("H\u{15}").0 == .failed(.malformed("the upstream does not answer in HTTP/1.1")))
    }

    @Test func bodyLengthFollowsStatusAndFields() {
        #expect(parse("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n").1.framing == .length(3))
        #expect(parse("HTTP/1.1 200 OK\r\nContent-Length: 3, 3\r\nContent-Length: 3\r\n\r\n").1.framing == .length(3))
        #expect(parse("HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n").1.framing == .chunked)
        #expect(parse("HTTP/1.0 200 OK\r\n\r\n").1.framing == .untilClose)
        #expect(parse("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", .head).1.framing == .none)
        #expect(parse("HTTP/1.1 204 No Content\r\n\r\n").1.framing == .none)
        #expect(parse("HTTP/1.1 304 X\r\nContent-Length: 3\r\n\r\n").1.framing == .none)
        #expect(parse("HTTP/1.1 100 Continue\r\n\r\n").1.isInterim)
        #expect(!parse("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n").1.keepsAlive)
        #expect(!parse("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n").1.keepsAlive)
    }

    @Test(arguments: [
        "hello", "HTTP/2 200 OK\r\n\r\n   ", "HTTP/1.1 20 OK\r\n\r\n  ", "HTTP/1.1 099 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n", "HTTP/1.1 200 OK\nContent-Length: 1\n\n",
    ])
    func refused(_ text: String) {
        guard case .failed = parse(text).0 else {
            Issue.record("accepted")
            return
        }
    }
}
