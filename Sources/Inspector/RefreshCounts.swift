public import Credentials
import Threads

/// Counts refreshes by cause and outcome. Any thread.
public final class RefreshCounts: Sendable {
    public struct Key: Hashable, Sendable {
        public var cause: String
        public var outcome: String
    }

    private let counts = Guarded<[Key: Int]>([:])

    public init() {}

    public func record(_ event: SessionEvent) {
        let key: Key
        switch event {
        case .refreshed(let report, _, _): key = Key(cause: report.cause.rawValue, outcome: "refreshed")
        case .unchanged(let report, _): key = Key(cause: report.cause.rawValue, outcome: "unchanged")
        case .refreshFailed(let report, _, let failure):
            key = Key(cause: report.cause.rawValue, outcome: failure.needsLogin ? "refused" : "failed")
        case .adopted, .recovered, .loggedIn, .replaced, .loginIgnored, .loggedOut, .notSaved, .saved, .died, .denied,
            .revived, .keptBeforeShared, .waitsForFile, .fileUnreadable, .livesOn:
            return
        }
        counts.with { $0[key, default: 0] += 1 }
    }

    /// In a fixed order.
    public func snapshot() -> [(key: Key, value: Int)] {
        counts.with { $0 }.map { ($0.key, $0.value) }
            .sorted { ($0.0.cause, $0.0.outcome) < ($1.0.cause, $1.0.outcome) }
            .map { (key: $0.0, value: $0.1) }
    }
}
