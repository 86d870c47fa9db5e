import LocalServer
import ReverseProxy

/// Searches the store in portions and examines each exchange once: later changes have numbers above `sequence`.
///
/// Pure: the store is passed in.
struct StoreSearch {
    /// The last change when the search began.
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

    /// How many stored octets are searched before other work gets its turn.
    private static let portion = 1 << 20

    /// Searches the newest first, or the oldest first after a position.
    init(_ store: ExchangeStore, _ filter: ExchangeFilter, after: Int? = nil, before: Int? = nil) {
        sequence = store.sequence
        self.filter = filter
        position = after.map(Position.after) ?? .before(min(before ?? .max, store.sequence + 1))
    }

    /// Passes the matches of one portion to `body` until it returns false. False if that was the last portion.
    mutating func step(_ store: ExchangeStore, _ body: (StoredExchange) -> Bool) -> Bool {
        // Matching without contents is fast.
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
    /// Searches the store, with other work between portions, and then calls `done`.
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
