import Threads

/// The rotation: on the session's thread, under the file's lock.
extension CredentialCache {
    /// How long another process may hold the file's lock before those who wait here are told to come again: it may have been stopped.
    private static let lockPatience = Duration.seconds(15)
    /// How often a refresh whose answer was lost is tried again without being asked: a grace at the upstream does not wait for the next
    /// request.
    private static let maxUnaskedRetries = 5

    /// A refresh in the making.
    private struct Rotation {
        let held: Credential
        let cause: RefreshCause
        /// Seconds since 1970.
        let at: Int
        /// On `CredentialClock.elapsed()`.
        let started: Int64
    }

    private struct Refreshed {
        var credential: Credential
        var reply: RefreshReply
    }

    private typealias RotationResult = Result<Refreshed, CredentialFailure>

    /// Makes the refresh that `CredentialState.beginRefresh` announced, after `pause` nanoseconds, and ends the waiting of all.
    func startRefresh(_ cause: RefreshCause, after pause: Int64 = 0) {
        let work: @Sendable () -> Void = { [weak self] in
            guard let self else { return }
            let result = refresh(cause)
            lock.withLock {
                state.endRefresh()
                announce()
            }
            resumeWaiters(result.map(\.credential), reply: result.map(\.reply))
        }
        if pause > 0 { thread.executeLater(pause, work) } else { thread.execute(work) }
    }

    /// Adopt what a sibling saved; make sure that the result can be saved; only then send; save; publish.
    private func refresh(_ cause: RefreshCause) -> RotationResult {
        guard let source, let held = lock.withLock({ state.credential }) else {
            return .failure(.loginNeeded(lock.withLock { state.story }))
        }
        // Another token came before this began.
        if held.generation != lock.withLock({ state.refreshing }) { return adopted() }
        let rotation = Rotation(held: held, cause: cause, at: clock.wall(), started: clock.elapsed())
        guard let file else { return rotate(rotation, source, base: lock.withLock { record }) }
        do throws(SessionFileError) {
            let isOver = { [self] in
                guard file.version() != lock.withLock({ fileVersion }) else { return false }
                return ((try? other(in: file, than: held)) ?? nil) != nil
            }
            guard let handle = try file.lock(patience: Self.lockPatience, isOver: isOver) else {
                if let other = try other(in: file, than: held) { return adopt(other) }
                let reason = "another process has held the lock of the session file for \(Self.lockPatience)"
                return failed(rotation, .unavailable, reason)
            }
            defer { handle.unlock() }
            recover(file)
            if let other = try other(in: file, than: held) { return adopt(other) }
            // What could not be saved is newer than what the file says.
            let isUnsaved = lock.withLock { unsaved != nil }
            let loaded = try isUnsaved ? nil : file.load()
            if let loaded, loaded.record.isRefused {
                // Another process was told so already.
                publish(loaded.record, version: loaded.version)
                return .failure(.loginNeeded(lock.withLock { state.story }))
            }
            let base = loaded?.record
            let journal = SessionFile.Journal(fingerprint: held.token.fingerprint, at: rotation.at, cause: cause)
            let replacement = try file.prepare(journal)
            return rotate(rotation, source, base: base ?? lock.withLock { record }, file, replacement)
        } catch {
            let failure = CredentialFailure.notWritable(error.description)
            _ = failed(rotation, .notWritable, error.description)
            return .failure(failure)
        }
    }

    /// What the file holds when that is neither the token that is to be refreshed nor the dead one that could not be replaced: another
    /// process, or a person, was here.
    private func other(in file: SessionFile, than held: Credential) throws(SessionFileError) -> SessionFile.Loaded? {
        guard let loaded = try file.load() else { return nil }
        let saved = loaded.record.token
        if saved == held.token { return nil }
        if let unsaved = lock.withLock({ unsaved }), unsaved.replaces == saved?.fingerprint { return nil }
        return loaded
    }

    private func adopt(_ loaded: SessionFile.Loaded) -> RotationResult {
        publish(loaded.record, version: loaded.version)
        observe(.adopted(generation: generation))
        return adopted()
    }

    // MARK: Sending

    private func rotate(
        _ rotation: Rotation,
        _ source: any TokenSource,
        base: SessionRecord,
        _ file: SessionFile? = nil,
        _ replacement: SessionFile.Replacement? = nil
    ) -> RotationResult {
        var base = base
        var outcome = source.refresh(rotation.held.token)
        if case .lost(let reason) = outcome {
            base.unanswered = .init(at: rotation.at, reason: reason)
            // Once more with the old token: it works if the upstream never saw the first, or within its grace.
            outcome = source.refresh(rotation.held.token)
        }
        switch outcome {
        case .refreshed(let reply):
            return succeeded(rotation, reply, base, file, replacement)
        case .refused(let status):
            var story = "The API refused to refresh the token (status \(status)) at \(UTCTime.text(clock.wall()))."
            if let lost = base.unanswered {
                story =
                    "The answer to the refresh of \(UTCTime.text(lost.at)) was lost (\(lost.reason)), and the API has refused the token since (status \(status))."
            }
            return failed(rotation, .refused, story, base, file, replacement)
        case .unavailable(let reason, let retryAfter, let mayHaveRotated):
            if mayHaveRotated, base.unanswered == nil { base.unanswered = .init(at: rotation.at, reason: reason) }
            return failed(rotation, .unavailable, reason, retryAfter: retryAfter, base, file, replacement)
        case .unreachable(let reason):
            return failed(rotation, .unreachable, reason, base, file, replacement)
        case .lost(let reason):
            return failed(rotation, .lost, reason, base, file, replacement)
        }
    }

    private func succeeded(
        _ rotation: Rotation,
        _ reply: RefreshReply,
        _ base: SessionRecord,
        _ file: SessionFile?,
        _ replacement: SessionFile.Replacement?
    ) -> RotationResult {
        var base = base
        base.put(reply.token, origin: .refresh, upstream: upstream, lifetime: reply.lifetime, now: clock.wall())
        base.note(entry(rotation, .refreshed))
        var notSaved: String?
        let theirs = saving.withLock { () -> SessionFile.Loaded? in
            guard let file, let replacement else {
                publish(base, version: nil, isRefreshed: true)
                return nil
            }
            var version: SessionFile.Version?
            do throws(SessionFileError) {
                // Who put another token in meanwhile, by hand, means it.
                var theirs: SessionFile.Loaded?
                version = try commit(base, file, replacement) { () throws(SessionFileError) in
                    theirs = try other(in: file, than: rotation.held)
                    return theirs == nil
                }
                if let theirs { return theirs }
            } catch {
                // The old token is dead: keep working with the new one, and say so loudly.
                notSaved = error.description
            }
            let replaces = lock.withLock { unsaved?.replaces } ?? rotation.held.token.fingerprint
            let pending = notSaved.map { Unsaved(replaces: replaces, reason: $0) }
            publish(base, version: version, isRefreshed: true, unsaved: pending)
            return nil
        }
        if let theirs { return adopt(theirs) }
        if let notSaved {
            observe(.notSaved(reason: notSaved))
            scheduleSave()
        }
        guard let credential = lock.withLock({ state.credential }) else { return .failure(.loginNeeded()) }
        let expiresIn = credential.expiresAt.map { $0 - clock.wall() }
        observe(.refreshed(cause: rotation.cause, generation: credential.generation, expiresIn: expiresIn))
        return .success(Refreshed(credential: credential, reply: reply))
    }

    /// Once more when it fails, as a new file: one that could not be synchronized must not be trusted.
    private func commit(
        _ record: SessionRecord,
        _ file: SessionFile,
        _ replacement: SessionFile.Replacement,
        mayReplace: () throws(SessionFileError) -> Bool
    ) throws(SessionFileError) -> SessionFile.Version? {
        do throws(SessionFileError) {
            return try file.commit(record, replacement, mayReplace: mayReplace)
        } catch {
            if error.isUnreadable { throw error }
            return try file.save(record, mayReplace: mayReplace)
        }
    }

    private func failed(
        _ rotation: Rotation,
        _ outcome: RefreshEntry.Outcome,
        _ detail: String,
        retryAfter: Int? = nil,
        _ base: SessionRecord? = nil,
        _ file: SessionFile? = nil,
        _ replacement: SessionFile.Replacement? = nil
    ) -> RotationResult {
        var base = base ?? lock.withLock { record }
        base.note(entry(rotation, outcome, detail: detail))
        if outcome == .refused { base.isRefused = true }
        saving.withLock { keep(base, rotation, file, replacement) }
        // Somebody may have put another token in, which this says nothing about.
        let failure = lock.withLock { () -> CredentialFailure? in
            guard state.credential?.token == rotation.held.token else { return nil }
            if outcome == .refused {
                state.refreshRefused(detail)
                return .loginNeeded(detail)
            }
            return state.refreshFailed(
                retryAfter: retryAfter,
                isUnreachable: outcome == .unreachable,
                jitter: .random(in: 0..<1),
                now: clock.elapsed()
            )
        }
        guard let failure else { return adopted() }
        observe(.refreshFailed(cause: rotation.cause, reason: detail, failure: failure))
        if base.unanswered != nil, !failure.needsLogin { scheduleRetry(rotation) }
        return .failure(failure)
    }

    /// Saves what is only information: a failure to do so changes nothing.
    private func keep(
        _ record: SessionRecord,
        _ rotation: Rotation,
        _ file: SessionFile?,
        _ replacement: SessionFile.Replacement?
    ) {
        var version: SessionFile.Version?
        if let file, let replacement {
            version =
                (try? file.commit(record, replacement) { () throws(SessionFileError) in
                    try other(in: file, than: rotation.held) == nil
                }) ?? nil
        }
        lock.withLock {
            guard state.credential?.token == rotation.held.token else { return }
            self.record = record
            if let version {
                fileVersion = version
                unsaved = nil
            }
        }
    }

    private func entry(_ rotation: Rotation, _ outcome: RefreshEntry.Outcome, detail: String? = nil) -> RefreshEntry {
        RefreshEntry(
            at: rotation.at,
            cause: rotation.cause,
            outcome: outcome,
            detail: detail,
            milliseconds: Int((clock.elapsed() - rotation.started) / 1_000_000),
            waiters: waiterCount
        )
    }

    /// An answer was lost, and the second try brought nothing certain: the upstream's grace, if it has one, runs.
    private func scheduleRetry(_ rotation: Rotation) {
        let pause = lock.withLock { () -> Int64? in
            unaskedRetries += 1
            return unaskedRetries <= Self.maxUnaskedRetries ? state.backOffUntil - clock.elapsed() : nil
        }
        guard let pause else { return }
        thread.executeLater(pause) { [weak self] in
            guard let self else { return }
            let starts = lock.withLock {
                guard state.credential?.token == rotation.held.token, !state.isRefused, !state.isRefreshing else {
                    return false
                }
                state.beginRefresh()
                announce()
                return true
            }
            if starts { startRefresh(rotation.cause) }
        }
    }

    /// What somebody else put in, as if we had refreshed.
    private func adopted() -> RotationResult {
        let (credential, story) = lock.withLock { (state.credential, state.story) }
        guard let credential else { return .failure(.loginNeeded(story)) }
        return .success(Refreshed(credential: credential, reply: Self.reply(with: credential.token)))
    }

    /// An answer to a refresh that somebody else made, in the form of the API's own.
    static func reply(with token: Token) -> RefreshReply {
        let body = JSONValue.object([
            .init("status", .string("OK")), .init("code", .integer(200)),
            .init("data", .object([.init("token", .object([.init("value", .string(token.value))]))])),
        ])
        return RefreshReply(token: token, body: Array(body.serialized().utf8), contentType: "application/json")
    }
}
