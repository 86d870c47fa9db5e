import Support

/// What the session is, given the file and what lies beside it: asked by everybody who reads.
extension SessionFile {
    /// The session that came for the one in the file, or the end of that, which could not be put in its place: what the
    /// file has is dead, or forgotten.
    struct Successor: Sendable {
        var record: SessionRecord
        /// The file that has it.
        var path: String
    }

    /// The session: the file's, or the one that replaced it and could not be put in its place; empty if it has ended.
    /// Nil if there is none.
    /// Needs no lock, and changes nothing.
    public func session() throws(SessionFileError) -> SessionRecord? {
        let record = try load()?.record
        return successor(of: record)?.record ?? record
    }

    /// The session that came for `current`, which the file has; nil if there is none, or a living process is about to put
    /// it in place.
    func successor(of current: SessionRecord?) -> Successor? {
        if let record = abandonedRecord, record.follows(current) {
            return Successor(record: record, path: temporaryPath)
        }
        guard hasAnswer, let record = unsaved, let current, record.isTakenUp(for: current) else { return nil }
        return Successor(record: record, path: answerPath)
    }

    /// Where `record` lies complete, and only its renaming failed; nil if it does not. The lock must be held.
    func path(ofComplete record: SessionRecord) -> String? {
        guard case .record(let complete)? = leftover(), complete.held == record.held else { return nil }
        return temporaryPath
    }
}

extension SessionRecord {
    /// Whether this record, found complete at the path of new files, is the next one after `current`, which the file has.
    /// Without a file, it is all that there is.
    func follows(_ current: SessionRecord?) -> Bool {
        held != current?.held && (current == nil || replaced == current?.spent)
    }

    /// Whether this record, which a process kept at its end, takes the place of `current`. Of another login, or of a
    /// session that machines share since, a person decides.
    func isTakenUp(for current: SessionRecord) -> Bool {
        hasReplaced(current) && lineage == current.lineage
            && (document["shared"] == nil) == (current.document["shared"] == nil)
    }
}
