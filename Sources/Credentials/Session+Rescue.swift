import Threads

/// Keeps a token that is only in memory when the session ends.
extension Session {
    /// A change that could not be saved.
    public struct Unsaved: Sendable, Equatable {
        /// The session file.
        public var path: String
        /// Why it could not be saved there.
        public var reason: String
        public var what: What

        public enum What: Sendable, Equatable {
            /// New tokens. The file that contains them now has the form of a session file; nil if it could not be
            /// written either.
            case tokens(keptIn: String?)
            /// The session has ended, and the next Squire would use it.
            case end
        }
    }

    /// Keeps tokens that could not be saved beside the session file, in `SessionFile.answerPath`; nil if everything is
    /// saved, or the next Squire finds it. Call it after `end`, which tries to save once more. Blocks.
    public func rescue() -> Unsaved? {
        guard let file, source?.spends ?? true else { return nil }
        // The file may be readable again.
        if snapshot.persistence.problem != nil { recheckNow() }
        // What another process writes meanwhile is not taken away.
        let handle = snapshot.persistence.unsaved == nil ? nil : (try? hold(file)) ?? nil
        let isHeld = handle != nil
        defer { extendLifetime(handle) }
        return saving {
            let now = snapshot
            if now.record.isEmpty, let unsaved = now.persistence.unsaved {
                // A logout that could not be saved: what was kept before must not come back.
                file.removeAnswer()
                guard file.path(ofComplete: now.record) == nil else { return nil }
                if isHeld { file.removeLeftover() }
                let hasToken = unsaved.seen != nil && unsaved.replacing != nil
                return hasToken ? Unsaved(path: file.path, reason: unsaved.reason, what: .end) : nil
            }
            guard !now.isForeign, !now.record.isEmpty,
                let reason = now.persistence.unsaved?.reason ?? now.persistence.problem
            else { return nil }
            var record = now.record
            record.replaces(now.persistence.unsaved?.replacing)
            return Unsaved(path: file.path, reason: reason, what: .tokens(keptIn: keep(record, beside: file)))
        }
    }

    /// Keeps the record, and returns the path: where only the renaming failed, it is complete already.
    private func keep(_ record: SessionRecord, beside file: SessionFile) -> String? {
        file.keepUnsaved(record) ? file.answerPath : file.path(ofComplete: record)
    }
}
