import Platform

/// The session that a login replaced, kept for a person: only `squire logout` reads it.
extension SessionFile {
    public var previousPath: String { path + ".previous" }

    /// Keeps a record, readable by this user only from its first moment, in place of the one kept before. Never writes
    /// through a link. False if that fails. The lock must be held.
    func keepPrevious(_ record: SessionRecord) -> Bool {
        let draft = directory + "/." + name + ".previous.new"
        unlink(draft)
        guard let file = try? FileDescriptor.open(draft, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW) else { return false }
        let isKept =
            fchmod(file.number, 0o600) == 0 && file.writeAll(record.serialized()) && file.synchronize()
            && rename(draft, previousPath) == 0
        if !isKept { unlink(draft) }
        return isKept
    }

    /// The kept record; nil if there is none that can be read.
    public func previous() -> SessionRecord? {
        (try? SessionFile(path: previousPath).load())?.record
    }

    /// True if something lies there.
    public var hasPrevious: Bool {
        var information = stat()
        return lstat(previousPath, &information) == 0
    }

    public func removePrevious() {
        unlink(previousPath)
    }
}

/// Whether a change could be saved.
extension SessionFile {
    /// Tries to save, and changes nothing: why a session could not be saved here; nil if it could. Call it before
    /// something is done that cannot be undone. Another process that holds the lock is about to save itself: that is no
    /// problem.
    ///
    /// A directory that does not exist yet is not made to try it, unless `makingDirectory` says so.
    public func writeProblem(makingDirectory: Bool = false) -> SessionFileError? {
        if !makingDirectory, !Self.exists(directory) { return directoryProblem() }
        do throws(SessionFileError) {
            guard let handle = try tryLock() else { return nil }
            defer { handle.unlock() }
            switch leftover() {
            case nil, .rubbish: abandon(try prepare())
            // What a process that died left there is not for this one to clear away.
            case .record, .journal: break
            }
            return nil
        } catch {
            return error
        }
    }

    /// Why the directory could not be made; nil if it probably could.
    private func directoryProblem() -> SessionFileError? {
        var existing = directory
        while !Self.exists(existing) { existing = SessionFile(path: existing).directory }
        // With the slash it must be a directory.
        return access(existing + "/.", W_OK | X_OK) == 0 ? nil : SessionFileError("make the directory", directory)
    }

    private static func exists(_ path: String) -> Bool {
        var information = stat()
        return path == "/" || path == "." || stat(path, &information) == 0
    }
}
