import Credentials
import ReverseProxy
import Support
import Testing

@testable import Inspector

/// What becomes of the events of one exchange.
@Suite struct ExchangeAssemblerTests {
    private static func text(_ octets: [UInt8]) -> String { String(decoding: octets, as: UTF8.self) }

    /// Refused, refreshed, sent again: one exchange with two attempts, and times that add up.
    @Test func aRefusalThatWasCuredIsOneExchange() throws {
        var recorded = RecordedExchange(812)
        recorded.request("POST /api/orders?x=1", "Content-Type: application/json\r\n", body: #"{"password":"p"}"#)
        recorded.attempt(1, 6)
        recorded.answer("401 Unauthorized", "Content-Length: 3\r\n", body: "bad", at: 46.9)
        recorded.add(46.9, .held)
        recorded.add(47, .tokenWait(.another, .ownRefresh))
        recorded.add(229.1, .tokenArrived(.token(7)))
        recorded.attempt(2, 7, at: 229.3)
        recorded.answer("201 Created", "Content-Type: application/json; charset=utf-8\r\n", body: "{}", at: 231.2)
        recorded.end(201, at: 231.4, requestBytes: 16, responseBytes: 2)
        let exchange = try #require(recorded.stored())
        #expect(exchange.statuses == [401, 201] && exchange.status == 201 && exchange.outcome == .complete)
        #expect(exchange.generations == [6, 7] && exchange.generation == 7 && exchange.refresh == "led")
        #expect(
            exchange.attempts.map(\.isHeld) == [true, false] && exchange.attempts.map(\.isRelayed) == [false, true]
        )
        #expect(exchange.attempts.map { Self.text($0.body.kept) } == ["bad", "{}"])
        #expect(exchange.type == "application/json" && exchange.lane == .notable)
        #expect(Self.text(exchange.request.body.kept) == #"{"password":"‹redacted›"}"#)
        #expect(exchange.requestRedactions == ["/password"] && exchange.flags == [.redacted])
        let timings = exchange.timings
        #expect(abs(timings.queued + timings.token + timings.upstream + timings.client - 231.4) < 0.001)
        #expect(abs(timings.token - 182.1) < 0.001 && abs(timings.upstream - 48.9) < 0.001)
        let sent = exchange.sent.map { "\(Self.text($0.name)): \(Self.text($0.value))" }
        #expect(sent.last == "Authorization: Bearer ‹token, generation 7›" && sent.first == "Host: api.test")
        let json = JSONValue.object(exchange.summary + exchange.details)
        #expect(json["total_ms"] == .number("231.4") && json["at"] == .string("2025-11-26T10:12:40.004Z"))
        #expect(json["token_wait"]?["outcome"] == .string("refreshed"))
        #expect(json["attempt_list"]?.value(at: "/1/first_byte") == .number("231.2"))
    }

    /// What a wait brought is told as the session said it: a sentence of its, without what is secret.
    @Test(
        arguments: [
            (.token(7), "refreshed", 7, nil), (.former(6), "former", 6, nil), (.valid(6), "valid", 6, nil),
            (.served, "served", nil, nil), (.timedOut, "timed_out", nil, nil),
            (
                .failed(.loginNeeded("It was lost: \(String(decoding: RecordedExchange.token, as: UTF8.self)).")),
                "login_needed", nil, "It was lost: ‹token, generation 6›."
            ),
            (.failed(.loginNeeded()), "login_needed", nil, nil),
            (
                .failed(.unavailable(retryAfter: 4, isUnreachable: false)), "unavailable", nil,
                "The session's token cannot be refreshed right now. Trying again in 4 s."
            ),
            (.failed(.refreshDidNotHelp), "did_not_help", nil, nil),
        ] as [(RecordedEvent.TokenArrival, String, Int?, String?)]
    )
    func aWaitEndsAsTheSessionSaid(
        _ arrival: RecordedEvent.TokenArrival,
        _ outcome: String,
        _ generation: Int?,
        _ detail: String?
    ) throws {
        var recorded = RecordedExchange()
        recorded.request()
        recorded.add(1, .tokenWait(.first, .refresh))
        recorded.add(2, .tokenArrived(arrival))
        recorded.end()
        let exchange = try #require(recorded.stored())
        let json = JSONValue.object(exchange.summary + exchange.details)
        let wait = try #require(json["token_wait"])
        #expect(wait["outcome"] == .string(outcome) && json["token_outcome"] == .string(outcome))
        #expect(wait["generation"] == generation.map(JSONValue.integer) ?? .null)
        #expect(wait["detail"] == detail.map(JSONValue.string) ?? .null)
        #expect(wait["awaited"] == .string("refresh") && wait["need"] == .string("first"))
        #expect(json["refresh"] == .string("waited"))
    }

    /// Whoever was answered at once has waited for no refresh.
    @Test func anAnswerAtOnceIsNoWaitForARefresh() throws {
        var recorded = RecordedExchange()
        recorded.request()
        recorded.add(1, .tokenWait(.first, .nothing))
        recorded.add(1, .tokenArrived(.failed(.loginNeeded())))
        recorded.add(1, .ownAnswer(status: 401, head: [], body: [], code: "login_needed"))
        recorded.end(401, outcome: .local)
        #expect(try #require(recorded.stored()).refresh == nil)
    }

    /// The client has not received a response after which another attempt, or Squire's own response, came.
    @Test(arguments: [true, false])
    func aResponseThatWasReplacedIsNotTheClients(_ isOwn: Bool) throws {
        var recorded = RecordedExchange()
        recorded.request()
        recorded.attempt()
        recorded.answer("417 Expectation Failed", at: 5)
        if isOwn {
            recorded.add(6, .ownAnswer(status: 502, head: [], body: [], code: "upstream_reset"))
        } else {
            recorded.attempt(2, at: 6)
            recorded.answer(at: 7)
        }
        recorded.end(isOwn ? 502 : 200, outcome: isOwn ? .local : .complete)
        let exchange = try #require(recorded.stored())
        #expect(exchange.attempts.map(\.isRelayed) == (isOwn ? [false] : [false, true]))
        #expect(exchange.attempts[0].isHeld && exchange.status == (isOwn ? 502 : 200))
    }

    @Test func aTokenThatTheAPIEchoesIsShownAsWhatItIs() throws {
        var recorded = RecordedExchange()
        recorded.request()
        recorded.attempt()
        let token = Self.text(RecordedExchange.token)
        recorded.answer("200 OK", "X-Echo: \(token)\r\n", body: "you sent \(token).")
        recorded.end(responseBytes: 36)
        let exchange = try #require(recorded.stored())
        #expect(Self.text(exchange.attempts[0].body.kept) == "you sent ‹token, generation 6›.")
        #expect(exchange.attempts[0].fields.values(of: "x-echo") == [Array("‹token, generation 6›".utf8)])
        #expect(!JSONValue.object(exchange.summary + exchange.details).serialized().contains(token))
    }

    @Test func aTargetInAbsoluteFormIsKeptInOriginForm() throws {
        for (target, expected) in [
            ("http://127.0.0.1:8080/x?a=%41&token=abc", "/x?a=%41&token=‹redacted›"), ("http://127.0.0.1:8080", "/"),
            ("http://127.0.0.1:8080?q", "/?q"),
        ] {
            var recorded = RecordedExchange()
            recorded.request("GET \(target)")
            recorded.attempt()
            recorded.answer()
            recorded.end()
            #expect(try Self.text(#require(recorded.stored()).target) == expected)
        }
    }

    @Test func whatSquireAnswersItselfHasNoAttempt() throws {
        var recorded = RecordedExchange()
        recorded.request()
        let body = #"{"status":401,"code":"login_needed","detail":"Run squire login."}"#
        recorded.add(1, .ownAnswer(status: 401, head: [], body: Array(body.utf8), code: "login_needed"))
        recorded.end(401, outcome: .local, responseBytes: 64)
        let exchange = try #require(recorded.stored())
        #expect(exchange.outcome == .answered && exchange.code == "login_needed" && exchange.statuses.isEmpty)
        let json = JSONValue.object(exchange.summary + exchange.details)
        #expect(json["own_answer"]?["detail"] == .string("Run squire login."))
        #expect(
            json["generation"] == .null && json["upstream_ms"] == .null
                && json["type"] == .string("application/problem+json")
        )
    }

    @Test(
        arguments: [
            ("forbidden_origin", 403, .refused, .refusals), ("upstream_reset", 502, .upstreamFailed, .notable),
            ("overloaded", 503, .refused, .refusals), ("session_unavailable", 503, .answered, .notable),
        ] as [(String, Int, StoredExchange.Outcome, ExchangeStore.Lane)]
    )
    func ownAnswersAreToldApart(
        _ code: String,
        _ status: Int,
        _ outcome: StoredExchange.Outcome,
        _ lane: ExchangeStore.Lane
    ) throws {
        var recorded = RecordedExchange()
        recorded.request()
        recorded.add(1, .ownAnswer(status: status, head: [], body: [], code: code))
        recorded.end(status, outcome: .local)
        let exchange = try #require(recorded.stored())
        #expect(exchange.outcome == outcome && exchange.lane == lane && exchange.status == status)
    }

    /// A running exchange appears after a while, grows at most four times a second, and holds back what may become a
    /// secret.
    @Test func aRunningExchangeIsShownInTime() throws {
        let assembler = ExchangeAssembler()
        var recorded = RecordedExchange()
        recorded.request()
        recorded.attempt()
        recorded.answer(
            "200 OK",
            "Content-Type: text/plain\r\n",
            body: "so far " + Self.text(RecordedExchange.token).prefix(12)
        )
        #expect(recorded.stored(by: assembler) == nil && assembler.count == 1)
        let look = { (milliseconds: UInt64) in
            assembler.look(RecordedExchange.redactor, now: recorded.began + milliseconds * 1_000_000)
        }
        #expect(look(99).exchanges.isEmpty && look(99).isIncomplete)
        let shown = try #require(look(100).exchanges.first)
        #expect(shown.isRunning && shown.status == 200 && shown.age == 100 && shown.outcome == nil)
        #expect(Self.text(shown.attempts[0].body.kept) == "so far ")
        #expect(look(1000).exchanges.isEmpty && look(1000).ages.map(\.age) == [1000])
        let more = RecordedEvent(
            exchange: recorded.id,
            at: recorded.began + 1_001_000_000,
            what: .responseBody(Array(Self.text(RecordedExchange.token).dropFirst(12).utf8) + [0x2E])
        )
        assembler.take(more, { RecordedExchange.redactor }) { _ in Issue.record("it has not ended") }
        let grown = try #require(look(1002).exchanges.first)
        #expect(Self.text(grown.attempts[0].body.kept).hasPrefix("so far ‹token, generation 6›"))
        assembler.take(more, { RecordedExchange.redactor }) { _ in Issue.record("it has not ended") }
        #expect(look(1251).exchanges.isEmpty && look(1252).exchanges.count == 1)
    }

    @Test func whatIsHeldOfAllIsBounded() throws {
        let assembler = ExchangeAssembler()
        var last: StoredExchange?
        let part = [UInt8](repeating: 0x61, count: 65_536)
        for number in 0..<300 as Range<UInt64> {
            var recorded = RecordedExchange(number)
            recorded.request()
            recorded.attempt()
            recorded.answer()
            recorded.add(2, .responseBody(part))
            if number == 299 { recorded.end(responseBytes: 65_536) }
            last = recorded.stored(by: assembler)
            #expect(assembler.heldOctets <= ExchangeAssembler.maximumOctets)
        }
        let exchange = try #require(last)
        #expect(exchange.isCut && exchange.attempts[0].body.kept.isEmpty && exchange.attempts[0].body.size == 65_536)
    }

    @Test func whatCouldNotBeToldIsSaid() throws {
        var recorded = RecordedExchange()
        recorded.request()
        recorded.add(1, .lost)
        recorded.end()
        #expect(try #require(recorded.stored()).flags == [.cut])
        // Without its beginning nothing is known.
        recorded.events.removeFirst()
        #expect(recorded.stored() == nil)
        var late = RecordedExchange(2, isLate: true)
        late.add(
            0.1,
            .sentHead(
                Array("PUT /late HTTP/1.1\r\nHost: api.test\r\n".utf8),
                .init(madeOffset: 37, rulesOffset: 37),
                route: .ordinary,
                carriesCredential: false
            )
        )
        late.attempt(1, 0)
        late.answer("404 Not Found", at: 3)
        late.end(404)
        let exchange = try #require(late.stored())
        #expect(Self.text(exchange.method) == "PUT" && exchange.flags == [.late] && exchange.generation == nil)
        #expect(exchange.request.fields.isEmpty && exchange.sent.count == 1)
    }

    @Test func theSessionsFieldReplacesTheClients() throws {
        for (route, carries, expected) in [
            (RouteKind.ordinary, true, "Authorization"), (.signOut, true, "Authorization"),
            (.refresh, false, "Authorization"),
            (.ordinary, false, nil), (.anonymous, false, nil), (.signIn, false, nil),
        ] as [(RouteKind, Bool, String?)] {
            var recorded = RecordedExchange()
            let parts = RecordedEvent.HeadParts(madeOffset: 18, rulesOffset: 18)
            recorded.add(
                0,
                .sentHead(Array("GET /x HTTP/1.1\r\n".utf8), parts, route: route, carriesCredential: carries)
            )
            recorded.end()
            #expect(try #require(recorded.stored()).replaced == expected, "\(route)")
        }
    }

    /// For a request that Squire recorded late, the target is the one that went upstream.
    @Test(arguments: [
        ("GET http://up.test/v1/x?a HTTP/1.1", "/x?a"), ("GET http://up.test/v1 HTTP/1.1", "/"),
        ("GET http://up.test/v1?a HTTP/1.1", "/?a"),
    ])
    func theTargetIsWithoutTheBasePath(_ line: String, _ expected: String) throws {
        let head = Array("\(line)\r\nHost: up.test\r\n\r\n".utf8)
        var recorded = RecordedExchange()
        recorded.add(0, .requestHead(head, .whole(basePath: 3)))
        recorded.end()
        #expect(Self.text(try #require(recorded.stored()).target) == expected)
        var late = RecordedExchange(2, isLate: true)
        let sent = "\(line)\r\n".replacing("http://up.test", with: "") + "Host: up.test\r\n"
        let count = sent.utf8.count
        late.add(
            0.1,
            .sentHead(
                Array(sent.utf8),
                .init(madeOffset: count, rulesOffset: count, place: .whole(basePath: 3)),
                route: .ordinary,
                carriesCredential: true
            )
        )
        late.end()
        #expect(Self.text(try #require(late.stored()).target) == expected)
    }

    /// By where it lies in the head: the client may send the very value that Squire makes, or that is configured.
    @Test func whatWentUpstreamIsTheClientsOrNot() throws {
        var recorded = RecordedExchange()
        let kept = "PUT /x HTTP/1.1\r\nHost: api.test\r\nVia: 1.1 a\r\nAccept: */*\r\n"
        let made = "Content-Length: 2\r\nVia: 1.1 b\r\n"
        recorded.add(0, .requestHead(Array("PUT /x HTTP/1.1\r\nApi-Version: 4\r\n\r\n".utf8), .below))
        recorded.add(
            0.1,
            .sentHead(
                Array("\(kept)\(made)Api-Version: 4\r\n".utf8),
                .init(madeOffset: kept.utf8.count, rulesOffset: kept.utf8.count + made.utf8.count),
                route: .ordinary,
                carriesCredential: true
            )
        )
        recorded.attempt()
        recorded.end()
        guard case .array(let what)? = JSONValue.object(try #require(recorded.stored()).details).value(at: "/sent/what")
        else { return #expect(Bool(false)) }
        #expect(what.map(\.string) == ["made", "kept", "kept", "made", "made", "set", "set"])
    }

    @Test func marksAreThinnedOut() {
        var marks = RunningExchange.Marks()
        for index in 0..<10_000 as Range<UInt64> { marks.add(index * 1000, Double(index)) }
        #expect(marks.list.count <= 256 && marks.list.count > 100 && marks.list.first?.offset == 0)
        #expect(zip(marks.list, marks.list.dropFirst()).allSatisfy { $0.offset < $1.offset && $0.at < $1.at })
    }

    @Test func eventsOfAStreamAreMessages() throws {
        var recorded = RecordedExchange()
        recorded.request()
        recorded.attempt()
        recorded.answer("200 OK", "Content-Type: Text/Event-Stream\r\n", body: "data: one\nid: 1\n\nda", at: 5)
        recorded.add(6, .responseBody(Array("ta: two\r\n\r\ndata: three".utf8)))
        recorded.end(responseBytes: 41)
        let exchange = try #require(recorded.stored())
        #expect(exchange.messages.map { Self.text($0.kept) } == ["data: one\nid: 1", "data: two"])
        #expect(
            exchange.messages.map(\.at) == [5, 6]
                && exchange.messages.allSatisfy { $0.opcode == nil && !$0.isFromClient }
        )
        #expect(exchange.flags == [.stream])
    }

    @Test func framesOfAWebSocketAreMessages() throws {
        var recorded = RecordedExchange()
        recorded.request("GET /socket", "Connection: Upgrade\r\nUpgrade: websocket\r\n")
        recorded.attempt()
        recorded.answer("101 Switching Protocols", "Connection: Upgrade\r\nUpgrade: websocket\r\n", at: 2)
        recorded.add(2, .tunnelOpened)
        // Masked text in two pieces; then a message of two frames with a ping between them.
        recorded.add(3, .tunnelData(isFromClient: true, [0x81, 0x85, 1, 2, 3, 4, 0x68 ^ 1]))
        recorded.add(4, .tunnelData(isFromClient: true, [0x65 ^ 2, 0x6C ^ 3, 0x6C ^ 4, 0x6F ^ 1]))
        recorded.add(5, .tunnelData(isFromClient: false, [0x01, 2, 0x61, 0x62, 0x89, 1, 0x70, 0x80, 1, 0x63]))
        recorded.end(101)
        let exchange = try #require(recorded.stored())
        #expect(exchange.messages.map { Self.text($0.kept) } == ["hello", "p", "abc"])
        #expect(exchange.messages.map(\.opcode) == [1, 9, 1] && exchange.messages.map(\.at) == [4, 5, 5])
        #expect(exchange.messages.map(\.isFromClient) == [true, false, false] && exchange.messages[2].size == 3)
        #expect(exchange.flags == [.websocket])
    }

    /// Whatever the pieces are.
    @Test func framesDoNotDependOnHowTheyWereSplit() {
        var stream: [UInt8] = [0x82, 126, 1, 0] + [UInt8](repeating: 7, count: 256)
        stream += [0xC1, 3, 1, 2, 3, 0x88, 0]
        var whole: [FrameReader.Message] = []
        var reader = FrameReader(limit: 100)
        reader.read(stream) { whole.append($0) }
        #expect(whole.map(\.size) == [256, 3, 0] && whole[0].payload.count == 100)
        #expect(whole[1].isCompressed && whole[1].payload.isEmpty)
        for length in 1..<stream.count {
            var (parts, reader, rest) = ([FrameReader.Message](), FrameReader(limit: 100), stream[...])
            while !rest.isEmpty {
                reader.read(Array(rest.prefix(length))) { parts.append($0) }
                rest = rest.dropFirst(length)
            }
            #expect(parts == whole)
        }
    }

    @Test(
        arguments: [
            [0x80, 0], [0x89, 126, 0, 200], [0x09, 0], [0x82, 127, 0xFF, 0, 0, 0, 0, 0, 0, 0],
        ] as [[UInt8]]
    )
    func whatIsNoFrameEndsTheReading(_ octets: [UInt8]) {
        var reader = FrameReader(limit: 100)
        reader.read(octets + [0x81, 1, 0x61]) { _ in Issue.record("no message") }
    }
}

extension ExchangeAssemblerTests {
    /// Whoever looks has little time: what was not shown comes at the next look, the oldest first.
    @Test func looksAsFarAsThereIsTime() {
        let assembler = ExchangeAssembler()
        for number in 1...3 {
            var recorded = RecordedExchange(UInt64(number), began: 1_000_000_000 + UInt64(number))
            recorded.request()
            recorded.attempt()
            for event in recorded.events { assembler.take(event, { RecordedExchange.redactor }) { _ in } }
        }
        var left = 2
        let first = assembler.look(RecordedExchange.redactor, now: 2_000_000_000) {
            left -= 1
            return left >= 0
        }
        #expect(first.exchanges.map(\.id.number) == [1, 2] && first.isIncomplete)
        let second = assembler.look(RecordedExchange.redactor, now: 2_000_000_001)
        #expect(second.exchanges.map(\.id.number) == [3] && !second.isIncomplete)
    }
}
