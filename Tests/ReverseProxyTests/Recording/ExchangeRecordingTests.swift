import Credentials
import EventIO
import Platform
import Testing

@testable import ReverseProxy

/// What is recorded of each kind of exchange.
@Suite struct ExchangeRecordingTests {
    private static let (first, second) = ("aaaa.bbbb.aaaa", "aaaa.bbbb.cccc")
    private let plain = ["began", "request", "sent", "attempt 1/0", "connected", "head", "down", "ended 200 complete"]

    private func request(
        _ method: String = "GET",
        _ target: String = "/x",
        _ fields: String = "",
        body: String = ""
    )
        -> String
    {
        "\(method) \(target) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\(fields)\r\n\(body)"
    }

    private func answer(_ status: Int = 200, _ fields: String = "", body: String = "hello") -> String {
        "HTTP/1.1 \(status) Fine\r\nContent-Length: \(body.utf8.count)\r\nConnection: close\r\n\(fields)\r\n\(body)"
    }

    /// Accepts the second token only.
    private static func refusesFirst(_ request: String) -> ScriptedUpstream.Answer {
        let isRefused = !request.contains("Bearer \(second)")
        let body = isRefused ? "refused" : "hello"
        return .text(
            "HTTP/1.1 \(isRefused ? 401 : 200) Fine\r\nContent-Length: \(body.count)\r\nConnection: close\r\n\r\n\(body)"
        )
    }

    @Test func aRequestAndItsAnswer() throws {
        let body = answer()
        let proxy = try RecordedProxy { _ in .text(body) }
        #expect(try proxy.ask(request("GET", "/x", "X-Mine: 1\r\n")).hasSuffix("hello"))
        let exchanges = proxy.end()
        let events = try #require(exchanges.first)
        #expect(exchanges.count == 1 && events.words == plain)
        #expect(events.text("request") == request("GET", "/x", "X-Mine: 1\r\n"))
        #expect(events.text("sent").hasPrefix("GET /x HTTP/1.1\r\nHost: 127.0.0.1:"))
        #expect(events.text("head") + events.text("down") == answer())
        let (beginning, ending) = (try #require(events.beginning), try #require(events.ending))
        #expect(beginning.origin == .client && beginning.connection > 0)
        #expect(abs(beginning.wallMilliseconds - Int64(WallClock.now().seconds) * 1000) < 60_000)
        #expect(ending.attempts == 1 && ending.requestBytes == 0 && ending.responseBytes == 5 && ending.wasReplayable)
        #expect(zip(events, events.dropFirst()).allSatisfy { $0.at <= $1.at })
        #expect(events.allSatisfy { proxy.recordings.hasGiven($0.exchange) })
        #expect(proxy.recordings.counts == Recordings.Counts(recorded: 1))
    }

    @Test(arguments: ["HEAD", "204", "304"]) func answersWithoutBody(_ kind: String) throws {
        let status = Int(kind) ?? 200
        let answer = "HTTP/1.1 \(status) Fine\r\nConnection: close\r\n\r\n"
        let proxy = try RecordedProxy { _ in .text(answer) }
        _ = try proxy.ask(request(kind == "HEAD" ? "HEAD" : "GET"))
        let events = try #require(proxy.end().first)
        #expect(events.words == Array(plain[..<6]) + ["ended \(status) complete"])
        #expect(events.ending?.responseBytes == 0)
    }

    @Test(arguments: [true, false]) func bodiesAreWithoutFraming(_ isChunked: Bool) throws {
        let body = answer(body: "")
        let proxy = try RecordedProxy { _ in
            isChunked
                ? .pieces([
                    "HTTP/1.1 200 Fine\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n2\r\nhe\r\n",
                    "3\r\nllo\r\n0\r\n\r\n",
                ]) : .text(body)
        }
        let sent =
            isChunked
            ? request("POST", "/x", "Transfer-Encoding: chunked\r\n", body: "1\r\na\r\n3\r\nbcd\r\n0\r\n\r\n")
            : request("POST", "/x", "Content-Length: 4\r\n", body: "abcd")
        _ = try proxy.ask(sent)
        let events = try #require(proxy.end().first)
        #expect(events.text("up") == "abcd")
        #expect(events.text("down") == (isChunked ? "hello" : ""))
        #expect(events.ending?.requestBytes == 4)
    }

    @Test func onlyTheBeginningOfABodyIsKept() throws {
        let body = String(repeating: "0123456789", count: 50_000)
        let answer = answer(body: body)
        let proxy = try RecordedProxy(bodyLimit: 10_000) { _ in .text(answer) }
        let got = try proxy.ask(request("POST", "/x", "Content-Length: \(body.count)\r\n", body: body))
        #expect(got.hasSuffix(body))
        let events = try #require(proxy.end().first)
        #expect(events.text("up") == body.prefix(10_000) && events.text("down") == body.prefix(10_000))
        #expect(events.ending?.requestBytes == 500_000 && events.ending?.responseBytes == 500_000)
        #expect(!events.words.contains("lost"))
    }

    @Test func interimAnswersAreTold() throws {
        let answer = answer()
        let proxy = try RecordedProxy { _ in
            .text("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" + answer)
        }
        _ = try proxy.ask(request())
        #expect(proxy.end().first?.words[5..<8] == ["interim 103", "interim 100", "head"])
    }

    // MARK: Tokens

    @Test func aRejectionIsOneExchange() throws {
        let proxy = try RecordedProxy(tokens: [Self.first, Self.second], respond: Self.refusesFirst)
        let got = try proxy.ask(request("POST", "/x", "Content-Length: 4\r\n", body: "abcd"))
        #expect(got.hasPrefix("HTTP/1.1 200"))
        let events = try #require(proxy.end().first)
        #expect(
            events.words == [
                "began", "request", "sent", "up", "attempt 1/1", "connected", "head", "held", "wait another ownRefresh",
                "token 2", "down", "attempt 2/2", "connected", "head", "down", "ended 200 complete",
            ]
        )
        #expect(events.text("down") == "refusedhello" && events.text("up") == "abcd")
        #expect(events.ending?.refresh == .brought && events.ending?.attempts == 2)
        // Tokens are never copied.
        let all = events.map(\.text).joined()
        #expect(!all.contains(Self.first) && !all.contains(Self.second) && !all.lowercased().contains("authorization"))
        #expect(
            proxy.server.generationCounts() == [1: GenerationCounts(refused: 1), 2: GenerationCounts(served: 1)]
        )
    }

    @Test func whatIsHeldInVainIsRelayed() throws {
        let proxy = try RecordedProxy(tokens: [Self.first], respond: Self.refusesFirst)
        #expect(try proxy.ask(request()).hasPrefix("HTTP/1.1 401"))
        let events = try #require(proxy.end().first)
        #expect(
            events.words.suffix(7) == [
                "head", "held", "wait another ownRefresh", "no token", "relayed", "down", "ended 401 complete",
            ]
        )
        #expect(proxy.server.generationCounts() == [1: GenerationCounts(refused: 1)])
    }

    @Test func withoutATokenSquireAnswersItself() throws {
        let proxy = try RecordedProxy(
            tokens: [],
            configure: { $0.session.source = .given },
            respond: { _ in .hangUp }
        )
        let got = try proxy.ask(request())
        let events = try #require(proxy.end().first)
        #expect(
            events.words == [
                "began", "request", "sent", "wait first nothing", "no token", "own 401 login_needed",
                "ended 401 refused",
            ]
        )
        #expect(got.hasSuffix(events.text("own 401 login_needed")) && got.contains("login_needed"))
    }

    // MARK: What goes wrong

    @Test func anUpstreamThatHangsUp() throws {
        let proxy = try RecordedProxy { _ in .hangUp }
        _ = try proxy.ask(request())
        let events = try #require(proxy.end().first)
        #expect(events.words == Array(plain[..<5]) + ["own 502 upstream_reset", "ended 502 refused"])
    }

    @Test func anAnswerThatIsCut() throws {
        let proxy = try RecordedProxy { _ in .text("HTTP/1.1 200 Fine\r\nContent-Length: 9\r\n\r\nhalf") }
        _ = try proxy.ask(request())
        let events = try #require(proxy.end().first)
        #expect(events.words == Array(plain[..<7]) + ["ended 200 upstream-broke"] && events.text("down") == "half")
    }

    @Test func refusalsGoNoFurther() throws {
        let proxy = try RecordedProxy { _ in .hangUp }
        _ = try proxy.ask("GET /x HTTP/1.1\r\nHost: evil.test\r\n\r\n")
        let events = try #require(proxy.end().first)
        #expect(events.words == ["began", "request", "own 421 misdirected_request", "ended 421 refused"])
        #expect(events.ending?.attempts == 0)
    }

    @Test(arguments: [
        ("GET /x HTTP/1.1\r\nBroken\r\nX: geheim\r\n\r\n", "GET /x HTTP/1.1"), ("USER a\r\nPASS b\r\n\r\n", ""),
    ])
    func bytesThatAreNoRequest(_ bytes: String, _ line: String) throws {
        let proxy = try RecordedProxy { _ in .hangUp }
        _ = try proxy.ask(bytes)
        let events = try #require(proxy.end().first)
        #expect(
            events.words.first == "began" && events.words.suffix(2) == ["own 400 bad_request", "ended 400 refused"]
        )
        #expect(events.text("request") == line)
        #expect(proxy.recordings.counts.ended == 1)
    }

    @Test func ownAnswersThatAreNoProblem() throws {
        let proxy = try RecordedProxy { _ in .hangUp }
        _ = try proxy.ask(request("OPTIONS", "*", "Max-Forwards: 0\r\n"))
        #expect(proxy.end().first?.words.suffix(2) == ["own 200 -", "ended 200 complete"])
    }

    // MARK: Late

    @Test func whatGoesWellIsNotRecordedAmongFailures() throws {
        let answer = answer()
        let proxy = try RecordedProxy(mode: .failures) { _ in .text(answer) }
        _ = try proxy.ask(request())
        #expect(proxy.end().isEmpty)
        #expect(proxy.recordings.counts == Recordings.Counts(off: 1))
    }

    @Test(arguments: [true, false]) func aFailureIsRecordedFromThenOn(_ isChunked: Bool) throws {
        let answer = answer(404, body: "nothing here")
        let proxy = try RecordedProxy(mode: .failures) { _ in .text(answer) }
        let sent =
            isChunked
            ? request("POST", "/x", "Transfer-Encoding: chunked\r\n", body: "1\r\na\r\n3\r\nbcd\r\n0\r\n\r\n")
            : request("POST", "/x", "Content-Length: 4\r\n", body: "abcd")
        _ = try proxy.ask(sent)
        let events = try #require(proxy.end().first)
        #expect(
            events.words == ["late", "sent", "up", "attempt 1/0", "connected", "head", "down", "ended 404 complete"]
        )
        #expect(events.text("up") == "abcd" && events.text("down") == "nothing here")
        #expect(proxy.recordings.counts == Recordings.Counts(recorded: 1))
    }

    @Test func aRejectionIsRecordedFromThenOn() throws {
        let proxy = try RecordedProxy(mode: .failures, tokens: [Self.first, Self.second], respond: Self.refusesFirst)
        _ = try proxy.ask(request())
        #expect(
            proxy.end().first?.words == [
                "late", "sent", "attempt 1/1", "connected", "head", "held", "wait another ownRefresh", "token 2",
                "down",
                "attempt 2/2", "connected", "head", "down", "ended 200 complete",
            ]
        )
    }

    @Test func anOwnAnswerIsRecordedAmongFailures() throws {
        let proxy = try RecordedProxy(mode: .failures) { _ in .hangUp }
        _ = try proxy.ask(request())
        #expect(
            proxy.end().first?.words == [
                "late", "sent", "attempt 1/0", "connected", "own 502 upstream_reset", "ended 502 refused",
            ]
        )
    }

    @Test(arguments: [Recordings.Mode.off, .all]) func nothingIsRecordedThen(_ mode: Recordings.Mode) throws {
        let proxy = try RecordedProxy(mode: mode) { _ in .hangUp }
        proxy.recordings.set(isPaused: mode == .all)
        _ = try proxy.ask(request())
        _ = try proxy.ask("no request\r\n\r\n")
        #expect(proxy.end().isEmpty)
        let expected = mode == .all ? Recordings.Counts(paused: 2) : Recordings.Counts(off: 2)
        #expect(proxy.recordings.counts == expected)
    }

    // MARK: Others

    @Test func aWebSocketsBytes() throws {
        let proxy = try RecordedProxy { _ in .webSocket("welcome") }
        let client = try proxy.connect()
        client.send(
            "GET /x HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        _ = client.read { $0.hasSuffix("welcome") }
        client.send("ping")
        _ = client.read { $0.hasSuffix("ping") }
        client.shutdownWriting()
        _ = client.readToEnd()
        let events = try #require(proxy.end().first)
        #expect(
            events.words.prefix(8) == [
                "began", "request", "sent", "attempt 1/0", "connected", "head", "tunnel", "upstream",
            ]
        )
        #expect(events.text("client") == "ping" && events.text("upstream") == "welcomeping")
        #expect(events.ending?.status == 101)
    }

    @Test func aSignInsAnswerIsNotMissing() throws {
        let body = #"{"token":"aaaa.bbbb.dddd"}"#
        let answer = answer(200, "Content-Type: application/json\r\n", body: body)
        let proxy = try RecordedProxy(
            tokens: [Self.first],
            configure: { $0.session.signIn = [RoutePattern("POST /login")].compactMap { $0 } },
            respond: { _ in .text(answer) }
        )
        _ = try proxy.ask(request("POST", "/login", "Content-Length: 0\r\n"))
        let events = try #require(proxy.end().first)
        #expect(events.text("down") == body)
        #expect(events.contains { if case .sentHead(_, _, .signIn, false) = $0.what { true } else { false } })
    }

    @Test func whatTheInspectorSendsNamesItself() throws {
        let answer = answer()
        let proxy = try RecordedProxy(mode: .off) { _ in .text(answer) }
        let origin = ConnectionOrigin.replay(of: ExchangeID(prefix: 1, number: 2), ticket: 3)
        var ends: [Int32] = [-1, -1]
        #expect(socketpair(AF_UNIX, SystemConstant.streamSocket, 0, &ends) == 0)
        proxy.server.adopt(ends[0], origin: origin)
        let client = Peer(owning: ends[1])
        client.send(request())
        #expect(client.readToEnd().hasSuffix("hello"))
        let events = try #require(proxy.end().first)
        #expect(events.words == plain && events.beginning?.origin == origin)
    }

    /// Its connections are clients': they count against the limit, and end when the proxy stops.
    @Test func connectionsOfTheInspectorAreNoMoreThanOthers() throws {
        let proxy = try RecordedProxy(configure: { $0.limits.connections = 1 }) { _ in .hangUp }
        var ends: [Int32] = [-1, -1]
        var peers: [Peer] = []
        for _ in 0..<2 {
            #expect(socketpair(AF_UNIX, SystemConstant.streamSocket, 0, &ends) == 0)
            proxy.server.adopt(ends[0], origin: .composer(ticket: 1))
            peers.append(Peer(owning: ends[1]))
        }
        #expect(peers[1].readToEnd().hasPrefix("HTTP/1.1 503"))
        _ = proxy.end()
        #expect(peers[0].readToEnd() == "")
        // Nobody is left to take it.
        #expect(socketpair(AF_UNIX, SystemConstant.streamSocket, 0, &ends) == 0)
        proxy.server.adopt(ends[0], origin: .composer(ticket: 1))
        #expect(Peer(owning: ends[1]).readToEnd() == "")
    }
}
