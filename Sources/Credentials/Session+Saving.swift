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
        _ reason: String,
        into destination: consuming Destination
    ) -> Ending {
        var record = rotation.base
        record.putRefreshToken(refreshToken, expiresIn: expiresIn, now: clock.now.wall)
        if let identity = rotation.identity { record.share(as: identity, in: place) }
        record.record(entry(rotation, .misconfigured, detail: reason))
        guard saveOrReport(record, rotation, into: destination) else { return adoptFile() }
        return .failed(Failure(.misconfigured, reason), isUnanswered: false)
    }

    func succeeded(
        _ rotation: Rotation,
        _ tokens: TokenSet,
        _ reply: IssuerResponse?,
        into destination: consuming Destination
    ) -> Ending {
        var record = rotation.base
        if foreign(record) != nil { record = SessionRecord() }
        let isSame = tokens.accessToken == rotation.old.accessToken
        record.put(tokens, .refresh, upstream: binding?.origin, now: clock.now.wall)
        if let binding { record.complete(binding) }
        if let identity = rotation.identity { record.share(as: identity, in: place) }
        record.record(entry(rotation, isSame ? .unchanged : .refreshed))
        guard saveOrReport(record, rotation, into: destination) else { return adoptFile() }
        let response = response(tokens.accessToken, record.refreshToken, reply)
        return isSame ? .unchanged(response) : .refreshed(response)
    }

    /// Takes over what the response says about the same token's life. A failure to save that loses nothing.
    func unchanged(
        _ rotation: Rotation,
        expiresIn: Int?,
        _ reply: IssuerResponse?,
        into destination: consuming Destination
    ) -> Ending {
        var record = rotation.base
        record.renew(lifetime: expiresIn, now: clock.now.wall)
        if rotation.cause == .rejected { record.rejected = snapshot.machine.current?.standing.mark }
        record.record(entry(rotation, .unchanged, detail: "the API gave the same token again"))
        saveIfPossible(record, rotation, in: destination)
        // Without a token, the issuer cannot have returned the same one.
        guard let token = rotation.old.accessToken else { return .loginNeeded }
        return .unchanged(response(token, record.refreshToken, reply))
    }

    /// Makes a minted token current. The file is a cache: a token that cannot be saved is minted again. A file that
    /// cannot be read, or belongs to another session, stays as it is. Called in `saving`.
    private func cache(_ record: SessionRecord, in file: SessionFile) -> Persistence {
        let loaded = Result { () throws(SessionFileError) in try file.load() }
        guard case .success(let loaded) = loaded, loaded.map({ foreign($0.record) == nil }) ?? true,
            let version = (try? file.save(record)) ?? nil
        else { return snapshot.persistence }
        return .saved(version)
    }

    /// Saves a new token, and makes it current whether or not that succeeded, because the old one is dead. Called in
    /// `saving`.
    private func save(_ record: SessionRecord, _ rotation: Rotation, into destination: consuming Destination) -> Saved {
        switch consume destination {
        case .file(let file, let replacement): return save(record, rotation, into: file, replacement)
        case .memory: publish(record, .memoryOnly, by: .refresh(rotation.cause))
        case .cache(let file): publish(record, cache(record, in: file), by: .refresh(rotation.cause))
        case .nothingPrepared: return keepInMemory(record, rotation, "nothing could be written beside it")
        }
        return .asFarAsNeeded
    }

    private enum Saved {
        /// In the file; a minted token need not be.
        case asFarAsNeeded
        /// In memory only, for that reason.
        case inMemory(String)
        /// Somebody has deliberately put another token in by hand meanwhile.
        case refused
    }

    /// Continues with the new token, which could not be saved: the old one is dead.
    private func keepInMemory(
        _ record: SessionRecord,
        _ rotation: Rotation,
        _ reason: String,
        keptIn path: String? = nil
    ) -> Saved {
        let persistence = snapshot.unsaved(replacing: rotation.old.spent?.fingerprint, reason, keptIn: path)
        publish(record, persistence, by: .refresh(rotation.cause))
        return .inMemory(reason)
    }

    private func save(
        _ record: SessionRecord,
        _ rotation: Rotation,
        into file: SessionFile,
        _ replacement: consuming SessionFile.Replacement
    ) -> Saved {
        do throws(SessionFileError) {
            let unsaved = snapshot.persistence.unsaved
            var record = record
            record.replaces(unsaved?.replacing)
            let former = unsaved?.former
            let version = try commit(record, file, replacement, keeping: former) { () throws(SessionFileError) in
                guard try isReplaced(rotation.old, in: file) else { return true }
                guard rotation.identity != nil else { return false }
                // The machines' session takes precedence, as when a machine with another session joins.
                if let theirs = try file.load()?.record { try file.keepBeforeShared(theirs) }
                return true
            }
            guard let version else { return .refused }
            publish(record, .saved(version), by: .refresh(rotation.cause))
            file.removeAnswer()
            return .asFarAsNeeded
        } catch {
            return keepInMemory(record, rotation, error.description, keptIn: file.path(ofComplete: record))
        }
    }

    /// Calls `save`, and reports a failure to save. False if nothing was changed.
    private func saveOrReport(
        _ record: SessionRecord,
        _ rotation: Rotation,
        into destination: consuming Destination
    ) -> Bool {
        switch saving(destination, { save(record, rotation, into: $0) }) {
        case .asFarAsNeeded: return true
        case .inMemory(let reason):
            reportUnsaved(reason)
            return true
        case .refused: return false
        }
    }

    /// Tries once more on failure.
    private func commit(
        _ record: SessionRecord,
        _ file: SessionFile,
        _ replacement: consuming SessionFile.Replacement,
        keeping former: SessionRecord?,
        mayReplace: () throws(SessionFileError) -> Bool
    ) throws(SessionFileError) -> SessionFile.Version? {
        do throws(SessionFileError) {
            return try file.commit(record, replacement, keeping: former, keepsComplete: true, mayReplace: mayReplace)
        } catch {
            if error.isUnreadable { throw error }
            return try file.saveAgain(record, keeping: former, keepsComplete: true, mayReplace: mayReplace)
        }
    }

    /// Records a failure, in the file too.
    func failed(_ rotation: Rotation, _ failure: Failure, into destination: consuming Destination) -> Ending {
        var record = rotation.base
        record.record(entry(rotation, failure.outcome, detail: failure.reason, status: failure.status))
        if failure.isFinal { record.isRefreshDenied = true }
        record.pause = pause(rotation, failure)
        if rotation.cause == .rejected { record.rejected = snapshot.machine.current?.standing.mark }
        saveIfPossible(record, rotation, in: destination)
        return .failed(failure, isUnanswered: record.unanswered != nil)
    }

    /// For how long no process is to ask again; nil where that is for nobody else.
    private func pause(_ rotation: Rotation, _ failure: Failure) -> SessionRecord.Pause? {
        // What hinders the one may not hinder the other.
        guard !failure.isFinal, failure.outcome != .notWritable else { return nil }
        return snapshot.machine.pause(
            after: Self.setback(failure),
            retryAfter: failure.retryAfter,
            jitter: rotation.jitter,
            now: clock.now
        )
    }

    /// Saves information that nothing depends on: failures are ignored.
    private func saveIfPossible(
        _ record: SessionRecord,
        _ rotation: Rotation,
        in destination: consuming Destination
    ) {
        saving(destination) { destination in
            let version = (try? save(record, rotation, in: destination)) ?? nil
            // Somebody may have put another token in, which this does not concern.
            let now = snapshot
            guard now.isForeign || now.record.held == rotation.old else { return }
            publish(record, version.map(Persistence.saved) ?? now.persistence, by: .refresh(rotation.cause))
        }
    }

    /// Nil if nothing was saved. Called in `saving`.
    private func save(
        _ record: SessionRecord,
        _ rotation: Rotation,
        in destination: consuming Destination
    ) throws(SessionFileError) -> SessionFile.Version? {
        switch consume destination {
        case .memory: return nil
        case .nothingPrepared: return nil
        case .file(let file, let replacement):
            let former = snapshot.persistence.unsaved?.former
            return try file.commit(record, replacement, keeping: former) { () throws(SessionFileError) in
                try !isReplaced(rotation.old, in: file)
            }
        case .cache(let file):
            // Only beside the token that it is about, or where there is no token: other processes should know that,
            // too.
            return try file.save(record) { () throws(SessionFileError) in
                guard let loaded = try file.load() else { return rotation.old.spent == nil }
                return loaded.record.held == rotation.old && foreign(loaded.record) == nil
            }
        }
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
