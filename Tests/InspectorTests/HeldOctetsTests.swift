import Credentials
import Redaction
import ReverseProxy
import Testing
import Threads

@testable import Inspector

/// How much is held of what runs, whatever it is.
@Suite struct HeldOctetsTests {
    private static func text(_ octets: [UInt8]) -> String { String(decoding: octets, as: UTF8.self) }

    private static func isBounded(_ assembler: ExchangeAssembler) -> Bool {
        (0...ExchangeAssembler.maximumOctets).contains(assembler.heldOctets)
    }

    private static func stream(_ number: UInt64) -> RecordedExchange {
        var exchange = RecordedExchange(number)
        exchange.request()
        exchange.attempt()
        exchange.answer("200 OK", "Content-Type: text/event-stream\r\n", at: 1)
        return exchange
    }

    private static func socket(_ number: UInt64) -> RecordedExchange {
        var exchange = RecordedExchange(number)
        exchange.request("GET /socket", "Connection: Upgrade\r\nUpgrade: websocket\r\n")
        exchange.attempt()
        exchange.answer("101 Switching Protocols", "Connection: Upgrade\r\nUpgrade: websocket\r\n", at: 1)
        exchange.add(1, .tunnelOpened)
        return exchange
    }

    /// Octets of a body and of its events count both.
    @Test func eventStreamsReachTheBoundAndGoOn() {
        let assembler = ExchangeAssembler()
        let event = Array("data: \(String(repeating: "x", count: 991))\n\n".utf8)
        let part = Array(repeatElement(event, count: 7).joined()) + Array("data: y".utf8)
        var exchanges = (0..<100).map { Self.stream($0) }
        for number in exchanges.indices { _ = exchanges[number].stored(by: assembler) }
        for round in 0..<12 {
            for number in exchanges.indices {
                exchanges[number].events = []
                exchanges[number].add(Double(2 + round), .responseBody(part))
                _ = exchanges[number].stored(by: assembler)
            }
            #expect(Self.isBounded(assembler))
        }
        #expect(assembler.heldOctets > ExchangeAssembler.maximumOctets / 10 * 9)
        // Taking secrets out of all of them takes its time.
        for number in exchanges.indices.prefix(2) {
            exchanges[number].events = []
            exchanges[number].end(at: 99, responseBytes: UInt64(12 * part.count))
            #expect(exchanges[number].stored(by: assembler)?.isCut == true)
        }
        #expect(Self.isBounded(assembler))
    }

    /// A message that has not come to its end counts too.
    @Test func halfAMessageCounts() {
        let assembler = ExchangeAssembler()
        for number in 0..<300 as Range<UInt64> {
            var exchange = Self.socket(number)
            let frame: [UInt8] = [0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0] + [UInt8](repeating: 7, count: 60_000)
            exchange.add(2, .tunnelData(isFromClient: false, frame))
            _ = exchange.stored(by: assembler)
            #expect(Self.isBounded(assembler) && assembler.heldOctets >= min(Int(number), 130) * 60_000)
        }
    }

    /// So does what a message takes beside its octets.
    @Test func emptyMessagesCount() throws {
        let assembler = ExchangeAssembler()
        var frames: [UInt8] = []
        for _ in 0..<2000 { frames += [0x81, 0] }
        var last: StoredExchange?
        for number in 0..<30 as Range<UInt64> {
            var exchange = Self.socket(number)
            exchange.add(2, .tunnelData(isFromClient: false, frames))
            if number == 29 { exchange.end(101) }
            last = exchange.stored(by: assembler)
            #expect(Self.isBounded(assembler))
        }
        #expect(assembler.heldOctets > ExchangeAssembler.maximumOctets / 10 * 9)
        #expect(try #require(last).isCut)
    }

    @Test func whatIsMadeToLastCounts() throws {
        let assembler = ExchangeAssembler()
        for number in 0..<30 as Range<UInt64> {
            var exchange = RecordedExchange(number)
            exchange.request()
            exchange.attempt()
            exchange.answer(body: String(repeating: "word ", count: 12_000))
            _ = exchange.stored(by: assembler)
        }
        let before = assembler.heldOctets
        let found = assembler.look(RecordedExchange.redactor, now: 2_000_000_000)
        #expect(found.exchanges.count == 30 && found.exchanges.allSatisfy { $0.attempts[0].body.kept.count > 59_000 })
        #expect(assembler.heldOctets > before + 1_000_000 && Self.isBounded(assembler))
    }

    /// There was no room for a part of it, and there is again: what is kept is the beginning.
    @Test func whatIsKeptHasNoGaps() throws {
        let assembler = ExchangeAssembler()
        var exchange = RecordedExchange(500)
        exchange.request()
        exchange.attempt()
        exchange.answer(at: 1)
        var socket = Self.socket(501)
        socket.add(2, .tunnelData(isFromClient: false, [0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]))
        for event in exchange.events + socket.events {
            assembler.take(event, { RecordedExchange.redactor }) { _ in Issue.record("not yet") }
        }
        var others = (1...200).map { RecordedExchange(UInt64($0)) }
        for number in others.indices {
            others[number].request()
            others[number].attempt()
            others[number].answer(body: String(repeating: "x", count: 65_000))
            _ = others[number].stored(by: assembler)
        }
        exchange.events = []
        socket.events = []
        exchange.add(2, .responseBody([UInt8](repeating: 0x61, count: 60_000)))
        socket.add(2, .tunnelData(isFromClient: false, [UInt8](repeating: 0x61, count: 60_000)))
        _ = exchange.stored(by: assembler)
        _ = socket.stored(by: assembler)
        for number in others.indices.prefix(10) {
            others[number].events = []
            others[number].end(responseBytes: 65_000)
            _ = others[number].stored(by: assembler)
        }
        exchange.events = []
        socket.events = []
        exchange.add(3, .responseBody([UInt8](repeating: 0x62, count: 1000)))
        exchange.end(responseBytes: 61_000)
        socket.add(3, .tunnelData(isFromClient: false, [UInt8](repeating: 0x62, count: 5536)))
        socket.end(101)
        let body = try #require(exchange.stored(by: assembler)).attempts[0].body
        #expect(body.isCut && !body.kept.contains(0x62))
        let message = try #require(socket.stored(by: assembler)?.messages.first)
        #expect(message.size == 65_536 && !message.kept.contains(0x62))
        #expect(Self.isBounded(assembler))
    }

    /// A token may have become known, or have come, after the message was looked at first.
    @Test func messagesAreLookedAtAnewWhenMoreIsSecret() throws {
        let assembler = ExchangeAssembler()
        let token = "ffffgggg.hhhhiiii.jjjjkkkk"
        var exchange = Self.stream(1)
        exchange.add(2, .responseBody(Array("data: \(token)\n\n".utf8)))
        _ = exchange.stored(by: assembler)
        let before = try #require(
            assembler.look(RecordedExchange.redactor, now: exchange.began + 200_000_000).exchanges.first
        )
        #expect(before.messages.count == 1)
        var current = RecordedExchange.redactor
        current.version += 1
        current.redactor = Redactor(
            tokens: [Redactor.KnownToken(generation: 8, value: Array(token.utf8))],
            secrets: [],
            isSecretField: SecretField.isNamed
        )
        exchange.events = []
        exchange.end(responseBytes: 34)
        var after: StoredExchange?
        for event in exchange.events { assembler.take(event, { current }) { after = $0 } }
        #expect(try Self.text(#require(after).messages[0].kept) == "data: ‹token, generation 8›")
    }

    /// A secret that is cut at the end is still one.
    @Test func whatMayBeASecretsBeginningGoes() throws {
        let start = Self.text(Array(RecordedExchange.token.prefix(14)))
        var current = RecordedExchange.redactor
        current.limit = 1000
        var own = RecordedExchange(1)
        own.request()
        let body = #"{"t":""# + String(repeating: "x ", count: 490) + start
        own.add(1, .ownAnswer(status: 502, head: [], body: Array(body.utf8), code: "upstream_reset"))
        own.end(502, outcome: .local)
        var held = RecordedExchange(2)
        held.request()
        held.attempt()
        held.answer("401 Unauthorized", "Transfer-Encoding: chunked\r\n", body: "no " + start, at: 2)
        held.add(3, .held)
        held.add(3, .lost)
        held.end(401)
        var stream = Self.stream(3)
        let event = "data: " + String(repeating: "x ", count: 490) + "x" + Self.text(RecordedExchange.token) + "\n\n"
        stream.add(2, .responseBody(Array(event.utf8)))
        stream.end(responseBytes: UInt64(event.utf8.count))
        for exchange in [own, held, stream] {
            var result: StoredExchange?
            let assembler = ExchangeAssembler()
            for event in exchange.events { assembler.take(event, { current }) { result = $0 } }
            let stored = try #require(result)
            let all =
                [stored.ownAnswer?.body ?? []] + stored.attempts.map(\.body.kept) + stored.messages.map(\.kept)
            #expect(all.contains { !$0.isEmpty } && !all.contains { Self.text($0).contains("aaaabbbb") })
        }
    }

    /// More run than are kept in mind: those that are forgotten end all the same.
    @Test func whatWasForgottenEnds() throws {
        let store = ExchangeStore()
        let recordings = Recordings(workers: 1)
        let intake = ExchangeIntake(recordings, into: store, now: { 0 }) { RecordedExchange.redactor }
        var first = RecordedExchange(1)
        first.request()
        first.attempt()
        for event in first.events { intake.take(event) }
        for number in 2...8200 as ClosedRange<UInt64> { intake.take(RecordedExchange(number).events[0]) }
        #expect(try #require(store[first.id]).isRunning)
        first.events = []
        first.end(200, at: 30, responseBytes: 5)
        for event in first.events { intake.take(event) }
        let exchange = try #require(store[first.id])
        #expect(!exchange.isRunning && exchange.isCut && exchange.age == 30 && exchange.responseBytes == 5)
        #expect(exchange.attempts[0].ended == 30)
    }

    /// What runs is looked at for those who look, and not in each turn: there may be thousands.
    @Test func whatRunsIsShownToThoseWhoLook() throws {
        let store = ExchangeStore(keep: 1 << 20)
        let recordings = Recordings(workers: 1)
        let clock = Guarded<UInt64>(0)
        let intake = ExchangeIntake(recordings, into: store, now: { clock.with { $0 } }) { RecordedExchange.redactor }
        var exchange = RecordedExchange(1)
        exchange.request()
        for event in exchange.events { intake.take(event) }
        clock.with { $0 = exchange.events[0].at + 1_000_000_000 }
        let unseen = intake.turn(isSeen: false)
        #expect(!unseen.hasNews && !unseen.isIncomplete && store[exchange.id] == nil)
        #expect(intake.turn(isSeen: true).hasNews)
        #expect(try #require(store[exchange.id]).isRunning)
        clock.with { $0 += 39_000_000 }
        let soon = intake.turn(isSeen: true)
        #expect(!soon.hasNews && soon.isIncomplete)
    }

    /// Whoever is woken looks once more after that, even if there was nothing: the workers wake nobody for a while.
    @Test func whoIsWokenLooksAgain() {
        var pace = LookPace()
        #expect(pace.goesOn(true) && pace.goesOn(false) && !pace.goesOn(false) && !pace.goesOn(false))
        pace.wake()
        #expect(pace.goesOn(false) && !pace.goesOn(false))
    }
}
