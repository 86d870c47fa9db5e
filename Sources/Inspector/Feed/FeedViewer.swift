import Support

/// Tracks one viewer's position and decides what it gets next. Needs no queue, however slow the viewer is.
///
/// Pure: time and the store are passed in.
struct FeedViewer {
    /// The next step for the viewer.
    enum Step: Equatable {
        case send(String)
        /// It has not read the previous data. Ask again when it has.
        case blocked
        /// Nothing before that moment, in monotonic nanoseconds.
        case later(UInt64)
        case idle
    }

    /// A viewer with more unread octets gets nothing.
    static let maximumPending = 64 * 1024
    /// Nanoseconds between two batches.
    static let interval: UInt64 = 50_000_000
    /// Exchanges in a batch.
    static let batch = 500

    /// The last change that it has seen, or was told that it missed.
    private(set) var last: Int
    /// A new viewer gets all changes up to this one in order; of later ones only the newest.
    private var caughtUpAt: Int
    private var lost: Lost?
    /// Exchanges that were counted but not recorded, and not yet reported to it.
    private var unrecorded: Lost?
    private var mayNext: UInt64 = 0

    /// A viewer that wants the changes after `last`; the latest change is `sequence`.
    init(after last: Int, sequence: Int, lost: Lost? = nil) {
        self.last = last
        caughtUpAt = sequence
        self.lost = lost
    }

    /// An exchange that it may not have seen was evicted.
    mutating func evicted(_ sequence: Int) {
        if sequence > last { lost = lost + Lost(first: sequence, last: sequence, count: 1) }
    }

    mutating func notRecorded(_ lost: Lost) { unrecorded = unrecorded + lost }

    /// The store was cleared.
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
    /// The JSON contains no line breaks.
    static func text(_ name: String, _ data: JSONValue, id: String? = nil) -> String {
        "event: \(name)\n" + (id.map { "id: \($0)\n" } ?? "") + "data: \(data.serialized())\n\n"
    }

    static let comment = ":\n\n"
}
