import ReverseProxy

/// Stores exchanges in a ring that is limited by bytes, in lanes, so that unimportant exchanges do not evict important
/// ones.
///
/// `sequence` counts changes: a changed exchange moves to the end of its lane, so that a walk from the end finds all
/// later changes. *Threading*: belongs to the inspector's loop.
final class ExchangeStore {
    enum Lane: Int, CaseIterable {
        case ordinary, notable, refusals, pinned

        /// The lane's share of the capacity, in percent.
        fileprivate var share: Int {
            switch self {
            case .ordinary: 60
            case .notable: 30
            case .refusals, .pinned: 5
            }
        }
    }

    enum Pinning { case done, full, missing }

    /// The number of the last change; 0 before the first.
    private(set) var sequence = 0
    /// The capacity in octets. Reducing it evicts the oldest exchanges, including pinned ones.
    var keep: Int {
        didSet {
            for lane in Lane.allCases {
                let queue = lanes[lane.rawValue]
                while queue.cost > limit(of: lane), let oldest = queue.first { forget(oldest) }
            }
        }
    }
    /// The number of finished exchanges that were evicted.
    private(set) var evicted: UInt64 = 0
    /// Called for each evicted exchange, with the number of its last change.
    var onEviction: (_ sequence: Int) -> Void = { _ in }

    private var entries: [ExchangeID: Entry] = [:]
    private var lanes = Lane.allCases.map { _ in Queue() }
    /// The changes, in order, that may still be the last one of an exchange.
    private var order: [(sequence: Int, id: ExchangeID)] = []
    private var tickets: [UInt64: ExchangeID] = [:]
    private(set) var past = Evictions()

    static let defaultKeep = 16 << 20

    init(keep: Int = ExchangeStore.defaultKeep) {
        self.keep = keep
    }

    deinit {
        for lane in lanes { lane.clear() }
    }

    // MARK: Looking

    var count: Int { entries.count }

    /// The number of stored octets.
    var octets: Int { lanes.reduce(0) { $0 + $1.cost } }

    /// The lowest stored sequence number, or the next one if nothing is stored.
    var oldest: Int { lanes.compactMap { $0.first?.exchange.sequence }.min() ?? sequence + 1 }

    /// The exchange with that identifier, if it is stored.
    subscript(id: ExchangeID) -> StoredExchange? { entries[id]?.exchange }

    /// Passes the changes between `after` and `before`, both excluded, to `body`, newest first, until it returns false.
    func walk(after: Int = 0, before: Int = .max, _ body: (StoredExchange) -> Bool) {
        var heads = lanes.map(\.last)
        while true {
            var best: Int?
            for index in heads.indices {
                while let entry = heads[index], entry.exchange.sequence >= before { heads[index] = entry.previous }
                guard let entry = heads[index] else { continue }
                if best.flatMap({ heads[$0] })?.exchange.sequence ?? 0 < entry.exchange.sequence { best = index }
            }
            guard let best, let entry = heads[best], entry.exchange.sequence > after else { return }
            guard body(entry.exchange) else { return }
            heads[best] = entry.previous
        }
    }

    /// The newest `limit` changes after that number, in order, and the number of the others.
    func changes(after: Int, newest limit: Int) -> (list: [StoredExchange], others: Int) {
        var list: [StoredExchange] = []
        var others = 0
        walk(after: after) { exchange in
            if list.count < limit { list.append(exchange) } else { others += 1 }
            return true
        }
        return (list.reversed(), others)
    }

    /// The oldest `limit` changes after that number, in order.
    func changes(after: Int, oldest limit: Int) -> [StoredExchange] {
        var list: [StoredExchange] = []
        walkForward(after: after) { exchange in
            guard list.count < limit else { return false }
            list.append(exchange)
            return list.count < limit
        }
        return list
    }

    /// Passes the changes after that number to `body`, oldest first, until it returns false. Earlier changes cost no
    /// time.
    func walkForward(after: Int, _ body: (StoredExchange) -> Bool) {
        var (low, high) = (0, order.count)
        while low < high {
            let middle = low + (high - low) / 2
            if order[middle].sequence > after { high = middle } else { low = middle + 1 }
        }
        for (sequence, id) in order[low...] {
            guard let entry = entries[id], entry.exchange.sequence == sequence else { continue }
            guard body(entry.exchange) else { return }
        }
    }

    // MARK: Changing

    /// Stores the exchange, replacing an earlier state.
    func put(_ exchange: StoredExchange) {
        var exchange = exchange
        sequence += 1
        exchange.sequence = sequence
        let former = entries[exchange.id]
        exchange.isPinned = former?.exchange.isPinned ?? false
        exchange.trim()
        var cost = exchange.cost
        if cost > limit(of: exchange.lane) {
            exchange.dropBodies()
            cost = exchange.cost
        }
        // A pinned exchange has grown: it stays pinned if there is room.
        if exchange.isPinned, cost - (former?.cost ?? 0) > limit(of: .pinned) - lanes[Lane.pinned.rawValue].cost {
            exchange.isPinned = false
        }
        if let former { unlink(former) }
        let entry = former ?? Entry(exchange)
        entry.exchange = exchange
        entry.cost = cost
        entries[exchange.id] = entry
        link(entry)
        if let ticket = exchange.ticket { tickets[ticket] = exchange.id }
    }

    /// Sets the age of a running exchange, which does not count as a change.
    func set(age: Double, of id: ExchangeID) {
        if let entry = entries[id], entry.exchange.isRunning { entry.exchange.age = age }
    }

    /// Ends an exchange that is stored as running.
    func end(_ id: ExchangeID, _ ending: RecordedEvent.Ending) {
        guard let entry = entries[id], entry.exchange.isRunning else { return }
        var exchange = entry.exchange
        exchange.end(ending)
        put(exchange)
    }

    func pin(_ id: ExchangeID, _ isPinned: Bool) -> Pinning {
        guard let entry = entries[id] else { return .missing }
        guard entry.exchange.isPinned != isPinned else { return .done }
        // Must not evict pinned exchanges.
        let pinned = lanes[Lane.pinned.rawValue].cost
        if isPinned, pinned + entry.cost > limit(of: .pinned) { return .full }
        unlink(entry)
        sequence += 1
        entry.exchange.isPinned = isPinned
        entry.exchange.sequence = sequence
        link(entry)
        return .done
    }

    /// Removes everything, including pinned exchanges.
    func clear() {
        for lane in lanes {
            while let entry = lane.first { forget(entry) }
        }
    }

    /// The stored state of the exchange that was sent with that ticket.
    func exchange(ticket: UInt64) -> StoredExchange? { tickets[ticket].flatMap { self[$0] } }

    // MARK: Lanes

    private func limit(of lane: Lane) -> Int { keep / 100 * lane.share }

    private func link(_ entry: Entry) {
        let lane = entry.exchange.lane
        entry.lane = lane
        let queue = lanes[lane.rawValue]
        queue.append(entry)
        order.append((entry.exchange.sequence, entry.exchange.id))
        if order.count > 2 * entries.count + 64 {
            order.removeAll { entries[$0.id]?.exchange.sequence != $0.sequence }
        }
        // The newest entry stays, whatever its size: bodies of exchanges that are too large were left out.
        while queue.cost > limit(of: lane), let oldest = queue.first, oldest !== entry { forget(oldest) }
    }

    private func unlink(_ entry: Entry) { lanes[entry.lane.rawValue].remove(entry) }

    private func forget(_ entry: Entry) {
        unlink(entry)
        entries[entry.exchange.id] = nil
        if let ticket = entry.exchange.ticket { tickets[ticket] = nil }
        // A running exchange is stored again when it changes.
        guard !entry.exchange.isRunning else { return }
        evicted += 1
        past.append(entry.exchange.sequence)
        onEviction(entry.exchange.sequence)
    }

    /// An exchange in its lane.
    private final class Entry {
        var exchange: StoredExchange
        var cost = 0
        var lane = Lane.ordinary
        unowned(unsafe) var previous: Entry?
        unowned(unsafe) var next: Entry?

        init(_ exchange: StoredExchange) {
            self.exchange = exchange
        }
    }

    /// The exchanges of one lane, ordered by their last change. `entries` owns them.
    private final class Queue {
        private(set) unowned(unsafe) var first: Entry?
        private(set) unowned(unsafe) var last: Entry?
        private(set) var cost = 0

        func append(_ entry: Entry) {
            entry.previous = last
            entry.next = nil
            last?.next = entry
            last = entry
            if first == nil { first = entry }
            cost += entry.cost
        }

        func remove(_ entry: Entry) {
            if let previous = entry.previous { previous.next = entry.next } else { first = entry.next }
            if let next = entry.next { next.previous = entry.previous } else { last = entry.previous }
            entry.previous = nil
            entry.next = nil
            cost -= entry.cost
        }

        func clear() {
            first = nil
            last = nil
        }
    }
}

/// Counts the evicted exchanges that had changed after a given number.
struct Evictions {
    private var recent: [Int] = []
    private var next = 0
    /// The evictions that are no longer in `recent`.
    private var older = (count: 0, last: 0)
    private static let maximum = 16_384

    mutating func append(_ sequence: Int) {
        guard recent.count == Self.maximum else { return recent.append(sequence) }
        older = (older.count + 1, max(older.last, recent[next]))
        recent[next] = sequence
        next = (next + 1) % Self.maximum
    }

    /// The number of evictions after that number, and their range; nil if there are none. Exact for recent ones,
    /// otherwise an upper bound.
    func after(_ sequence: Int) -> Lost? {
        let known = recent.filter { $0 > sequence }
        let unknown = max(0, min(older.count, older.last - sequence))
        guard unknown + known.count > 0 else { return nil }
        let first = unknown > 0 ? sequence + 1 : known.min() ?? sequence + 1
        let last = max(known.max() ?? 0, unknown > 0 ? older.last : 0)
        return Lost(first: first, last: last, count: unknown + known.count)
    }
}

/// The number of exchanges that a viewer misses, and the range of changes in which they would have occurred.
struct Lost: Equatable {
    var first: Int
    var last: Int
    var count: Int

    static func + (left: Lost?, right: Lost) -> Lost {
        guard let left else { return right }
        return Lost(
            first: min(left.first, right.first),
            last: max(left.last, right.last),
            count: left.count + right.count
        )
    }
}
