import ReverseProxy
import Testing

@testable import Inspector

@Suite struct ExchangeStoreTests {
    @Test func changesAreCountedAndMoveToTheEnd() {
        let store = ExchangeStore()
        #expect(store.sequence == 0 && store.oldest == 1)
        store.put(1...3 as ClosedRange<UInt64>)
        store.put(RecordedExchange.plain(1, status: "500 No"))
        #expect(store.sequence == 4 && store.count == 3 && store.oldest == 2)
        // Lanes do not show.
        #expect(store.numbers == [1, 3, 2])
        #expect(store.changes(after: 2, newest: 10).list.map(\.id.number) == [3, 1])
        #expect(store.changes(after: 0, newest: 2).others == 1)
        #expect(store.changes(after: 0, oldest: 2).map(\.id.number) == [2, 3])
        #expect(store[ExchangeID(prefix: 0xA7, number: 1)]?.status == 500)
    }

    /// Forward is backward, turned round, whatever becomes of the exchanges.
    @Test func changesAreFoundForwardToo() throws {
        let store = ExchangeStore(keep: 256 << 10)
        let plain = try #require(RecordedExchange.plain(0, size: 200).stored())
        let bad = try #require(RecordedExchange.plain(0, status: "500 No").stored())
        var state: UInt64 = 7
        for step in 0..<6000 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            var exchange = state >> 40 & 7 == 0 ? bad : plain
            exchange.id.number = (state >> 33) % 900
            if state >> 43 & 31 == 0 { _ = store.pin(exchange.id, true) } else { store.put(exchange) }
            if step == 3000 { store.clear() }
            guard step.isMultiple(of: 500) else { continue }
            for after in [0, store.oldest, store.sequence - 100, store.sequence - 1, store.sequence] {
                var forward: [Int] = []
                store.walkForward(after: after) {
                    forward.append($0.sequence)
                    return true
                }
                #expect(forward == store.changes(after: after, newest: .max).list.map(\.sequence))
                #expect(store.changes(after: after, oldest: 20).map(\.sequence) == Array(forward.prefix(20)))
            }
        }
    }

    /// What matters is still there after a flood of what does not.
    @Test func noiseDoesNotPushOutWhatMatters() {
        let store = ExchangeStore(keep: 1 << 20)
        var retried = RecordedExchange(1)
        retried.request()
        retried.attempt(1, 6)
        retried.answer("401 Unauthorized")
        retried.add(10, .held)
        retried.attempt(2, 7, at: 11)
        retried.answer(at: 12)
        retried.end()
        store.put(retried)
        var refused = RecordedExchange(2)
        refused.request()
        refused.add(1, .ownAnswer(status: 403, head: [], body: [], code: "forbidden_origin"))
        refused.end(403, outcome: .local)
        store.put(refused)
        for thousand in 0..<20 as Range<UInt64> {
            store.put(thousand * 1000 + 10..<thousand * 1000 + 1010, size: 500)
            #expect(store.octets <= store.keep)
        }
        #expect(store[retried.id] != nil && store[refused.id] != nil)
        #expect(store.octets <= store.keep / 100 * 65 && store.octets > store.keep / 2)
        #expect(Int(store.evicted) + store.count == 2 + 20_000)
        #expect(store.oldest == 1)
    }

    @Test func whatIsPinnedStaysAndNothingGoesForIt() {
        let store = ExchangeStore(keep: 256 << 10)
        store.put(1...50 as ClosedRange<UInt64>)
        let id = ExchangeID(prefix: 0xA7, number: 50)
        #expect(store.pin(id, true) == .done && store[id]?.isPinned == true)
        #expect(store.sequence == 51 && store.numbers.first == 50)
        var pinned = 1
        for number in 1..<50 as Range<UInt64> where store.pin(ExchangeID(prefix: 0xA7, number: number), true) == .done {
            pinned += 1
        }
        #expect(pinned > 1 && pinned < 50 && store.evicted == 0)
        store.put(100..<2000 as Range<UInt64>)
        #expect(store[id] != nil && store[ExchangeID(prefix: 0xA7, number: 49)] == nil)
        #expect(store.pin(ExchangeID(prefix: 0xA7, number: 49), true) == .missing)
        #expect(store.pin(id, false) == .done && store.pin(id, false) == .done)
        store.put(2000..<4000 as Range<UInt64>)
        #expect(store[id] == nil)
    }

    /// Bodies go before the exchange does.
    @Test func whatIsTooLargeIsKeptWithoutItsBody() throws {
        let store = ExchangeStore(keep: 64 << 10)
        store.put(RecordedExchange.plain(1, size: 60_000))
        let exchange = try #require(store[ExchangeID(prefix: 0xA7, number: 1)])
        #expect(exchange.isCut && exchange.attempts[0].body.kept.isEmpty && exchange.attempts[0].body.size == 60_000)
        #expect(store.octets < 4096)
    }

    @Test func everythingIsForgottenOnRequest() {
        let store = ExchangeStore()
        store.put(1...5 as ClosedRange<UInt64>)
        _ = store.pin(ExchangeID(prefix: 0xA7, number: 1), true)
        store.clear()
        #expect(store.count == 0 && store.octets == 0 && store.sequence == 6 && store.oldest == 7 && store.evicted == 5)
        store.put(RecordedExchange.plain(9))
        #expect(store.sequence == 7 && store.numbers == [9])
    }

    @Test func whatTheInspectorSentIsFoundByItsTicket() {
        let store = ExchangeStore()
        var replay = RecordedExchange(7, origin: .replay(of: ExchangeID(prefix: 0xA7, number: 3), ticket: 5))
        replay.request()
        replay.attempt()
        replay.answer()
        let assembler = ExchangeAssembler()
        _ = replay.stored(by: assembler)
        store.put(assembler.look(RecordedExchange.redactor, now: replay.began + 200_000_000).exchanges[0])
        #expect(store.exchange(ticket: 5)?.isRunning == true)
        replay.end()
        store.put(replay)
        #expect(store.exchange(ticket: 5)?.isRunning == false && store.exchange(ticket: 5)?.lane == .notable)
        #expect(store.exchange(ticket: 6) == nil)
    }

    @Test func howManyWereLostIsKnown() {
        var past = Evictions()
        #expect(past.after(0) == nil)
        for sequence in 1...20_000 { past.append(sequence) }
        #expect(past.after(19_990) == Lost(first: 19_991, last: 20_000, count: 10))
        #expect(past.after(20_000) == nil && past.after(0)?.count == 20_000)
    }

    @Test func fieldsAreWhatTheyWere() {
        let fields: StoredFields = [
            StoredField(name: Array("A".utf8), value: []), StoredField(name: Array("b-C".utf8), value: [0xFF, 0]),
            StoredField(name: Array("B-c".utf8), value: [UInt8](repeating: 1, count: 70_000)),
        ]
        #expect(fields.count == 3 && fields.map(\.name.count) == [1, 3, 3] && Array(fields)[1].value == [0xFF, 0])
        #expect(fields.values(of: "b-c").map(\.count) == [2, 70_000])
    }
}
