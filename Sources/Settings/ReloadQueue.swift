/// Queues requests to reload the configuration. One reload runs at a time, and each request is served by a reload that
/// began after it, because a running one may have read older content.
///
/// The queue is idle, or a reload is running while further requests wait for the next one, or it is closed. Pure.
public struct ReloadQueue<Request> {
    private enum State {
        case idle
        case reading(served: [Request], next: [Request])
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

    public mutating func add(_ request: Request) -> Answer {
        switch state {
        case .idle:
            state = .reading(served: [request], next: [])
            return .read
        case .reading(_, let next) where next.count >= Self.maximum: return .tooMany
        case .reading(let served, let next):
            state = .reading(served: served, next: next + [request])
            return .wait
        case .closed: return .closed
        }
    }

    /// A reload has ended. Returns the requests to answer, and whether to reload again at once.
    public mutating func ended() -> (served: [Request], readsAgain: Bool) {
        switch state {
        case .reading(let served, let next) where next.isEmpty:
            state = .idle
            return (served, false)
        case .reading(let served, let next):
            state = .reading(served: next, next: [])
            return (served, true)
        // Closed meanwhile: the requests were answered then.
        case .idle, .closed: return ([], false)
        }
    }

    /// Ends reloading. Returns the requests that still wait.
    public mutating func close() -> [Request] {
        defer { state = .closed }
        guard case .reading(let served, let next) = state else { return [] }
        return served + next
    }
}
