import Credentials
import ReverseProxy
import Support
import Testing

@testable import Inspector

@Suite struct HARWriterTests {
    private static func writer(_ view: HARWriter.View = .client, attempts: Bool = false) -> HARWriter {
        HARWriter(
            version: "1.0",
            client: "http://127.0.0.1:8080",
            upstream: "https://api.test/v1",
            view: view,
            showsAttempts: attempts,
            bodyLimit: 65_536
        )
    }

    private static func entries(_ exchange: RecordedExchange, _ writer: HARWriter = writer()) -> [JSONValue] {
        writer.entries(of: exchange.stored()!).compactMap { JSONValue(parsing: Array($0.utf8)) }
    }

    private static func entry(_ exchange: RecordedExchange, _ writer: HARWriter = writer()) -> JSONValue {
        entries(exchange, writer).first ?? .null
    }

    private static func number(_ value: JSONValue?) -> Double {
        if case .number(let text)? = value { Double(text) ?? .nan } else { .nan }
    }

    /// `time` is the sum of the timings that are not -1, `ssl` being part of `connect`.
    private static func isSumExact(_ entry: JSONValue) -> Bool {
        let parts = ["blocked", "dns", "connect", "send", "wait", "receive"].map { number(entry["timings"]?[$0]) }
        let sum = parts.filter { $0 != -1 }.reduce(0, +)
        return parts.allSatisfy { $0 >= 0 || $0 == -1 } && abs(sum - number(entry["time"])) < 0.0001
    }

    @Test func exchangeIsOneEntryAsTheClientSawIt() {
        var exchange = RecordedExchange()
        exchange.request("POST /api/orders?a=1&b=%C3%A9+x", "Content-Type: application/json\r\n", body: #"{"n":1}"#)
        exchange.attempt(at: 2)
        exchange.answer(
            "201 All Right",
            "Content-Type: text/plain\r\nLocation: /o/1\r\nSet-Cookie: s=1; Path=/; Secure; Expires=Thu, 01 Jan 2026 00:00:00 GMT\r\n",
            body: "hello"
        )
        exchange.end(201, at: 12, requestBytes: 7, responseBytes: 5)
        let entry = Self.entry(exchange)
        let expected: [(String, JSONValue)] = [
            ("/pageref", .string("squire")), ("/startedDateTime", .string("2025-11-26T10:12:40.004Z")),
            ("/time", .integer(12)), ("/connection", .string("12")), ("/cache", .object([])),
            ("/request/method", .string("POST")),
            ("/request/url", .string("http://127.0.0.1:8080/api/orders?a=1&b=%C3%A9+x")),
            ("/request/httpVersion", .string("HTTP/1.1")), ("/request/queryString/1/name", .string("b")),
            ("/request/queryString/1/value", .string("é x")), ("/request/cookies", .array([])),
            ("/request/headers/0/name", .string("Host")), ("/request/headers/0/value", .string("127.0.0.1:8080")),
            ("/request/postData/mimeType", .string("application/json")),
            ("/request/postData/text", .string(#"{"n":1}"#)),
            ("/request/bodySize", .integer(7)), ("/response/status", .integer(201)),
            ("/response/statusText", .string("All Right")), ("/response/redirectURL", .string("/o/1")),
            ("/response/bodySize", .integer(5)), ("/response/content/size", .integer(5)),
            ("/response/content/mimeType", .string("text/plain")), ("/response/content/text", .string("hello")),
            ("/response/cookies/0/name", .string("s")), ("/response/cookies/0/value", .string("‹redacted›")),
            ("/response/cookies/0/path", .string("/")),
            ("/response/cookies/0/expires", .string("2026-01-01T00:00:00.000Z")),
            ("/response/cookies/0/secure", .bool(true)), ("/response/cookies/0/httpOnly", .bool(false)),
            ("/timings/blocked", .integer(2)), ("/timings/dns", .integer(-1)), ("/timings/connect", .integer(-1)),
            ("/timings/ssl", .integer(-1)), ("/timings/wait", .integer(8)), ("/timings/receive", .integer(2)),
            ("/_squire/id", .string("00a7-1")), ("/_squire/outcome", .string("complete")), ("/_squire/code", .null),
            ("/_squire/attempts", .integer(1)), ("/_squire/redactions/0", .string("field Set-Cookie")),
        ]
        for (pointer, value) in expected { #expect(entry.value(at: pointer) == value, "\(pointer)") }
        #expect(Self.isSumExact(entry) && entry["serverIPAddress"] == nil && entry["_initiator"] == nil)
        let head =
            "POST /api/orders?a=1&b=%C3%A9+x HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\n"
        #expect(entry.value(at: "/request/headersSize") == .integer(head.utf8.count))
        #expect(entry.value(at: "/response/cookies/0/domain") == nil)
    }

    /// What looking the name up and TLS took, as libcurl measured it, is never more than what was seen to pass.
    @Test(arguments: [
        (UInt64(1_500_000), UInt64(12_000_000), 20.0, ["2", "1.5", "18.5", "12"]),
        (0, 0, 20, ["2", "-1", "20", "-1"]), (50_000_000, 60_000_000, 20, ["2", "20", "0", "0"]),
    ])
    func aNewConnectionHasItsParts(_ lookup: UInt64, _ tls: UInt64, _ took: Double, _ expected: [String]) {
        var exchange = RecordedExchange()
        exchange.request()
        exchange.add(2, .attempt(number: 1, generation: 7))
        exchange.add(2 + took, .connected(isReused: false, lookup: lookup, tls: tls))
        exchange.answer(at: 30)
        exchange.end(200, at: 31)
        let entry = Self.entry(exchange)
        let parts = ["blocked", "dns", "connect", "ssl"].map { Self.number(entry["timings"]?[$0]) }
        #expect(parts == expected.compactMap(Double.init))
        #expect(Self.isSumExact(entry) && entry["time"] == .integer(31))
    }

    @Test func upstreamsViewHasWhatWasSent() {
        var exchange = RecordedExchange()
        exchange.request()
        exchange.attempt()
        exchange.answer(body: "{}")
        exchange.end(responseBytes: 2)
        let entry = Self.entry(exchange, Self.writer(.upstream))
        #expect(entry.value(at: "/request/url") == .string("https://api.test/v1/api/x"))
        #expect(entry.value(at: "/request/headers/0/value") == .string("api.test"))
    }

    @Test func attemptsAreEntriesOfOnePage() throws {
        var exchange = RecordedExchange()
        exchange.request("POST /api/orders")
        exchange.attempt(1, 6, at: 0.1)
        exchange.answer("401 Unauthorized", body: "no", at: 46.9)
        exchange.add(46.9, .held)
        exchange.add(47, .tokenWait(.another, .ownRefresh))
        exchange.add(229.1, .tokenArrived(.token(7)))
        exchange.attempt(2, 7, at: 229.3)
        exchange.answer("201 Created", body: "yes", at: 231.2)
        exchange.end(201, at: 231.4, responseBytes: 3)
        let writer = Self.writer(.upstream, attempts: true)
        let entries = Self.entries(exchange, writer)
        #expect(entries.map { $0.value(at: "/response/status") } == [.integer(401), .integer(201)])
        #expect(entries.map { $0.value(at: "/response/content/text") } == [.string("no"), .string("yes")])
        #expect(entries.allSatisfy { $0["pageref"] == .string("00a7-1") && Self.isSumExact($0) })
        #expect(entries[1].value(at: "/timings/blocked") == .number("182.4"))
        #expect(entries.map { Self.number($0["time"]) }.reduce(0, +) == 231.4)
        #expect(entries[1].value(at: "/_squire/generations") == .array([.integer(6), .integer(7)]))
        let page = try #require(JSONValue(parsing: Array(writer.page(of: exchange.stored()!).utf8)))
        #expect(page["title"] == .string("POST /api/orders (401, refreshed, 201)") && page["id"] == .string("00a7-1"))
        // As the client saw it, it is one.
        let one = Self.entries(exchange)
        #expect(one.count == 1 && one[0].value(at: "/response/status") == .integer(201) && Self.isSumExact(one[0]))
        #expect(one[0].value(at: "/_squire/refresh") == .string("led") && one[0]["time"] == .number("231.4"))
    }

    @Test func getWithABodyHasPostData() {
        var exchange = RecordedExchange()
        exchange.request(
            "GET /x",
            "Content-Type: application/x-www-form-urlencoded\r\n",
            body: "a=1&b=%20&password=x&c"
        )
        exchange.attempt()
        exchange.answer()
        exchange.end(requestBytes: 22)
        let data = Self.entry(exchange).value(at: "/request/postData")
        #expect(data?["text"] == nil && data?.value(at: "/params/1/value") == .string(" "))
        #expect(
            data?.value(at: "/params/2/value") == .string("‹redacted›")
                && data?.value(at: "/params/3/value") == .string("")
        )
    }

    @Test func octetsAreBase64() {
        var exchange = RecordedExchange()
        exchange.request("POST /x", "Content-Length: 2\r\n")
        exchange.add(0.1, .requestBody([0xFF, 0x00]))
        exchange.attempt()
        exchange.answer()
        exchange.add(10, .responseBody([0xFE]))
        exchange.end(requestBytes: 2, responseBytes: 1)
        let entry = Self.entry(exchange)
        #expect(entry.value(at: "/request/postData/text") == .string(""))
        #expect(entry.value(at: "/request/postData/_content/text") == .string("/wA="))
        #expect(entry.value(at: "/request/postData/_content/size") == .integer(2))
        #expect(entry.value(at: "/response/content/text") == .string("/g=="))
        #expect(entry.value(at: "/response/content/encoding") == .string("base64"))
        #expect(entry.value(at: "/response/content/mimeType") == .string("application/octet-stream"))
    }

    @Test func encodedBodyHasItsDecodedSize() {
        // gzip of "hello hello hello hello"
        let zipped: [UInt8] = [
            0x1F, 0x8B, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0xCB, 0x48, 0xCD, 0xC9, 0xC9, 0x57, 0xC8, 0x40,
            0x27, 0x01, 0xE3, 0x51, 0x3D, 0x8D, 0x17, 0x00, 0x00, 0x00,
        ]
        var exchange = RecordedExchange()
        exchange.request()
        exchange.attempt()
        exchange.answer("200 OK", "Content-Encoding: gzip\r\n")
        exchange.add(10, .responseBody(zipped))
        exchange.end(responseBytes: UInt64(zipped.count))
        let content = Self.entry(exchange).value(at: "/response/content")
        #expect(content?["size"] == .integer(23) && content?["text"] == .string("hello hello hello hello"))
        #expect(content?["compression"] == .integer(23 - zipped.count))
    }

    @Test func unreadableBodySaysSo() {
        var exchange = RecordedExchange()
        exchange.request()
        exchange.attempt()
        exchange.answer("200 OK", "Content-Encoding: br\r\n", body: "\u{1}abc")
        exchange.end(responseBytes: 4)
        let content = Self.entry(exchange).value(at: "/response/content")
        #expect(content?["text"] == nil && content?["comment"]?.string?.contains("br") == true)
    }

    @Test func ownAnswerHasNoTimes() {
        var exchange = RecordedExchange()
        exchange.request()
        let head =
            "HTTP/1.1 403 Forbidden\r\nContent-Type: application/problem+json\r\nContent-Length: 14\r\n"
            + "Proxy-Status: squire; error=http_request_denied\r\n\r\n"
        let body = Array(#"{"status":403}"#.utf8)
        exchange.add(1, .ownAnswer(status: 403, head: Array(head.utf8), body: body, code: "forbidden_origin"))
        exchange.end(403, at: 2, outcome: .local, responseBytes: 14)
        let entry = Self.entry(exchange)
        #expect(entry["time"] == .integer(0) && Self.isSumExact(entry))
        #expect(entry.value(at: "/_squire/code") == .string("forbidden_origin"))
        #expect(entry.value(at: "/response/status") == .integer(403))
        #expect(entry.value(at: "/response/content/text") == .string(#"{"status":403}"#))
        // As they were sent, not as they might have been.
        #expect(entry.value(at: "/response/headers/0/value") == .string("application/problem+json"))
        #expect(entry.value(at: "/response/headers/2/name") == .string("Proxy-Status"))
        #expect(entry.value(at: "/response/headersSize") == .integer(head.utf8.count))
        #expect(entry.value(at: "/response/content/mimeType") == .string("application/problem+json"))
    }

    @Test func sendingIsTimedByItself() {
        var exchange = RecordedExchange()
        exchange.request("POST /x", body: "abc")
        exchange.attempt(at: 1)
        exchange.add(5, .sent)
        exchange.answer(at: 9)
        exchange.end(at: 11)
        let entry = Self.entry(exchange)
        let written = ["blocked", "send", "wait", "receive"].map { entry.value(at: "/timings/\($0)")?.integer }
        #expect(written == [1, 4, 4, 2] && Self.isSumExact(entry))
    }

    /// An upstream that refuses a long upload answers before all of it went.
    @Test func whatIsSentAfterTheAnswerIsNoWaiting() {
        var exchange = RecordedExchange()
        exchange.request("POST /x", body: "abc")
        exchange.attempt(at: 1)
        exchange.answer("413 No", at: 4)
        exchange.add(5, .sent)
        exchange.end(413, at: 6)
        let entry = Self.entry(exchange)
        let written = ["send", "wait", "receive"].map { entry.value(at: "/timings/\($0)")?.integer }
        #expect(written == [0, 3, 2] && Self.isSumExact(entry))
    }

    @Test func headHasNoContent() {
        var exchange = RecordedExchange()
        exchange.request("HEAD /x")
        exchange.attempt()
        exchange.answer("200 OK", "Content-Length: 5\r\n")
        exchange.end()
        let entry = Self.entry(exchange)
        #expect(
            entry.value(at: "/response/content/size") == .integer(0) && entry.value(at: "/response/content/text") == nil
        )
        #expect(entry.value(at: "/response/bodySize") == .integer(0))
    }

    @Test func missingAnswerIsStatusZero() {
        var exchange = RecordedExchange()
        exchange.request()
        exchange.attempt()
        exchange.end(0, at: 5, outcome: .clientGone)
        let entry = Self.entry(exchange)
        #expect(entry.value(at: "/response/status") == .integer(0) && entry["time"] == .integer(5))
        #expect(entry.value(at: "/response/_error")?.string?.contains("client_gone") == true)
        #expect(entry.value(at: "/response/bodySize") == .integer(-1) && Self.isSumExact(entry))
    }

    @Test func answerThatNeverEndedHasNoSize() {
        var exchange = RecordedExchange()
        exchange.request()
        exchange.attempt()
        exchange.answer("200 OK", "Content-Length: 50\r\n", body: "abc")
        exchange.end(200, outcome: .upstreamBroke, responseBytes: 3)
        #expect(Self.entry(exchange).value(at: "/response/bodySize") == .integer(-1))
    }

    @Test func hostileFieldsAreText() {
        var exchange = RecordedExchange()
        exchange.request("GET /\"<script>?x", "X-A: \"quote\\ \u{e9}\r\n")
        exchange.attempt()
        exchange.answer("200 \"Fine\"", "X-B:\r\nX-B: 1\r\n")
        exchange.end()
        let headers = Self.entry(exchange).value(at: "/response/headers")
        #expect(
            headers
                == .array([
                    .object([.init("name", .string("X-B")), .init("value", .string(""))]),
                    .object([.init("name", .string("X-B")), .init("value", .string("1"))]),
                ])
        )
    }

    @Test func framesAreMessages() {
        var stored = RecordedExchange.plain(1).stored()!
        stored.isTunnel = true
        stored.messages = [
            StoredMessage(at: 1.5, isFromClient: true, opcode: 1, size: 2, kept: Array("hi".utf8)),
            StoredMessage(at: 2, isFromClient: false, opcode: 2, size: 1, kept: [0xFF]),
        ]
        let entry = JSONValue(parsing: Array(Self.writer().entries(of: stored)[0].utf8))
        #expect(entry?["_resourceType"] == .string("websocket"))
        #expect(entry?.value(at: "/_webSocketMessages/0/type") == .string("send"))
        #expect(entry?.value(at: "/_webSocketMessages/0/data") == .string("hi"))
        #expect(entry?.value(at: "/_webSocketMessages/1/data") == .string("/w=="))
    }

    @Test func runningOneIsNoEntry() {
        var stored = RecordedExchange.plain(1).stored()!
        stored.ending = nil
        #expect(Self.writer().entries(of: stored).isEmpty)
    }

    /// What is written as a whole, and with what is gone meanwhile left out.
    @Test(arguments: [false, true])
    func streamIsOneJSONText(_ attempts: Bool) {
        let kept = Dictionary(
            uniqueKeysWithValues: [1, 3].map {
                (ExchangeID(prefix: 0xA7, number: $0), RecordedExchange.plain($0).stored()!)
            }
        )
        for ids in [[], [1], [1, 2, 3], [2]] as [[UInt64]] {
            let stream = HARStream(
                writer: Self.writer(attempts: attempts),
                ids: ids.map { ExchangeID(prefix: 0xA7, number: $0) },
                find: { kept[$0] },
                responder: nil
            )
            var text = ""
            while let pieces = stream.next() { text += pieces.joined() }
            let log = JSONValue(parsing: Array(text.utf8))?["log"]
            guard case .array(let entries)? = log?["entries"], case .array(let pages)? = log?["pages"] else {
                Issue.record("no archive: \(text)")
                continue
            }
            let there = ids.count { $0 != 2 }
            #expect(entries.count == there && log?["version"] == .string("1.2"))
            #expect(pages.count == (attempts ? there : min(1, there)))
            #expect(entries.allSatisfy { entry in pages.contains { $0["id"] == entry["pageref"] } })
        }
    }
}
