import Support

/// How far one viewer is, and what it gets next: no queue, whatever it does.
///
/// Pure: time and the store are given.
struct FeedViewer {
    /// What is to be done for it.
    enum Step: Equatable {
        case send(String)
        /// It has not read what it got. It is asked for again when it has.
        case blocked
        /// Not before that moment, monotonic nanoseconds.
        case later(UInt64)
        case idle
    }

    /// With more unread octets than that it gets nothing.
    static let maximumPending = 64 * 1024
    /// Nanoseconds between two batches.
    static let interval: UInt64 = 50_000_000
    /// Exchanges in a batch.
    static let batch = 500

    /// It has seen all changes up to that one, or was told of those it has not.
    private(set) var last: Int
    /// Up to there it gets everything in its order, because it has just come; behind it only the newest.
    private var caughtUpAt: Int
    private var lost: Lost?
    /// Exchanges that were counted and not recorded, of which it was not told.
    private var unrecorded: Lost?
    private var mayNext: UInt64 = 0

    /// One that wants changes after `last`, when the last change is `sequence`.
    init(after last: Int, sequence: Int, lost: Lost? = nil) {
        self.last = last
        caughtUpAt = sequence
        self.lost = lost
    }

    /// An exchange that it may not have seen is no longer kept.
    mutating func evicted(_ sequence: Int) {
        if sequence > last { lost = lost + Lost(first: sequence, last: sequence, count: 1) }
    }

    mutating func notRecorded(_ lost: Lost) { unrecorded = unrecorded + lost }

    /// Everything was forgotten.
    mutating func cleared(_ sequence: Int) {
        last = sequence
        lost = nil
    }

    mutating func next(_ store: ExchangeStore, run: String, pending: Int, now: UInt64) -> Step {
        guard store.sequence > last || lost != nil || unrecorded != nil else { return .idle }
        guard pending < Self.maximumPending else { return .blocked }
        guard now >= mayNext else { return .later(mayNext) }
        mayNext = now &+ Self.interval
        var why = "evicted"
        let list: [StoredExchange]
        if last < caughtUpAt {
            list = store.changes(after: last, oldest: Self.batch)
        } else {
            let changes = store.changes(after: last, newest: Self.batch)
            list = changes.list
            if changes.others > 0, let first = list.first?.sequence {
                lost = lost + Lost(first: last + 1, last: first - 1, count: changes.others)
                why = "slow"
            }
        }
        var text = ""
        if let lost { text += Self.gap(lost, why) }
        if let unrecorded { text += Self.gap(unrecorded, "rate") }
        (lost, unrecorded) = (nil, nil)
        guard let end = list.last?.sequence else {
            last = store.sequence
            return .send(text)
        }
        last = end
        let value = JSONValue.array(list.map { .object($0.summary) })
        return .send(text + FeedEvent.text("exchanges", value, id: "\(run)-\(end)"))
    }

    private static func gap(_ lost: Lost, _ why: String) -> String {
        FeedEvent.text(
            "gap",
            .object([
                .init("from", .integer(lost.first)), .init("to", .integer(lost.last)),
                .init("lost", .integer(lost.count)), .init("why", .string(why)),
            ])
        )
    }
}

/// Server-sent events (WHATWG HTML section 9.2).
enum FeedEvent {
    /// JSON has no line break in it.
    static func text(_ name: String, _ data: JSONValue, id: String? = nil) -> String {
        "event: \(name)\n" + (id.map { "id: \($0)\n" } ?? "") + "data: \(data.serialized())\n\n"
    }

    static let comment = ":\n\n"
}
