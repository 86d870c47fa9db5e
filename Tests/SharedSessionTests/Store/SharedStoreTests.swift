import Platform
import Testing
import Threads

@testable import SharedSession

/// What every store does, whatever keeps the value.
@Suite(.serialized) struct SharedStoreTests {
    /// What the engine has after that write, which nobody else disturbs.
    private func write(_ text: String, over former: StoredValue?, _ store: any SharedStore) throws -> StoredValue {
        let outcome = store.swap(expecting: former, with: text)
        guard case .written(let revision) = outcome else { throw Unexpected(outcome: outcome) }
        return StoredValue(bytes: Array(text.utf8), revision: revision)
    }

    private struct Unexpected: Error { var outcome: SwapOutcome }

    @Test(arguments: EngineKind.available)
    func comparesAndSwaps(_ kind: EngineKind) throws {
        let engine = try kind.start()
        defer { engine.stop() }
        let store = try engine.store()
        #expect(store.get() == .success(nil))
        let one = try write("one", over: nil, store)
        #expect(store.get() == .success(one))
        #expect(store.swap(expecting: nil, with: "two") == .conflict(one))
        let two = try write("two", over: one, store)
        #expect(two.revision != one.revision)
        #expect(store.swap(expecting: one, with: "x") == .conflict(two))
        // Each of the two comparisons is seen to compare.
        let otherBytes = StoredValue(bytes: one.bytes, revision: two.revision)
        #expect(store.swap(expecting: otherBytes, with: "x") == .conflict(two))
        let otherRevision = StoredValue(bytes: two.bytes, revision: one.revision)
        #expect(store.swap(expecting: otherRevision, with: "x") == .conflict(two))
        #expect(store.get() == .success(two))
        try engine.delete()
        #expect(store.get() == .success(nil))
        #expect(store.swap(expecting: two, with: "x") == .conflict(nil))
        let three = try write("two", over: nil, store)
        #expect(three.revision != two.revision && store.swap(expecting: two, with: "x") == .conflict(three))
        store.stop()
    }

    /// What an operator takes away: compared as a write is, and the place can be used again.
    @Test(arguments: EngineKind.available)
    func removalIsComparedToo(_ kind: EngineKind) throws {
        let engine = try kind.start()
        defer { engine.stop() }
        let store = try engine.store()
        let remove = { (value: StoredValue) in
            let outcome = Latch<SwapOutcome>()
            store.remove(expecting: value) { outcome.set($0) }
            return outcome.wait()
        }
        let one = try write("one", over: nil, store)
        let two = try write("two", over: one, store)
        #expect(remove(one) == .conflict(two))
        #expect(remove(StoredValue(bytes: one.bytes, revision: two.revision)) == .conflict(two))
        let news = Heard<SharedStoreNews>()
        store.watch { news.append($0) }
        _ = news.wait { $0.count == 2 }
        guard case .written = remove(two) else {
            Issue.record("nobody else writes")
            return
        }
        #expect(store.get() == .success(nil) && remove(two) == .conflict(nil))
        #expect(news.wait { $0.last == .changed(nil) }.last == .changed(nil))
        let three = try write("three", over: nil, store)
        #expect(store.get() == .success(three))
        store.stop()
        #expect(remove(three) == .failed(.stopped))
    }

    /// Every octet, and as much as is shared.
    @Test(arguments: EngineKind.available)
    func valuesAreKeptAsTheyAre(_ kind: EngineKind) throws {
        let engine = try kind.start()
        defer { engine.stop() }
        let store = try engine.store()
        var value: StoredValue?
        for count in [EtcdRequests.maxValueBytes, 0, 1] {
            let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 / 256) }
            let outcome = Latch<SwapOutcome>()
            store.swap(expecting: value, with: bytes) { outcome.set($0) }
            guard case .written(let revision) = outcome.wait() else { throw Unexpected(outcome: outcome.wait()) }
            value = StoredValue(bytes: bytes, revision: revision)
            #expect(store.get() == .success(value))
        }
        let tooMuch = String(repeating: "x", count: EtcdRequests.maxValueBytes + 1)
        guard case .failed(let failure) = store.swap(expecting: value, with: tooMuch) else {
            Issue.record("not a failure")
            return
        }
        #expect(failure.kind == .configuration && store.get() == .success(value))
        store.stop()
    }

    /// However many write at once, whether the value is there or not: one of them does.
    @Test(arguments: EngineKind.available)
    func oneOfManyWins(_ kind: EngineKind) throws {
        let engine = try kind.start()
        defer { engine.stop() }
        let stores = try (0..<8).map { _ in try engine.store() }
        var value: StoredValue?
        for round in 0..<3 {
            let outcomes = Heard<SwapOutcome>()
            for (number, store) in stores.enumerated() {
                store.swap(expecting: value, with: Array("\(round) \(number)".utf8)) { outcomes.append($0) }
            }
            let all = outcomes.wait { $0.count == 8 }
            #expect(all.filter { if case .written = $0 { true } else { false } }.count == 1, "\(all)")
            value = try stores[0].get().get()
            #expect(all.filter { $0 == .conflict(value) }.count == 7, "\(all)")
        }
        for store in stores { store.stop() }
    }

    @Test(arguments: EngineKind.available)
    func changesAreTold(_ kind: EngineKind) throws {
        let engine = try kind.start()
        defer { engine.stop() }
        let (writer, reader) = (try engine.store(), try engine.store())
        let news = Heard<SharedStoreNews>()
        reader.watch { news.append($0) }
        #expect(news.wait { $0.count == 2 } == [.connected, .changed(nil)])
        // The stream may be open only after the first write: what is told is never older than what was.
        var values: [StoredValue?] = [nil]
        for number in 0..<20 { values.append(try write("value \(number)", over: values.last!, writer)) }
        #expect(news.wait { $0.last == .changed(values.last!) }.last == .changed(values.last!))
        let all = values.map(SharedStoreNews.changed)
        let places = news.all.dropFirst().map { all.firstIndex(of: $0) ?? -1 }
        #expect(places == places.sorted() && places.first == 0, "\(news.all)")
        // From then on the stream tells, long before anything is read again.
        let next = try write("next", over: values.last!, writer)
        #expect(news.wait(2) { $0.last == .changed(next) }.last == .changed(next))
        try engine.delete()
        #expect(news.wait(2) { $0.last == .changed(nil) }.last == .changed(nil))
        let last = try write("last", over: nil, writer)
        #expect(news.wait(2) { $0.last == .changed(last) }.last == .changed(last))
        reader.stop()
        writer.stop()
        #expect(news.all.filter { $0 == .connected }.count == 1)
    }

    /// The engine has forgotten what came before the value was read last.
    @Test(arguments: EngineKind.available)
    func forgettingIsNoLoss(_ kind: EngineKind) throws {
        let engine = try kind.start()
        defer { engine.stop() }
        let store = try engine.store()
        let value = try write("one", over: nil, store)
        try engine.forget()
        let news = Heard<SharedStoreNews>()
        store.watch { news.append($0) }
        #expect(news.wait { $0.count == 2 } == [.connected, .changed(value)])
        let next = try write("two", over: value, store)
        #expect(news.wait(5) { $0.last == .changed(next) }.last == .changed(next))
        store.stop()
    }

    @Test(arguments: EngineKind.available)
    func streamsThatBreakAreOpenedAgain(_ kind: EngineKind) throws {
        let engine = try kind.start()
        defer { engine.stop() }
        let store = try engine.store()
        let news = Heard<SharedStoreNews>()
        store.watch { news.append($0) }
        _ = news.wait { $0.count == 2 }
        var value: StoredValue?
        for number in 0..<(kind == .etcd ? 1 : 3) {
            try engine.breakStreams()
            value = try write("\(number)", over: value, store)
            #expect(news.wait(5) { $0.last == .changed(value) }.last == .changed(value))
        }
        store.stop()
    }

    /// An engine that was restored from a backup uses a revision again, for another value: that is a conflict, and the
    /// watch tells of the older value.
    @Test(arguments: EngineKind.available)
    func restoredEngineIsNotTakenForTheFormer(_ kind: EngineKind) throws {
        let engine = try kind.start()
        defer { engine.stop() }
        let (writer, reader) = (try engine.store(), try engine.store())
        let news = Heard<SharedStoreNews>()
        let one = try write("one", over: nil, writer)
        try engine.save()
        let two = try write("two", over: one, writer)
        reader.watch { news.append($0) }
        #expect(news.wait { $0.last == .changed(two) }.last == .changed(two))
        try engine.restore()
        // A stream that was opened only after that waits for a future of the former engine: reading finds it.
        #expect(news.wait(20) { $0.last == .changed(one) }.last == .changed(one))
        #expect(writer.swap(expecting: two, with: "x") == .conflict(one))
        let other = try write("other", over: one, writer)
        #expect(other.revision == two.revision, "the engine did not use the revision again: nothing is tested")
        #expect(writer.swap(expecting: two, with: "x") == .conflict(other))
        #expect(news.wait { $0.last == .changed(other) }.last == .changed(other))
        #expect(writer.get() == .success(other))
        reader.stop()
        writer.stop()
    }

    @Test(arguments: EngineKind.available)
    func nothingIsDoneAfterStop(_ kind: EngineKind) throws {
        let engine = try kind.start()
        defer { engine.stop() }
        let store = try engine.store()
        let news = Heard<SharedStoreNews>()
        store.watch { news.append($0) }
        _ = news.wait { $0.count == 2 }
        let start = MonotonicClock.now()
        store.stop()
        #expect(MonotonicClock.now() - start < 1_000_000_000)
        #expect(store.get() == .failure(.stopped))
        #expect(store.swap(expecting: nil, with: "x") == .failed(.stopped))
        #expect(news.all.count == 2)
        let other = try engine.store()
        #expect(other.get() == .success(nil))
        other.stop()
    }
}
