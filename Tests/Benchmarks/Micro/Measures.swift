import Credentials
import EventIO
import HTTP1
import ReverseProxy

/// What is measured, one call of `once` at a time. `config/bench micro` counts instructions and allocations from
/// outside.
struct Measure {
    let name: String
    /// What it does, with its size.
    let summary: String
    let once: () -> Void

    static var all: [Measure] {
        [
            requestParser, requestInPieces, responseParser, chunkedDecoder, headerPolicy, menuHeaderPolicy,
            responsePolicy, exchange,
        ]
    }

    /// As a mobile client of the API sends it.
    private static let requestText = Array(
        """
        GET /api/customer-accounts/8100bab1-267e-41ae-8592-c229253b0129?with=orders HTTP/1.1\r
        Host: 127.0.0.1:8080\r
        User-Agent: MenuApp/5.1 (Android 13; Pixel 7)\r
        Accept: application/json\r
        Accept-Encoding: gzip\r
        Content-Type: application/json\r
        X-Request-ID: 69da3547-204b-4093-a225-54e084c24215\r
        X-QB-Enabled: true\r
        \r

        """.utf8
    )

    private static let responseText = Array(
        """
        HTTP/1.1 200 OK\r
        Server: nginx/1.22.1\r
        Date: Tue, 24 Nov 2026 15:30:00 GMT\r
        Content-Type: application/json\r
        Content-Length: 498\r
        Connection: keep-alive\r
        \r

        """.utf8
    )

    // MARK: HTTP1

    private static var requestParser: Measure {
        var parser = RequestParser(limits: HeadLimits())
        var head = RequestHead()
        return Measure(name: "request-head", summary: "parse a request's head, \(requestText.count) bytes, 7 fields") {
            check(parser.parse(requestText.span, into: &head) == .complete(requestText.count))
        }
    }

    private static var requestInPieces: Measure {
        var parser = RequestParser(limits: HeadLimits())
        var head = RequestHead()
        return Measure(name: "request-head-in-pieces", summary: "the same, in pieces of 16 bytes") {
            for end in stride(from: 16, to: requestText.count, by: 16) {
                check(parser.parse(requestText.span.extracting(..<end), into: &head) == .incomplete)
            }
            check(parser.parse(requestText.span, into: &head) == .complete(requestText.count))
        }
    }

    private static var responseParser: Measure {
        var parser = ResponseParser(limits: HeadLimits())
        var head = ResponseHead()
        return Measure(name: "response-head", summary: "parse an answer's head, \(responseText.count) bytes, 5 fields")
        {
            check(parser.parse(responseText.span, answering: .get, into: &head) == .complete(responseText.count))
        }
    }

    private static var chunkedDecoder: Measure {
        let body = (Array("1000\r\n".utf8) + [UInt8](repeating: 0x61, count: 4096) + Array("\r\n".utf8))
        let text = (0..<4).flatMap { _ in body } + Array("0\r\n\r\n".utf8)
        return Measure(name: "chunked-body", summary: "take 4 chunks of 4 KiB apart") {
            var decoder = ChunkedDecoder()
            var offset = 0
            while true {
                switch decoder.next(text.span, from: offset) {
                case .data(let range): offset = Int(range.upperBound)
                case .finished(let end): return check(end == text.count)
                case .needsMore, .failed: return check(false)
                }
            }
        }
    }

    // MARK: ReverseProxy

    private static var headerPolicy: Measure {
        let fixed = [
            ("Application", "f3a90488ffee32c3acb6fcd0ca417cf6"), ("Api-Version", "4.38.0"), ("Device-UUID", "1287796"),
        ]
        return rendering(name: "request-fields", summary: "write the upstream's head, 3 configured fields", fixed)
    }

    private static var menuHeaderPolicy: Measure {
        let rules = [
            ("Accept", "application/json"), ("X-Trace", "{uuid}"), ("Application", "f3a90488ffee32c3acb6fcd0ca417cf6"),
            ("Api-Version", "4.38.0"), ("Device-UUID", "1287796"),
        ]
        return rendering(name: "request-fields-uuid", summary: "the same with 5, a fresh UUID among them", rules)
    }

    private static func rendering(name: String, summary: String, _ rules: [(String, String)]) -> Measure {
        var configuration = ProxyConfiguration(upstream: upstream)
        configuration.headers = rules.map { HeaderRule(name: $0.0, value: $0.1) }
        let policy = HeaderPolicy(configuration)
        var parser = RequestParser(limits: HeadLimits())
        var head = RequestHead()
        check(parser.parse(requestText.span, into: &head) == .complete(requestText.count))
        var identifiers = IdentifierGenerator(seed: 1)
        let output = ByteBuffer(capacity: 64 * 1024)
        return Measure(name: name, summary: summary) {
            output.clear()
            let rendered = requestText.withUnsafeBytes {
                policy.render(
                    head,
                    $0,
                    route: .ordinary,
                    keepsExpectation: false,
                    identifiers: &identifiers,
                    into: output
                )
            }
            check(!rendered.hasCredential && output.count > 300)
        }
    }

    private static var responsePolicy: Measure {
        let policy = ResponsePolicy(ProxyConfiguration(upstream: upstream))
        var parser = ResponseParser(limits: HeadLimits())
        var head = ResponseHead()
        check(parser.parse(responseText.span, answering: .get, into: &head) == .complete(responseText.count))
        let edits = ResponsePolicy.Edits(framing: .length(498), closes: false)
        let output = ByteBuffer(capacity: 64 * 1024)
        return Measure(name: "response-fields", summary: "write the client's head") {
            output.clear()
            responseText.withUnsafeBytes { policy.render(head, $0, edits, into: output) }
            check(output.count > 100)
        }
    }

    private static var exchange: Measure {
        let token = Token("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI1MDkwOTc2In0.c2lnbmF0dXJl")!
        let principal = Principal(lineage: "login", subject: "5090976")
        let credentials = [1, 2].map { number in
            Credential(
                generation: number,
                token: token,
                principal: principal,
                expiry: nil,
                expiresAt: nil,
                receivedAt: 0
            )
        }
        return Measure(name: "exchange", summary: "decide an exchange: refused, refreshed, sent again, relayed") {
            var exchange = Exchange(.init(route: .ordinary, method: .get, carriesCredential: true, missing: .refuse))
            check(exchange.credentialArrived(.success(credentials[0])) == .send)
            check(exchange.headArrived(status: 401, verdict: .rejected, isReplayable: true) == .hold)
            check(exchange.credentialArrived(.success(credentials[1])) == .send)
            check(exchange.headArrived(status: 200, verdict: .accepted, isReplayable: true) == .relay)
        }
    }

    private static let upstream = Origin(isSecure: true, authority: Authority(host: "api.example.com", port: nil))

    /// What is measured must be right, too.
    private static func check(_ isRight: Bool) {
        precondition(isRight, "the measured code did not do its work")
    }
}
