import Platform
import Support
import Threads

/// The rotation: on the session's thread, under the file's lock.
extension Session {
    /// How long another process may hold the file's lock before those who wait here are told to come again: it may have
    /// been stopped.
    private static let lockWaitLimit = Duration.seconds(15)
    /// How often a refresh whose response was lost is tried again without being asked: a grace at the upstream does not
    /// wait for the next request.
    private static let maximumUnaskedRetries = 5

    /// A refresh in the making.
    struct Rotation {
        /// What it spends, or is to replace.
        let old: HeldTokens
        let cause: RefreshCause
        let begun: Instant
        /// The record that the result is put into.
        var base: SessionRecord
        /// Where it is saved; nil without a file.
        var target: (file: SessionFile, replacement: SessionFile.Replacement)?
        /// The name of what it brings, where machines share the session.
        var identity: SharedIdentity?
    }

    /// How a refresh ended.
    enum Ending {
        /// The token of this response is current.
        case refreshed(RefreshResponse)
        /// Somebody else's token is current.
        case adopted
        /// The same token came again.
        case unchanged(RefreshResponse)
        /// There is nothing to refresh, or the file says that the upstream refuses to.
        case loginNeeded
        case failed(RefreshEntry.Outcome, detail: String, retryAfter: Int?, status: Int?, isUnanswered: Bool)
        /// Nothing was sent: machines share the session, and what they share it through does not let it happen.
        case withoutEngine(detail: String)

        var isUnchanged: Bool { if case .unchanged = self { true } else { false } }

    }

    /// Makes the refresh that was begun as `flight`, and answers all who wait for it.
    func startRefresh(_ flight: Flight, _ cause: RefreshCause) {
        let work: @Sendable () -> Void = { [weak self] in
            guard let self else { return }
            let begun = clock.now.elapsed
            tell(.refreshBegins)
            end(flight, cause, DescriptorReserve.shared.lend { refresh(flight, cause) }, begun: begun)
        }
        if flight.pause > 0 {
            // Dropped by `shutdown`, which answers the waiters.
            thread.executeLater(flight.pause, work)
        } else if !thread.execute(work) {
            for waiter in update({ shared, _ in shared.takeWaiters() }) { waiter.fail(.shuttingDown) }
        }
    }

    // MARK: The end

    /// One event: the flight ends, and those who waited are taken out, with what they are told.
    private func end(_ flight: Flight, _ cause: RefreshCause, _ ending: Ending, begun: Int64) {
        let jitter = Double.random(in: 0..<1)
        let (failure, waiters, credential, state, moment) = update { shared, now in
            let failure = shared.machine.endRefresh(
                replacing: flight.replacing,
                Self.verdict(of: ending, jitter: jitter),
                now: now.elapsed
            )
            return (
                Self.failure(of: ending, failure, shared.machine), shared.takeWaiters(), shared.machine.credential,
                shared.machine, now.elapsed
            )
        }
        func report(_ outcome: RefreshEntry.Outcome, _ status: Int? = nil) -> RefreshReport {
            RefreshReport(
                cause,
                outcome,
                flight.trigger,
                waiters: waiters.count,
                milliseconds: Int(moment.subtracting(saturating: begun) / 1_000_000),
                status: status
            )
        }
        let expiresIn = credential?.expiresAt?.subtracting(saturating: clock.now.wall)
        switch ending {
        case .refreshed:
            guard let credential else { break }
            emit(.refreshed(report(.refreshed), generation: credential.generation, expiresIn: expiresIn))
        case .unchanged:
            emit(.unchanged(report(.unchanged), expiresIn: expiresIn))
        case .failed(let outcome, let detail, _, let status, let isUnanswered):
            guard let failure = failure?.state else { break }
            emit(.refreshFailed(report(outcome, status), reason: detail, failure: failure))
            if isUnanswered, !failure.needsLogin { scheduleRetry(flight, cause) }
        case .withoutEngine(let detail):
            guard let failure = failure?.state else { break }
            emit(.refreshFailed(report(.unavailable), reason: detail, failure: failure))
        case .adopted, .loginNeeded: break
        }
        tell(.refreshEnds)
        for waiter in waiters {
            switch (waiter, failure?.told, credential) {
            case (.undecided(let inquiry, let deliver), _, _):
                self.credential(for: inquiry, deliver: deliver)
            case (.request(let inquiry, let deliver), let failure?, _) where inquiry.rejection == nil:
                // A refresh ahead of expiry failed: the token works as long as it lives.
                let credential = state.remaining(for: inquiry.route, now: moment)
                deliver(credential.map { .use($0, hasWaited: true) } ?? .failed(failure))
            case (.response(let deliver), _?, let credential?) where ending.isUnchanged:
                deliver(.success(Self.response(of: ending, credential.token)))
            case (_, let failure?, _):
                waiter.fail(failure)
            case (_, nil, let credential?):
                let response = Self.response(of: ending, credential.token)
                resume(waiter, with: credential, hasWaited: ending.isUnchanged, response)
            case (_, nil, nil):
                waiter.fail(.loginNeeded())
            }
        }
    }

    /// Hands a new credential to a waiter.
    func resume(
        _ waiter: Waiter,
        with credential: Credential,
        hasWaited: Bool,
        _ response: @autoclosure () -> RefreshResponse
    ) {
        switch waiter {
        case .request(let inquiry, let deliver) where inquiry.rejection?.generation == credential.generation:
            // It was used, and rejected, as soon as it was there: this one waits for the next.
            self.credential(for: inquiry, deliver: deliver)
        case .undecided(let inquiry, let deliver):
            self.credential(for: inquiry, deliver: deliver)
        case .request(_, let deliver):
            deliver(.use(credential, hasWaited: hasWaited))
        case .response(let deliver):
            deliver(.success(response()))
        }
    }

    private static func verdict(of ending: Ending, jitter: Double) -> CredentialState.Verdict {
        switch ending {
        case .refreshed, .adopted, .loginNeeded: .settled
        case .unchanged: .unchanged(jitter: jitter)
        case .failed(.refused, let detail, _, _, _): .denied(explanation: detail)
        case .failed(let outcome, let detail, let retryAfter, _, _):
            .failed(setback(outcome, detail), retryAfter: retryAfter, jitter: jitter)
        case .withoutEngine: .failed(.engine, retryAfter: nil, jitter: jitter)
        }
    }

    private static func setback(_ outcome: RefreshEntry.Outcome, _ detail: String) -> CredentialState.Setback {
        switch outcome {
        case .unreachable: .unreachable
        case .misconfigured: .misconfigured(detail)
        case .refreshed, .unchanged, .refused, .unavailable, .lost, .interrupted, .notWritable: .unavailable
        }
    }

    /// What the state made of the ending, and what the waiters are told; nil when they get the current token.
    private static func failure(
        of ending: Ending,
        _ state: CredentialFailure?,
        _ machine: CredentialState
    ) -> (state: CredentialFailure, told: CredentialFailure)? {
        if case .loginNeeded = ending {
            let failure = CredentialFailure.loginNeeded(machine.explanation)
            return (failure, failure)
        }
        guard let state else { return nil }
        if case .failed(.notWritable, let detail, _, _, _) = ending { return (state, .notWritable(detail)) }
        return (state, state)
    }

    /// The response to a refresh: the API's own, where the source gives it.
    private static func response(_ token: Token, _ reply: RefreshReply?) -> RefreshResponse {
        guard let reply else { return response(with: token) }
        return RefreshResponse(token: token, body: reply.body, contentType: reply.contentType)
    }

    private static func response(of ending: Ending, _ token: Token) -> RefreshResponse {
        switch ending {
        case .refreshed(let response) where response.token == token, .unchanged(let response): response
        case .refreshed, .adopted, .loginNeeded, .failed, .withoutEngine: response(with: token)
        }
    }

    /// The response to a refresh that somebody else made, in the form of the API's own.
    static func response(with token: Token) -> RefreshResponse {
        let body = JSONValue.object([
            .init("status", .string("OK")), .init("code", .integer(200)),
            .init("data", .object([.init("token", .object([.init("value", .string(token.value))]))])),
        ])
        return RefreshResponse(token: token, body: body.octets(), contentType: "application/json")
    }

    /// A response was lost, and the second try brought nothing certain: the upstream's grace, if it has one, runs.
    private func scheduleRetry(_ flight: Flight, _ cause: RefreshCause) {
        let pause = update { shared, now in
            shared.machine.nextUnaskedRetry(limit: Self.maximumUnaskedRetries, now: now.elapsed)
        }
        guard let pause else { return }
        thread.executeLater(pause) { [weak self] in
            guard let self else { return }
            let next = update { shared, _ in
                shared.machine.generation == flight.replacing ? shared.machine.beginRefresh() : nil
            }
            if let next { startRefresh(Flight(replacing: next, trigger: flight.trigger), cause) }
        }
    }

    // MARK: The refresh

    /// Adopt what a sibling saved; make sure that the result can be saved; only then send; save; publish.
    private func refresh(_ flight: Flight, _ cause: RefreshCause) -> Ending {
        let before = snapshot
        guard let source, before.machine.canRefresh else { return .loginNeeded }
        // Another token came before this began.
        if before.machine.generation != flight.replacing { return .adopted }
        // What another API's record holds is not touched.
        let old = before.isForeign ? HeldTokens() : before.record.held
        var rotation = Rotation(old: old, cause: cause, begun: clock.now, base: before.record)
        guard let file else { return rotate(rotation, source) }
        do throws(SessionFileError) {
            let isOver = { [self] in
                guard file.version() != snapshot.persistence.version else { return false }
                return ((try? isReplaced(old, in: file)) ?? false)
            }
            guard let handle = try file.lock(waitLimit: Self.lockWaitLimit, isOver: isOver) else {
                if try isReplaced(old, in: file) { return adoptFile() }
                // What is minted needs nobody's leave.
                guard source.spends else { return rotate(rotation, source) }
                let reason = "another process has held the lock of the session file for \(Self.lockWaitLimit)"
                return failed(rotation, .unavailable, reason)
            }
            defer { handle.unlock() }
            recover(file)
            if try isReplaced(old, in: file) { return adoptFile() }
            let current = snapshot
            rotation.base = current.record
            // A record that could not be saved is newer than the file.
            if current.persistence.unsaved == nil, let loaded = try file.load() {
                let isForeign = foreign(loaded.record) != nil
                if !isForeign { rotation.base = loaded.record }
                // Where machines share the session, what they know of it counts, not what this file says.
                if sharing != nil { rotation.base.isRefreshDenied = false }
                if source.spends, isForeign || !mayRefresh(loaded.record) || rotation.base.isRefreshDenied {
                    // Another process was told so already, or gave the session to another API.
                    recheckNow()
                    return .loginNeeded
                }
            }
            if let sharing, source.spends { return rotate(rotation, source, file, sharing) }
            if source.spends, let spent = old.spent {
                let journal = SessionFile.Journal(
                    fingerprint: spent.fingerprint,
                    at: rotation.begun.wall,
                    cause: cause
                )
                rotation.target = (file, try file.prepare(journal))
            }
            return rotate(rotation, source)
        } catch {
            // What is minted can be minted again: the file is a convenience.
            guard source.spends else { return rotate(rotation, source) }
            return failed(rotation, .notWritable, error.description)
        }
    }

    /// Whether the file holds something else than what is to be refreshed, or the dead one that could not be replaced:
    /// another process, or a person, was here.
    func isReplaced(_ old: HeldTokens, in file: SessionFile) throws(SessionFileError) -> Bool {
        guard let loaded = try file.load(), foreign(loaded.record) == nil, loaded.record.held != old else {
            return false
        }
        let known = snapshot
        // What this process wrote or read last, and what it holds since could not be saved: that is nobody else's news.
        if loaded.version == known.persistence.version, loaded.record.held != known.record.held { return false }
        guard let unsaved = known.persistence.unsaved else { return true }
        return unsaved.replacing != loaded.record.spent
    }

    func adoptFile() -> Ending {
        recheckNow()
        return .adopted
    }

    private func rotate(_ rotation: Rotation, _ source: any TokenSource) -> Ending {
        var rotation = rotation
        let retriesLost = snapshot.machine.policy.retriesLost || !source.spends
        if !retriesLost, let lost = rotation.base.unanswered {
            return failed(rotation, .refused, Self.notRetried(lost))
        }
        var outcome = source.get(rotation.old)
        if case .lost(let reason, let response) = outcome, source.spends {
            let kept = keep(response, of: rotation, reason)
            let lost = SessionRecord.Unanswered(at: rotation.begun.wall, reason: kept)
            rotation.base.unanswered = lost
            // Once more with the same: it works if the upstream never saw the first, or within its grace.
            guard retriesLost else { return failed(rotation, .refused, Self.notRetried(lost)) }
            rotation.base.record(entry(rotation, .lost, detail: reason))
            outcome = source.get(rotation.old)
        }
        switch outcome {
        case .obtained(let tokens, let reply):
            return succeeded(rotation, tokens, reply, source)
        case .unchanged(let expiresIn, let reply):
            return unchanged(rotation, expiresIn: expiresIn, reply)
        case .refused(let reason, let status):
            return failed(rotation, .refused, explanation(rotation, reason), status: status)
        case .misconfigured(let reason, let tokens):
            guard source.spends, let refreshToken = tokens?.refreshToken, refreshToken != rotation.old.refreshToken
            else {
                return failed(rotation, .misconfigured, reason)
            }
            return spentInVain(rotation, refreshToken, expiresIn: tokens?.refreshExpiresIn, reason)
        case .unavailable(let reason, let retryAfter, let mayHaveRotated, let status):
            if mayHaveRotated, source.spends, rotation.base.unanswered == nil {
                rotation.base.unanswered = .init(at: rotation.begun.wall, reason: reason)
            }
            return failed(rotation, .unavailable, reason, retryAfter: retryAfter, status: status)
        case .unreachable(let reason):
            return failed(rotation, .unreachable, reason)
        case .lost(let reason, let response):
            return failed(rotation, .lost, keep(response, of: rotation, reason))
        }
    }

    /// What was held has been spent, and of what came for it only the refresh token can be used: that is saved as
    /// whatever else is spent next.
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
        return .failed(.misconfigured, detail: reason, retryAfter: nil, status: nil, isUnanswered: false)
    }

    /// Why only a login helps, as a sentence.
    func explanation(_ rotation: Rotation, _ reason: String) -> String {
        guard let lost = rotation.base.unanswered else {
            return "The API refused to refresh the token (\(reason)) at \(UTCTime.text(clock.now.wall))."
        }
        return "\(Self.story(lost)), and the API has refused the token since (\(reason))."
    }

    /// The same, where a token is never sent again whose answer was lost.
    static func notRetried(_ lost: SessionRecord.Unanswered) -> String {
        "\(story(lost)), and session.retry-lost is never."
    }

    private static func story(_ lost: SessionRecord.Unanswered) -> String {
        "The answer to the refresh of \(UTCTime.text(lost.at)) was lost (\(lost.reason))"
    }

    /// Keeps a response that cannot be read for a person. Gives the reason, with where it is.
    func keep(_ response: [UInt8]?, of rotation: Rotation, _ reason: String) -> String {
        guard let response, !response.isEmpty, let file = rotation.target?.file, file.keepAnswer(response) else {
            return reason
        }
        return "\(reason); it is kept in \(file.answerPath)"
    }

    func succeeded(
        _ rotation: Rotation,
        _ tokens: TokenSet,
        _ reply: RefreshReply?,
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

    /// Takes over what the response says of the same token's life. A failure to save that loses nothing.
    func unchanged(_ rotation: Rotation, expiresIn: Int?, _ reply: RefreshReply?) -> Ending {
        var record = rotation.base
        record.renew(lifetime: expiresIn, now: clock.now.wall)
        if rotation.cause == .rejected { record.rejected = snapshot.machine.current?.standing.mark }
        record.record(entry(rotation, .unchanged, detail: "the API gave the same token again"))
        saving.withLock { keep(record, rotation) }
        // Without a token there is none that could be the same.
        guard let token = rotation.old.accessToken else { return .loginNeeded }
        return .unchanged(Self.response(token, reply))
    }

    /// Makes a minted token current. The file is a cache: what cannot be saved is minted again. One that cannot be read,
    /// or is not this session's, stays as it is. `saving` is held.
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

    /// Saves a new token, and makes it current, saved or not: the old one is dead. False when somebody put another
    /// token in meanwhile, by hand, and means it. `saving` is held.
    private func save(_ record: SessionRecord, _ rotation: Rotation) -> Bool {
        guard let (file, replacement) = rotation.target else {
            publish(record, .memoryOnly, by: .refresh(rotation.cause))
            return true
        }
        do throws(SessionFileError) {
            let former = snapshot.persistence.unsaved?.former
            let version = try file.keeping(former, replacedBy: record) { () throws(SessionFileError) in
                try commit(record, file, replacement) { () throws(SessionFileError) in
                    guard try isReplaced(rotation.old, in: file) else { return true }
                    guard rotation.identity != nil else { return false }
                    // The machines' session stands, as it does when one joins that has another.
                    if let theirs = try file.load()?.record { try file.keepBeforeShared(theirs) }
                    return true
                }
            }
            guard let version else { return false }
            publish(record, .saved(version), by: .refresh(rotation.cause))
            file.removeAnswer()
        } catch {
            // Keep working with the new one, and say so loudly.
            let persistence = snapshot.unsaved(replacing: rotation.old.spent?.fingerprint, error.description)
            publish(record, persistence, by: .refresh(rotation.cause))
        }
        return true
    }

    /// Calls `save`, and says so if it could not be saved.
    func saveOrReport(_ record: SessionRecord, _ rotation: Rotation) -> Bool {
        guard saving.withLock({ save(record, rotation) }) else { return false }
        if let unsaved = snapshot.persistence.unsaved { reportUnsaved(unsaved.reason) }
        return true
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

    /// Records a failure, in the file too.
    func failed(
        _ rotation: Rotation,
        _ outcome: RefreshEntry.Outcome,
        _ detail: String,
        retryAfter: Int? = nil,
        status: Int? = nil
    ) -> Ending {
        var record = rotation.base
        record.record(entry(rotation, outcome, detail: detail, status: status))
        if outcome == .refused { record.isRefreshDenied = true }
        if rotation.cause == .rejected { record.rejected = snapshot.machine.current?.standing.mark }
        saving.withLock { keep(record, rotation) }
        let isUnanswered = record.unanswered != nil
        return .failed(outcome, detail: detail, retryAfter: retryAfter, status: status, isUnanswered: isUnanswered)
    }

    /// Saves what is only information: a failure to do so changes nothing. `saving` is held.
    private func keep(_ record: SessionRecord, _ rotation: Rotation) {
        var version: SessionFile.Version?
        if let (file, replacement) = rotation.target {
            let former = snapshot.persistence.unsaved?.former
            let saved = try? file.keeping(former, replacedBy: record) { () throws(SessionFileError) in
                try file.commit(record, replacement) { () throws(SessionFileError) in
                    try !isReplaced(rotation.old, in: file)
                }
            }
            version = saved ?? nil
        }
        // Somebody may have put another token in, which this says nothing about.
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
