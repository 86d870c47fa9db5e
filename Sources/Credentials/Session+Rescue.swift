import Threads

/// Keeps a token that is only in memory when the session ends.
extension Session {
    /// A token that could not be saved, and where it is.
    public struct Unsaved: Sendable, Equatable {
        /// The session file.
        public var path: String
        /// Why it could not be saved there.
        public var reason: String
        /// The file that contains it now, in the form of a session file; nil if it could not be written either.
        public var keptIn: String?
    }

    /// Keeps tokens that could not be saved beside the session file, in `SessionFile.answerPath`; nil if there are none.
    /// Call it after `end`, which tries to save them once more. Blocks.
    public func rescue() -> Unsaved? {
        guard let file, source?.spends ?? true else { return nil }
        // The file may be readable again.
        if snapshot.persistence.problem != nil { recheckNow() }
        return saving.withLock {
            let now = snapshot
            if now.record.isEmpty, now.persistence.unsaved != nil {
                // A logout that could not be saved: what was kept before must not come back.
                file.removeAnswer()
                if file.place(ofComplete: now.record) == nil { file.removeLeftover() }
            }
            guard !now.isForeign, !now.record.isEmpty,
                let reason = now.persistence.unsaved?.reason ?? now.persistence.problem
            else { return nil }
            var record = now.record
            record.replaces(now.persistence.unsaved?.replacing)
            return Unsaved(path: file.path, reason: reason, keptIn: place(of: record, beside: file))
        }
    }

    /// Keeps the record, and returns the path: where only the renaming failed, it is complete already.
    private func place(of record: SessionRecord, beside file: SessionFile) -> String? {
        file.keepUnsaved(record) ? file.answerPath : file.place(ofComplete: record)
    }
}
