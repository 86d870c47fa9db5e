import Platform
import Support
import Threads

/// Saves and publishes the result of a rotation, at the end of each one that asked the issuer. On the session's thread,
/// under the file's lock.
extension Session {
    /// The held tokens were spent, and only a refresh token of the answer can be used: it is saved, to be spent next.
    func spentInVain(
        _ rotation: Rotation,
        _ refreshToken: Token,
        expiresIn: Int?,
        _ reason: String
    ) -> Ending {
        var record = rotation.base
        record.putRefreshToken(refreshToken, expiresIn: expiresIn, now: clock.now.wall)
        if let identity = rotation.identity { record.share(as: identity, in: place) }
        record.record(entry(rotation, .misconfigured, detail: reason))
        guard saveOrReport(record, rotation) else { return adoptFile() }
        return .failed(Failure(.misconfigured, reason), isUnanswered: false)
    }

    func succeeded(
        _ rotation: Rotation,
        _ tokens: TokenSet,
        _ reply: IssuerResponse?,
        _ source: any TokenSource
    ) -> Ending {
        var record = rotation.base
        if foreign(record) != nil { record = SessionRecord() }
        let isSame = tokens.accessToken == rotation.old.accessToken
        record.put(tokens, .refresh, upstream: binding?.origin, now: clock.now.wall)
        if let binding { record.complete(binding) }
        if let identity = rotation.identity { record.share(as: identity, in: place) }
        record.record(entry(rotation, isSame ? .unchanged : .refreshed))
        if source.spends {
            guard saveOrReport(record, rotation) else { return adoptFile() }
        } else {
            saving.withLock { cache(record, rotation.cause) }
        }
        let response = Self.response(tokens.accessToken, reply)
        return isSame ? .unchanged(response) : .refreshed(response)
    }

    /// Takes over what the response says about the same token's life. A failure to save that loses nothing.
    func unchanged(_ rotation: Rotation, expiresIn: Int?, _ reply: IssuerResponse?) -> Ending {
        var record = rotation.base
        record.renew(lifetime: expiresIn, now: clock.now.wall)
        if rotation.cause == .rejected { record.rejected = snapshot.machine.current?.standing.mark }
        record.record(entry(rotation, .unchanged, detail: "the API gave the same token again"))
        saving.withLock { keep(record, rotation) }
        // Without a token, the issuer cannot have returned the same one.
        guard let token = rotation.old.accessToken else { return .loginNeeded }
        return .unchanged(Self.response(token, reply))
    }

    /// Makes a minted token current. The file is a cache: a token that cannot be saved is minted again. A file that
    /// cannot be read, or belongs to another session, stays as it is. `saving` is held.
    private func cache(_ record: SessionRecord, _ cause: RefreshCause) {
        var persistence = snapshot.persistence
        if let file {
            let loaded = Result { () throws(SessionFileError) in try file.load() }
            if case .success(let loaded) = loaded, loaded.map({ foreign($0.record) == nil }) ?? true,
                let version = (try? file.save(record)) ?? nil
            {
                persistence = .saved(version)
            }
        }
        publish(record, persistence, by: .refresh(cause))
    }

    /// Saves a new token, and makes it current whether or not that succeeded, because the old one is dead. False if
    /// somebody has deliberately put another token in by hand meanwhile. `saving` is held.
    private func save(_ record: SessionRecord, _ rotation: Rotation) -> Bool {
        guard let (file, replacement) = rotation.target else {
            let reason = "nothing could be written beside it"
            let lost = file.map { _ in snapshot.unsaved(replacing: rotation.old.spent?.fingerprint, reason) }
            publish(record, lost ?? .memoryOnly, by: .refresh(rotation.cause))
            return true
        }
        do throws(SessionFileError) {
            let unsaved = snapshot.persistence.unsaved
            var record = record
            record.replaces(unsaved?.replacing)
            let version = try file.keeping(unsaved?.former, replacedBy: record) { keep throws(SessionFileError) in
                try commit(record, file, replacement) { () throws(SessionFileError) in
                    guard try isReplaced(rotation.old, in: file) else { return keep() }
                    guard rotation.identity != nil else { return false }
                    // The machines' session takes precedence, as when a machine with another session joins.
                    if let theirs = try file.load()?.record { try file.keepBeforeShared(theirs) }
                    return keep()
                }
            }
            guard let version else { return false }
            publish(record, .saved(version), by: .refresh(rotation.cause))
            file.removeAnswer()
        } catch {
            // Continue with the new token, and report the failure loudly.
            let persistence = snapshot.unsaved(replacing: rotation.old.spent?.fingerprint, error.description)
            publish(record, persistence, by: .refresh(rotation.cause))
        }
        return true
    }

    /// Calls `save`, and reports a failure to save.
    func saveOrReport(_ record: SessionRecord, _ rotation: Rotation) -> Bool {
        guard saving.withLock({ save(record, rotation) }) else { return false }
        if let unsaved = snapshot.persistence.unsaved { reportUnsaved(unsaved.reason) }
        return true
    }

    /// Tries once more on failure, with a new file: one that could not be synchronized must not be trusted.
    private func commit(
        _ record: SessionRecord,
        _ file: SessionFile,
        _ replacement: SessionFile.Replacement,
        mayReplace: () throws(SessionFileError) -> Bool
    ) throws(SessionFileError) -> SessionFile.Version? {
        do throws(SessionFileError) {
            return try file.commit(record, replacement, keepsComplete: true, mayReplace: mayReplace)
        } catch {
            if error.isUnreadable { throw error }
            // The complete new file is not given up before there is another.
            guard case .record(let complete)? = file.leftover(), complete.held == record.held else {
                return try file.save(record, keepsComplete: true, mayReplace: mayReplace)
            }
            guard try mayReplace() else {
                file.removeLeftover()
                return nil
            }
            try file.completeLeftover()
            return file.version()
        }
    }

    /// Records a failure, in the file too.
    func failed(_ rotation: Rotation, _ failure: Failure) -> Ending {
        var record = rotation.base
        record.record(entry(rotation, failure.outcome, detail: failure.reason, status: failure.status))
        if failure.isFinal { record.isRefreshDenied = true }
        record.pause = pause(rotation, failure)
        if rotation.cause == .rejected { record.rejected = snapshot.machine.current?.standing.mark }
        saving.withLock { keep(record, rotation) }
        return .failed(failure, isUnanswered: record.unanswered != nil)
    }

    /// For how long no process is to ask again; nil where that is for nobody else.
    private func pause(_ rotation: Rotation, _ failure: Failure) -> SessionRecord.Pause? {
        // What hinders the one may not hinder the other.
        guard !failure.isFinal, failure.outcome != .notWritable else { return nil }
        return snapshot.machine.pause(
            after: Self.setback(failure.outcome, failure.reason),
            retryAfter: failure.retryAfter,
            jitter: rotation.jitter,
            now: clock.now
        )
    }

    /// Saves information that nothing depends on: failures are ignored. `saving` is held.
    private func keep(_ record: SessionRecord, _ rotation: Rotation) {
        var version: SessionFile.Version?
        if let (file, replacement) = rotation.target {
            let former = snapshot.persistence.unsaved?.former
            let saved = try? file.keeping(former, replacedBy: record) { keep throws(SessionFileError) in
                try file.commit(record, replacement) { () throws(SessionFileError) in
                    try !isReplaced(rotation.old, in: file) && keep()
                }
            }
            version = saved ?? nil
        } else if let file, source?.spends == false {
            // Only beside the token that it is about, or where there is no token: other processes should know that,
            // too.
            let saved = try? file.save(record) { () throws(SessionFileError) in
                guard let loaded = try file.load() else { return rotation.old.spent == nil }
                return loaded.record.held == rotation.old && foreign(loaded.record) == nil
            }
            version = saved ?? nil
        }
        // Somebody may have put another token in, which this does not concern.
        let now = snapshot
        guard now.isForeign || now.record.held == rotation.old else { return }
        publish(record, version.map(Persistence.saved) ?? now.persistence, by: .refresh(rotation.cause))
    }

    func entry(
        _ rotation: Rotation,
        _ outcome: RefreshEntry.Outcome,
        detail: String? = nil,
        status: Int? = nil
    ) -> RefreshEntry {
        RefreshEntry(
            at: rotation.begun.wall,
            cause: rotation.cause,
            outcome: outcome,
            detail: detail,
            milliseconds: Int(clock.now.elapsed.subtracting(saturating: rotation.begun.elapsed) / 1_000_000),
            waiters: snapshot.waiters.count,
            status: status
        )
    }
}
