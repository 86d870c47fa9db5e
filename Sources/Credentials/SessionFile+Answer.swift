import Platform
import Support

/// A response to a refresh that could not be interpreted, or a session that could not be saved, kept for a person.
extension SessionFile {
    /// The path of responses to a refresh in which no token was found, or that were cut, or of a session that could not be
    /// saved when its process ended. It may contain the only valid token.
    public var answerPath: String { path + ".answer" }

    private static let maximumAnswerBytes = 64 * 1024

    /// Keeps the first 64 KiB of `bytes`, readable by this user only, behind the responses that are kept already: any of
    /// them may have the only living token. Of all together the last 256 KiB are kept. False if that fails, or if a
    /// session is kept there; what is kept stays then.
    func keepAnswer(_ bytes: [UInt8]) -> Bool {
        guard unsaved == nil, let former = keptAnswers else { return false }
        let all = former + (former.isEmpty ? [] : [0x0A]) + bytes.prefix(Self.maximumAnswerBytes)
        return replaceAnswer(all.suffix(Self.maximumBytes))
    }

    /// Empty if none are kept, or something lies there that is not ours; nil if they cannot be read.
    private var keptAnswers: [UInt8]? {
        var information = stat()
        guard unsafe lstat(answerPath, &information) == 0 else { return errno == ENOENT ? [] : nil }
        return isOurs(information) ? try? NamedFile.read(answerPath, limit: Self.maximumBytes) : []
    }

    /// Keeps a session that cannot be saved, in its place. Moved to `path` it is the session again. False if that fails;
    /// an earlier response stays then.
    func keepUnsaved(_ record: SessionRecord) -> Bool { replaceAnswer(record.serialized()) }

    private func replaceAnswer(_ bytes: some Collection<UInt8>) -> Bool {
        (try? write(bytes, to: answerPath, through: answerPath + ".new")) != nil
    }

    /// What `keepUnsaved` wrote; nil if nothing is kept, or a response that could not be interpreted.
    var unsaved: SessionRecord? {
        var information = stat()
        guard unsafe lstat(answerPath, &information) == 0, isOurs(information),
            let record = (try? SessionFile(path: answerPath).load())?.record
        else { return nil }
        return record.isEmpty || record.document["version"] == nil || record.lineage == nil ? nil : record
    }

    /// Puts what `keepUnsaved` wrote in its place, durably, if it replaced the tokens in `current`, and removes it if
    /// `current` replaced it. Returns what is in the file now; nil if that is `current` still. The lock must be held.
    func takeUpUnsaved(_ current: SessionRecord?) throws(SessionFileError) -> Loaded? {
        guard let unsaved, let current else { return nil }
        if current.hasReplaced(unsaved) || current.held == unsaved.held { removeAnswer() }
        guard unsaved.isTakenUp(for: current) else { return nil }
        try proveReplaceable()
        guard unsafe rename(answerPath, path) == 0 else { throw SessionFileError("write", path) }
        try synchronizeDirectory()
        return version().map { Loaded(record: unsaved, version: $0) }
    }

    /// What a person can do with a session that `keepUnsaved` wrote; nil if there is none.
    public var unsavedAdvice: String? { unsaved == nil ? nil : adviceForUnsaved }

    private var adviceForUnsaved: String {
        "A session that could not be saved is kept in \(answerPath). To take it up, stop Squire and move it to \(path), "
            + "in place of what is there."
    }

    /// The same for whatever is kept, beside the session of `record`. Nil, too, if that is the kept session, or has
    /// replaced it: the removal may have been interrupted.
    func keptAdvice(beside record: SessionRecord) -> String? {
        guard let kept = unsaved else {
            return hasAnswer
                ? "An answer to a refresh that could not be read is kept in \(answerPath): it may have the new token."
                : nil
        }
        return record.hasReplaced(kept) || record.held == kept.held ? nil : adviceForUnsaved
    }

    /// `record` is in the file. What was kept is over, unless it is another session that a login left aside: that
    /// becomes the previous one, or stays if the login has just kept another. The lock must be held.
    func settleAnswer(replacedBy record: SessionRecord, hasKeptFormer: Bool) {
        guard !record.isEmpty, let other = unsaved, other.held != record.held, !record.hasReplaced(other) else {
            return removeAnswer()
        }
        if !hasKeptFormer { unsafe rename(answerPath, previousPath) }
    }

    /// Removes the kept response: a token was saved, or the session was forgotten.
    func removeAnswer() {
        unsafe unlink(answerPath)
    }

    var hasAnswer: Bool { PrivateFile.exists(answerPath) }
}
