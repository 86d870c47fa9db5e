import Credentials
import ReverseProxy
import Testing

@testable import Inspector

/// A worker leaves out what there is no room for: any event may be missing, and those that come may make no sense.
@Suite struct LostEventTests {
    /// Something of every kind.
    private static var everything: RecordedExchange {
        var exchange = RecordedExchange()
        exchange.request("POST /api/orders", "Content-Type: application/json\r\n", body: #"{"password":"p"}"#)
        exchange.attempt(1, 6)
        exchange.add(1, .interim(status: 103))
        exchange.answer("401 Unauthorized", "WWW-Authenticate: Bearer\r\n", body: "no", at: 2)
        exchange.add(2, .held)
        exchange.add(2, .tokenWait(.another, .ownRefresh))
        exchange.add(9, .tokenArrived(.token(7)))
        exchange.attempt(2, 7, at: 9)
        exchange.answer("200 OK", "Content-Type: text/event-stream\r\n", body: "data: one\n\n", at: 10)
        exchange.add(10, .relayedHeld)
        exchange.add(11, .progress(requestBytes: 16, responseBytes: 1 << 40))
        exchange.add(11, .tunnelOpened)
        exchange.add(12, .tunnelData(isFromClient: true, [0x81, 0x85, 1, 2, 3, 4, 0x69, 0x67]))
        exchange.add(
            12,
            .tunnelData(isFromClient: false, [0x81, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF])
        )
        exchange.add(13, .ownAnswer(status: 502, head: [], body: Array("{}".utf8), code: "upstream_reset"))
        exchange.add(14, .lost)
        exchange.end(200, at: 15, responseBytes: .max)
        return exchange
    }

    @Test(arguments: 0..<8)
    func nothingThatIsMissingMatters(_ part: UInt64) {
        let all = Self.everything
        var state = 88_172_645_463_325_252 &+ part
        let random = { (limit: Int) -> Int in
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return Int(state % UInt64(limit))
        }
        for round in 0..<400 {
            let missing = random(6)
            var some = all
            some.events.removeAll { _ in random(10) < missing }
            // In another order, too.
            for index in some.events.indices where round.isMultiple(of: 2) {
                some.events.swapAt(index, random(some.events.count))
            }
            let assembler = ExchangeAssembler()
            let store = ExchangeStore(keep: 1 << 20)
            for event in some.events {
                assembler.take(event, { RecordedExchange.redactor }) { store.put($0) }
                if random(4) == 0 {
                    _ = assembler.show(all.id, { RecordedExchange.redactor }, now: event.at).map { $0.details }
                }
            }
            if let exchange = store[all.id] {
                #expect(!(exchange.summary + exchange.details).isEmpty)
                #expect(exchange.attempts.count <= 2)
            }
        }
    }
}
