import ReverseProxy
import Support
import Testing

@testable import Inspector

/// What a viewer gets, by what it has seen and how fast it reads.
@Suite struct FeedViewerTests {
    private static let interval = FeedViewer.interval

    private static func store(_ numbers: ClosedRange<UInt64>, keep: Int = 64 << 20) -> ExchangeStore {
        let store = ExchangeStore(keep: keep)
        store.put(numbers)
        return store
    }

    private struct Event: Equatable {
        var name: String
        var id: String?
        var data: JSONValue

        var numbers: [Int] {
            guard case .array(let list) = data else { return [] }
            return list.compactMap { $0["seq"]?.integer }
        }
    }

    private static func events(_ step: FeedViewer.Step) -> [Event] {
        guard case .send(let text) = step else { return [] }
        return text.components("\n\n").map { block in
            let lines = block.components("\n")
            let value = { (name: String) in lines.first { $0.hasPrefix(name) }.map { String($0.dropFirst(name.count)) }
            }
            return Event(
                name: value("event: ") ?? "",
                id: value("id: "),
                data: JSONValue(parsing: Array((value("data: ") ?? "").utf8)) ?? .null
            )
        }
    }

    @Test func nothingIsSaidTwiceAndNothingTooOften() {
        let store = Self.store(1...3)
        var viewer = FeedViewer(after: 3, sequence: 3)
        let first = viewer.next(store, run: "abc", pending: 0, now: 1000)
        #expect(first == .idle)
        store.put(RecordedExchange.plain(2))
        store.put(RecordedExchange.plain(2))
        let events = Self.events(viewer.next(store, run: "abc", pending: 0, now: 1000))
        #expect(events.map(\.name) == ["exchanges"] && events[0].id == "abc-5" && events[0].numbers == [5])
        let again = viewer.next(store, run: "abc", pending: 0, now: 1001)
        #expect(again == .idle)
        store.put(RecordedExchange.plain(4))
        let early = viewer.next(store, run: "abc", pending: 0, now: 1001)
        #expect(early == .later(1000 + Self.interval))
        let due = viewer.next(store, run: "abc", pending: 0, now: 1000 + Self.interval)
        #expect(Self.events(due).count == 1)
    }

    /// Whoever has just come gets everything, whatever the number.
    @Test func whatWasMissedComesInItsOrder() {
        let store = Self.store(1...1200)
        var viewer = FeedViewer(after: 100, sequence: 1200)
        var seen: [Int] = []
        for turn in 1...3 as ClosedRange<UInt64> {
            let events = Self.events(viewer.next(store, run: "r", pending: 0, now: turn * Self.interval))
            #expect(events.map(\.name) == ["exchanges"])
            seen += events[0].numbers
        }
        let rest = viewer.next(store, run: "r", pending: 0, now: .max)
        #expect(seen == Array(101...1200) && rest == .idle)
    }

    @Test func whoeverIsSlowerGetsTheNewestAndAGap() {
        let store = Self.store(1...10)
        var viewer = FeedViewer(after: 10, sequence: 10)
        store.put(11...2010 as ClosedRange<UInt64>)
        let blocked = viewer.next(store, run: "r", pending: FeedViewer.maximumPending, now: 1)
        #expect(blocked == .blocked)
        let events = Self.events(viewer.next(store, run: "r", pending: FeedViewer.maximumPending - 1, now: 1))
        #expect(events.map(\.name) == ["gap", "exchanges"])
        let gap = JSONValue.object([
            .init("from", .integer(11)), .init("to", .integer(1510)), .init("lost", .integer(1500)),
            .init("why", .string("slow")),
        ])
        #expect(events[0].data == gap && events[1].numbers == Array(1511...2010) && events[1].id == "r-2010")
        let rest = viewer.next(store, run: "r", pending: 0, now: .max)
        #expect(rest == .idle)
    }

    @Test func whatIsNoLongerKeptIsCounted() {
        let store = Self.store(1...10, keep: 256 << 10)
        var viewer = FeedViewer(after: 10, sequence: 10)
        store.onEviction = { viewer.evicted($0) }
        store.put(11...400 as ClosedRange<UInt64>)
        let events = Self.events(viewer.next(store, run: "r", pending: 0, now: 1))
        #expect(events.map(\.name) == ["gap", "exchanges"] && events[0].data["why"] == .string("evicted"))
        let lost = events[0].data["lost"]?.integer ?? 0
        #expect(lost > 0 && lost + events[1].numbers.count == 390)
        #expect(events[0].data["from"] == .number("11") && events[0].data["to"]?.integer == 10 + lost)
        // The same for one that comes again.
        var other = FeedViewer(after: 10, sequence: store.sequence, lost: store.past.after(10))
        let told = other.next(store, run: "r", pending: 0, now: 1)
        #expect(Self.events(told) == events)
    }

    @Test func whatWasNotRecordedIsToldOnce() {
        let store = Self.store(1...10)
        var viewer = FeedViewer(after: 10, sequence: 10)
        viewer.notRecorded(Lost(first: 9, last: 10, count: 300))
        viewer.notRecorded(Lost(first: 10, last: 10, count: 5))
        let events = Self.events(viewer.next(store, run: "r", pending: 0, now: 1))
        #expect(events.map(\.name) == ["gap"] && events[0].data["lost"] == .number("305"))
        #expect(events[0].data["why"] == .string("rate"))
        let rest = viewer.next(store, run: "r", pending: 0, now: .max)
        #expect(rest == .idle)
    }

    @Test func nothingIsSaidOfWhatWasForgottenOnRequest() {
        let store = Self.store(1...10)
        var viewer = FeedViewer(after: 0, sequence: 10)
        store.onEviction = { viewer.evicted($0) }
        store.clear()
        viewer.cleared(store.sequence)
        let rest = viewer.next(store, run: "r", pending: 0, now: .max)
        #expect(rest == .idle)
    }
}

extension String {
    fileprivate func components(_ separator: String) -> [String] {
        var (result, rest) = ([String](), self[...])
        while let range = rest.firstRange(of: separator) {
            result.append(String(rest[..<range.lowerBound]))
            rest = rest[range.upperBound...]
        }
        return result + (rest.isEmpty ? [] : [String(rest)])
    }
}
