import LocalServer
import ReverseProxy

/// Looks through the store in portions, each exchange once: what changes meanwhile is behind `sequence`.
///
/// Pure: the store is given.
struct StoreSearch {
    /// Of the last change when it began.
    let sequence: Int
    private let filter: ExchangeFilter
    private(set) var searched = ExchangeFilter.Searched()
    private var position: Position

    private enum Position {
        /// The newest before that change is next.
        case before(Int)
        /// The oldest after that change is next.
        case after(Int)
        case end
    }

    /// What is looked through before others have their turn, in octets of what is kept.
    private static let portion = 1 << 20

    /// The newest first; after a position the oldest first.
    init(_ store: ExchangeStore, _ filter: ExchangeFilter, after: Int? = nil, before: Int? = nil) {
        sequence = store.sequence
        self.filter = filter
        position = after.map(Position.after) ?? .before(min(before ?? .max, store.sequence + 1))
    }

    /// Hands over a portion of what matches, until `body` has enough. False when that was the last.
    mutating func step(_ store: ExchangeStore, _ body: (StoredExchange) -> Bool) -> Bool {
        // Heads are looked at quickly.
        var left = filter.looksInside ? Self.portion : .max
        var hasMore = false
        var last = 0
        let sequence = sequence
        let filter = filter
        var searched = searched
        func take(_ exchange: StoredExchange) -> Bool {
            guard exchange.sequence <= sequence else { return false }
            guard left > 0 else {
                hasMore = true
                return false
            }
            left -= exchange.cost
            last = exchange.sequence
            return filter.matches(exchange, &searched) ? body(exchange) : true
        }
        switch position {
        case .before(let before): store.walk(before: before, take)
        case .after(let after): store.walkForward(after: after, take)
        case .end: break
        }
        self.searched = searched
        switch position {
        case .before where hasMore: position = .before(last)
        case .after where hasMore: position = .after(last)
        case .before, .after, .end: position = .end
        }
        return hasMore
    }
}

extension InspectorServer {
    /// Looks through the store, while others have their turn between portions; then calls `done`.
    func search(
        _ search: StoreSearch,
        for responder: LocalResponder,
        _ body: @escaping (StoredExchange) -> Bool,
        done: @escaping (StoreSearch) -> Void
    ) {
        var search = search
        guard search.step(store, body) else { return done(search) }
        responder.whenDrained { [unowned self, search] in self.search(search, for: responder, body, done: done) }
    }
}
