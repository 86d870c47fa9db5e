import Platform

/// The session that a login replaced, kept for a person: only `squire logout` reads it.
extension SessionFile {
    public var previousPath: String { path + ".previous" }

    /// The path of a record that is about to be replaced. When the replacement is saved, and not earlier, it takes the
    /// place of the one kept before.
    private var draftPath: String { directory + "/." + name + ".previous.new" }

    /// Writes `former`, the record that is about to be replaced. Call it when the new file is complete: that may have the
    /// only token that lives. A login is not refused because what it replaces cannot be kept: that is told.
    func writeDraft(_ former: SessionRecord) {
        _ = PrivateFile.create(draftPath, former.serialized())
    }

    /// Keeps the drafted record, or forgets it, and the one kept before stays.
    func settleDraft(isReplaced: Bool) {
        if unsafe !isReplaced || rename(draftPath, previousPath) != 0 { unsafe unlink(draftPath) }
    }

    /// True if there is a draft. One stat(2), without the lock.
    var hasDraft: Bool { PrivateFile.exists(draftPath) }

    /// Settles the draft of a dead process: its record is kept if the file's token has replaced it. The lock must be
    /// held, and the file read.
    func recoverDraft(_ current: SessionRecord?) {
        guard hasDraft else { return }
        let drafted = (try? SessionFile(path: draftPath).load())?.record
        settleDraft(isReplaced: drafted.flatMap { current?.hasReplaced($0) } ?? false && current?.isEmpty == false)
    }

    /// The kept record; nil if there is no readable one.
    func previous() -> SessionRecord? {
        (try? SessionFile(path: previousPath).load())?.record
    }

    // MARK: Joining other machines

    /// This machine's own session before the other machines' session replaced it. Like the previous one, only `squire
    /// logout` reads it.
    public var beforeSharedPath: String { path + ".before-shared" }

    /// Keeps `record` there, and replaces one that was kept before. The lock must be held.
    func keepBeforeShared(_ record: SessionRecord) throws(SessionFileError) {
        let draft = directory + "/." + name + ".before-shared.new"
        try write(record.serialized(), to: beforeSharedPath, through: draft)
    }

    // MARK: Ending it

    /// The path of a kept record while a logout ends it: no login writes there.
    public var endingPath: String { path + ".ending" }

    /// A session that is kept beside the file.
    public enum Kept: CaseIterable, Sendable {
        /// A login replaced it.
        case previous
        /// It was this machine's own before it joined the others.
        case beforeShared
    }

    public func path(of kept: Kept) -> String {
        switch kept {
        case .previous: previousPath
        case .beforeShared: beforeSharedPath
        }
    }

    /// True if any session is kept.
    public var hasKept: Bool { Kept.allCases.contains { PrivateFile.exists(path(of: $0)) } }

    /// True if there is one that an earlier logout took and could not end.
    public var hasEnding: Bool { PrivateFile.exists(endingPath) }

    /// Moves the kept record to `endingPath`, unless another is still there. False if there is none. Takes the lock,
    /// because a login meanwhile keeps another record.
    public func take(_ kept: Kept) throws(SessionFileError) -> Bool {
        let kept = self.path(of: kept)
        guard PrivateFile.exists(kept) else { return false }
        guard let handle = try lock(waitLimit: .seconds(75)) else {
            throw SessionFileError("another process holds \(path).lock. Is a squire stopped?")
        }
        defer { extendLifetime(handle) }
        // Another logout may have been quicker.
        guard !hasEnding else { return true }
        if unsafe rename(kept, endingPath) == 0 { return true }
        guard errno != ENOENT else { return false }
        throw SessionFileError("move", kept)
    }

    /// The record that `take` moved; nil if it contains no session.
    public func ending() -> SessionRecord? {
        (try? SessionFile(path: endingPath).load())?.record
    }

    /// False if it is still there.
    public func removeEnding() -> Bool { unsafe unlink(endingPath) == 0 || errno == ENOENT }
}

/// Tests whether a change could be saved.
extension SessionFile {
    /// Tries to save, and changes nothing: returns why a session could not be saved here; nil if it could. Call it
    /// before an action that cannot be undone. A lock held by another process is not a problem, because that process is
    /// about to save, too.
    ///
    /// Does not create a missing directory for the test, unless `makingDirectory` says so.
    public func writeProblem(makingDirectory: Bool = false) -> SessionFileError? {
        if !makingDirectory, !Self.exists(directory) { return directoryProblem() }
        do throws(SessionFileError) {
            guard let handle = try tryLock() else { return nil }
            defer { extendLifetime(handle) }
            switch leftover() {
            case nil, .rubbish: try proveWritable()
            // Leftovers of a dead process are not cleared away here.
            case .record, .journal: try proveReplaceable()
            }
            return nil
        } catch {
            return error
        }
    }

    /// Why the directory could not be created; nil if it probably could.
    private func directoryProblem() -> SessionFileError? {
        var existing = directory
        while !Self.exists(existing) { existing = SessionFile(path: existing).directory }
        // With the slash it must be a directory.
        return unsafe access(existing + "/.", W_OK | X_OK) == 0
            ? nil : SessionFileError("make the directory", directory)
    }

    private static func exists(_ path: String) -> Bool {
        var information = stat()
        return unsafe path == "/" || path == "." || stat(path, &information) == 0
    }
}
