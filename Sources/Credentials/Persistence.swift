import Platform

/// How the record in memory relates to the session file. Changes only in `Session.saving`, and in
/// `Session.init`.
enum Persistence: Sendable {
    /// No file is configured.
    case memoryOnly
    /// There is no file, and nothing to save.
    case absent
    /// This version of the file holds the record.
    case saved(SessionFile.Version)
    /// The record could not be saved. Saving is retried.
    case unsaved(Unsaved)
    /// The file exists but cannot be used; the record in memory can. The version is nil if it could not be read.
    case unreadable(SessionFile.Version?, reason: String)

    struct Unsaved: Sendable {
        /// Fingerprint of the dead token that the file holds instead; nil if it holds none.
        var replacing: String?
        /// The session that an unsaved login replaced: it is kept beside the file when the login is saved.
        var former: SessionRecord?
        /// The version of that file, if it was read.
        var seen: SessionFile.Version?
        var reason: String
        /// The file beside it that has the record, complete; nil if none is known to.
        var keptIn: String?
        /// The change's place among those of this process.
        var order = ChangeOrder.beginning
        /// How often saving was tried.
        var tries = 0
        /// On `CredentialClock.elapsed()`. Also identifies the timer: one that finds another time here is stale.
        var nextTry: Int64 = 0

        private static let initialDelay: Int64 = 1_000_000_000
        private static let maximumDelay: Int64 = 30_000_000_000

        /// Sets the time of the next try and returns the nanoseconds until then.
        mutating func schedule(now: Int64) -> Int64 {
            let delay = min(Self.initialDelay << Int64(min(tries, 5)), Self.maximumDelay)
            tries += 1
            nextTry = now.adding(saturating: delay)
            return delay
        }
    }

    /// The version of the file that was read last; nil if there was none.
    var version: SessionFile.Version? {
        switch self {
        case .memoryOnly, .absent: nil
        case .saved(let version): version
        case .unsaved(let unsaved): unsaved.seen
        case .unreadable(let version, _): version
        }
    }

    var unsaved: Unsaved? { if case .unsaved(let unsaved) = self { unsaved } else { nil } }

    /// Why the file cannot be used; nil if it can.
    var problem: String? { if case .unreadable(_, let reason) = self { reason } else { nil } }
}
