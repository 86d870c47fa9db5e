import Threads

/// How what is in memory relates to the session file. Changes only while `Session.saving` is held, but for the session's making.
enum Persistence: Sendable {
    /// No file is configured.
    case memoryOnly
    /// There is no file, and nothing to put into one.
    case absent
    /// The file of this version holds what is in memory.
    case saved(SessionFile.Version)
    /// What is in memory could not be saved, and is tried again.
    case unsaved(Unsaved)
    /// The file is there and cannot be used; what is in memory can. The version is nil when not even that could be read.
    case unreadable(SessionFile.Version?, reason: String)

    struct Unsaved: Sendable {
        /// The token that the file holds instead, as `Token.fingerprint`. It is dead.
        var replacing: String?
        /// The version of the file that holds it, once that was seen.
        var seen: SessionFile.Version?
        var reason: String
        /// How often saving was tried.
        var tries = 0
        /// On `CredentialClock.elapsed()`. Names the timer too: one that finds another time here was overtaken.
        var nextTry: Int64 = 0

        private static let initialDelay: Int64 = 1_000_000_000
        private static let maximumDelay: Int64 = 30_000_000_000

        /// Settles when saving is tried next, and gives the nanoseconds until then.
        mutating func schedule(now: Int64) -> Int64 {
            let delay = min(Self.initialDelay << Int64(min(tries, 5)), Self.maximumDelay)
            tries += 1
            nextTry = now.adding(saturating: delay)
            return delay
        }
    }

    /// The version of the file that was looked at last; nil when there was none.
    var version: SessionFile.Version? {
        switch self {
        case .memoryOnly, .absent: nil
        case .saved(let version): version
        case .unsaved(let unsaved): unsaved.seen
        case .unreadable(let version, _): version
        }
    }

    var unsaved: Unsaved? { if case .unsaved(let unsaved) = self { unsaved } else { nil } }

    /// Why the file cannot be used; nil when it can.
    var problem: String? { if case .unreadable(_, let reason) = self { reason } else { nil } }
}
