public import Credentials
import Threads

/// Counts refreshes by cause and outcome. Any thread.
public final class RefreshCounts: @unchecked Sendable {
    // `@unchecked`: `counts` is protected by `lock`.
    public struct Key: Hashable {
        public var cause: String
        public var outcome: String
    }

    private let lock = Lock()
    private var counts: [Key: Int] = [:]

    public init() {}

    public func note(_ event: SessionEvent) {
        let key: Key
        switch event {
        case .refreshed(let cause, _, _): key = Key(cause: cause.rawValue, outcome: "refreshed")
        case .refreshFailed(let cause, _, let failure):
            key = Key(cause: cause.rawValue, outcome: failure.needsLogin ? "refused" : "failed")
        case .adopted, .recovered, .loggedIn, .loggedOut, .notSaved, .saved, .fileUnreadable: return
        }
        lock.withLock { counts[key, default: 0] += 1 }
    }

    /// In a fixed order.
    public func snapshot() -> [(key: Key, value: Int)] {
        lock.withLock { counts }.map { ($0.key, $0.value) }
            .sorted { ($0.0.cause, $0.0.outcome) < ($1.0.cause, $1.0.outcome) }
            .map { (key: $0.0, value: $0.1) }
    }
}
