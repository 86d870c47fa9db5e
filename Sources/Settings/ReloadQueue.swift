/// Queues requests to reload the configuration. One reload runs at a time, and each request is served by a reload that
/// began after it, because a running one may have read older content.
///
/// The queue is idle, or a reload is running while further requests wait for the next one, or it is closed. Pure.
public struct ReloadQueue<Wish> {
    private enum State {
        case idle
        case reading(granted: [Wish], next: [Wish])
        case closed
    }

    private var state = State.idle

    /// The maximum number of requests that wait for one reload.
    public static var maximum: Int { 64 }

    public init() {}

    /// What happens to a request.
    public enum Answer: Equatable, Sendable {
        /// Reload now.
        case read
        /// It waits for the next reload.
        case wait
        /// The next reload serves it, too, but too many requests wait for its result.
        case tooMany
        case closed
    }

    public mutating func add(_ wish: Wish) -> Answer {
        switch state {
        case .idle:
            state = .reading(granted: [wish], next: [])
            return .read
        case .reading(_, let next) where next.count >= Self.maximum: return .tooMany
        case .reading(let granted, let next):
            state = .reading(granted: granted, next: next + [wish])
            return .wait
        case .closed: return .closed
        }
    }

    /// A reload has ended. Returns the requests to answer, and whether to reload again at once.
    public mutating func ended() -> (granted: [Wish], readsAgain: Bool) {
        switch state {
        case .reading(let granted, let next) where next.isEmpty:
            state = .idle
            return (granted, false)
        case .reading(let granted, let next):
            state = .reading(granted: next, next: [])
            return (granted, true)
        // Closed meanwhile: the requests were answered then.
        case .idle, .closed: return ([], false)
        }
    }

    /// Ends reloading. Returns the requests that still wait.
    public mutating func close() -> [Wish] {
        defer { state = .closed }
        guard case .reading(let granted, let next) = state else { return [] }
        return granted + next
    }
}
