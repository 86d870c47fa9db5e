import Platform
import Support

/// One rotation, on the session's thread, under the file's lock. Nothing is sent before its result can be saved, and
/// nothing is used before it is saved.
extension Session {
    /// How long another process may hold the file's lock before the waiters here are told to retry: it may have been
    /// stopped.
    static let lockWaitLimit = Duration.seconds(15)

    private static let maximumLockLosses = 3

    /// A refresh in progress.
    struct Rotation {
        /// The tokens that it spends or replaces.
        let old: HeldTokens
        let cause: RefreshCause
        let begun: Instant
        /// The jitter of the pause if it fails: see `BackOff.pause`.
        let jitter: Double
        /// The record that receives the result.
        var base: SessionRecord
        /// The identity of the result, if machines share the session.
        var identity: SharedIdentity?

        /// What the file says while the refresh is in flight; nil if it spends nothing.
        var journal: SessionFile.Journal? {
            old.spent.map { .init(fingerprint: $0.fingerprint, at: begun.wall, cause: cause) }
        }

        /// No answer came: the spent tokens may have been rotated.
        mutating func noteLost(_ reason: String) {
            base.unanswered = .init(at: begun.wall, reason: reason)
        }
    }

    /// Where the result of a refresh is saved.
    enum Destination: ~Copyable {
        /// The session has no file.
        case memory
        /// The file, if it can be written: it only saves asking the issuer again.
        case cache(SessionFile)
        /// The file, whose replacement has the result's room and says until then that a refresh is in flight.
        case file(SessionFile, SessionFile.Replacement)
        /// The file, beside which nothing could be written, or nothing was written because nothing was to be sent.
        case nothingPrepared

        var isPrepared: Bool {
            switch self {
            case .file: true
            case .cache: false
            case .memory: false
            case .nothingPrepared: false
            }
        }

        /// Removes what was written for a refresh that is not sent.
        consuming func abandon() {
            switch consume self {
            case .file(let file, let replacement): file.abandon(replacement)
            case .cache: break
            case .memory: break
            case .nothingPrepared: break
            }
        }
    }

    /// The result of asking the issuer.
    enum Came {
        case tokens(TokenSet, IssuerResponse?)
        /// The held tokens were spent, and only a refresh token of the answer can be used.
        case refreshToken(Token, expiresIn: Int?, reason: String)
        case same(expiresIn: Int?, IssuerResponse?)
        case failure(Failure)

        var hasTokens: Bool {
            switch self {
            case .tokens, .refreshToken: true
            case .same, .failure: false
            }
        }
    }

    /// Adopts what a sibling process saved; makes sure that the result can be saved; only then sends, saves and
    /// publishes.
    ///
    /// `again` counts the times that the lock was lost before anything was sent.
    func refresh(_ flight: Flight, _ cause: RefreshCause, again: Int = 0) -> Ending {
        let before = snapshot
        guard let source, before.machine.canRefresh else { return .loginNeeded }
        // Another token came before this refresh began.
        if before.machine.generation != flight.replacing { return .adopted }
        // Another API's record is not touched.
        let old = before.isForeign ? HeldTokens() : before.record.held
        var rotation = Rotation(old: old, cause: cause, begun: clock.now, jitter: flight.jitter, base: before.record)
        guard let file else { return rotate(rotation, source, into: .memory) }
        do throws(SessionFileError) {
            guard let handle = try lock(file, for: old) else {
                if try isReplaced(old, in: file) { return adoptFile() }
                // A minting source needs nobody's permission.
                guard source.spends else { return rotate(rotation, source, into: .cache(file)) }
                let reason = "another process has held the lock of the session file for \(Self.lockWaitLimit)"
                return failed(rotation, Failure(.unavailable, reason), into: .nothingPrepared)
            }
            // Taking the lock may have found a token that could not be put in the file's place.
            if snapshot.machine.generation != flight.replacing { return .adopted }
            if try isReplaced(old, in: file) { return adoptFile() }
            if let ending = try readBase(&rotation, from: file, source) { return ending }
            guard source.spends else {
                defer { extendLifetime(handle) }
                return rotate(rotation, source, into: .cache(file))
            }
            let ending =
                if let sharing {
                    rotate(rotation, source, file, handle, sharing)
                } else {
                    try rotate(rotation, source, file, handle)
                }
            if let ending { return ending }
            guard again < Self.maximumLockLosses else {
                let reason = "somebody removes \(file.path).lock again and again"
                return failed(rotation, Failure(.unavailable, reason), into: .nothingPrepared)
            }
            return refresh(flight, cause, again: again + 1)
        } catch {
            // A minting source can mint again: the file is only a cache.
            guard source.spends else { return rotate(rotation, source, into: .cache(file)) }
            return failed(rotation, Failure(.notWritable, error.description), into: .nothingPrepared)
        }
    }

    /// The file's lock is held, by `handle`, until the end. Nil if it was lost before anything was sent.
    private func rotate(
        _ rotation: Rotation,
        _ source: any TokenSource,
        _ file: SessionFile,
        _ handle: consuming SessionFile.LockHandle
    ) throws(SessionFileError) -> Ending? {
        defer { extendLifetime(handle) }
        // Without tokens there is nothing to spend.
        guard let journal = rotation.journal else { return .loginNeeded }
        let replacement = try file.prepare(journal)
        guard handle.isInPlace else {
            file.abandon(replacement)
            return nil
        }
        return rotate(rotation, source, into: .file(file, replacement))
    }

    /// Locks the file; nil if another process holds the lock for too long. Stops waiting as soon as the file contains
    /// other tokens than `old`.
    private func lock(_ file: SessionFile, for old: HeldTokens) throws(SessionFileError) -> SessionFile.LockHandle? {
        let isOver = { [self] in
            guard file.version() != snapshot.persistence.version else { return false }
            return ((try? isReplaced(old, in: file)) ?? false)
        }
        return try hold(file, waitLimit: Self.lockWaitLimit, isOver: isOver)
    }

    /// Sets the record that receives the result. Returns the ending if nothing is to be sent. The file's lock is held.
    private func readBase(
        _ rotation: inout Rotation,
        from file: SessionFile,
        _ source: any TokenSource
    ) throws(SessionFileError) -> Ending? {
        let current = snapshot
        rotation.base = current.record
        // A record that could not be saved is newer than the file.
        guard current.persistence.unsaved == nil, let loaded = try file.load(now: clock.now.wall) else { return nil }
        let isForeign = foreign(loaded.record) != nil
        if !isForeign { rotation.base = judged(loaded.record) }
        if !isForeign, let pause = othersPause(loaded, before: current) { return pause }
        // If machines share the session, their knowledge counts, not this file's.
        if sharing != nil { rotation.base.isRefreshDenied = false }
        let isOver = isForeign || !mayRefresh(loaded.record) || rotation.base.isRefreshDenied
        guard source.spends, isOver else { return nil }
        // Another process was told so already, or gave the session to another API.
        recheckNow()
        return .loginNeeded
    }

    /// The ending for a refresh that another process was told to delay, meanwhile; nil if none was. If machines share
    /// the session, one that was not told may have refreshed it since.
    private func othersPause(_ loaded: SessionFile.Loaded, before known: State) -> Ending? {
        let now = clock.now
        guard sharing == nil, loaded.version != known.persistence.version,
            let backOff = BackOff(loaded.record.pause, now: now), backOff.left(now: now.elapsed) > 0
        else { return nil }
        recheckNow()
        return .paused(backOff)
    }

    /// Whether the file differs from what is to be refreshed and from the dead token that could not be replaced:
    /// another process, or a person, has changed it.
    func isReplaced(_ old: HeldTokens, in file: SessionFile) throws(SessionFileError) -> Bool {
        guard let loaded = try file.load(now: clock.now.wall), foreign(loaded.record) == nil, loaded.record.held != old
        else {
            return false
        }
        let known = snapshot
        // This process wrote or read the file last, and could not save what it holds since: nobody else changed it.
        if loaded.version == known.persistence.version, loaded.record.held != known.record.held { return false }
        guard let unsaved = known.persistence.unsaved else { return true }
        return unsaved.replacing != loaded.record.spent
    }

    func adoptFile() -> Ending {
        recheckNow()
        return .adopted
    }

    private func rotate(
        _ rotation: Rotation,
        _ source: any TokenSource,
        into destination: consuming Destination
    ) -> Ending {
        var rotation = rotation
        let retriesLost = snapshot.machine.policy.retriesLost || !source.spends
        if !retriesLost, let lost = rotation.base.unanswered {
            return failed(rotation, .notRetried(lost), into: destination)
        }
        var came = read(source.get(rotation.old), &rotation, source)
        if case .failure(let failure) = came, failure.outcome == .lost, let lost = rotation.base.unanswered,
            source.spends
        {
            // Once more with the same: it works if the upstream never saw the first, or within its grace.
            guard retriesLost else { return failed(rotation, .notRetried(lost), into: destination) }
            rotation.base.record(entry(rotation, .lost, detail: failure.reason))
            came = read(source.get(rotation.old), &rotation, source)
        }
        return conclude(rotation, came, into: destination)
    }

    /// Interprets an answer, and records in the rotation whether it may have rotated the spent tokens.
    func read(_ outcome: TokenOutcome, _ rotation: inout Rotation, _ source: any TokenSource) -> Came {
        switch outcome {
        case .obtained(let tokens, let reply):
            return .tokens(tokens, reply)
        case .unchanged(let expiresIn, let reply):
            return .same(expiresIn: expiresIn, reply)
        case .refused(let reason, let status):
            return .failure(Failure(.refused, explanation(rotation, reason), status: status))
        case .misconfigured(let reason, let tokens):
            guard source.spends, let refreshToken = tokens?.refreshToken, refreshToken != rotation.old.refreshToken
            else { return .failure(Failure(.misconfigured, reason)) }
            return .refreshToken(
                refreshToken,
                expiresIn: tokens?.refreshExpiresIn,
                reason: "\(reason). The refresh token that came is kept"
            )
        case .unavailable(let reason, let retryAfter, let mayHaveRotated, let status, let isTimeout, let told):
            if mayHaveRotated, source.spends, rotation.base.unanswered == nil { rotation.noteLost(reason) }
            return .failure(
                Failure(
                    .unavailable,
                    reason,
                    retryAfter: retryAfter,
                    status: status,
                    isTimeout: isTimeout,
                    told: told
                )
            )
        case .unreachable(let reason, let isTimeout):
            return .failure(Failure(.unreachable, reason, isTimeout: isTimeout))
        case .lost(let reason, let response, let isTimeout):
            guard source.spends else { return .failure(Failure(.lost, reason, isTimeout: isTimeout)) }
            let story = keepAnswer(response, reason)
            rotation.noteLost(story)
            return .failure(Failure(.lost, story, isTimeout: isTimeout))
        }
    }

    /// Saves the result, and makes it current.
    func conclude(_ rotation: Rotation, _ came: Came, into destination: consuming Destination) -> Ending {
        switch came {
        case .tokens(let tokens, let reply): succeeded(rotation, tokens, reply, into: destination)
        case .refreshToken(let token, let expiresIn, let reason):
            spentInVain(rotation, token, expiresIn: expiresIn, reason, into: destination)
        case .same(let expiresIn, let reply): unchanged(rotation, expiresIn: expiresIn, reply, into: destination)
        case .failure(let failure): failed(rotation, failure, into: destination)
        }
    }

    /// Why only a login helps, as a sentence.
    func explanation(_ rotation: Rotation, _ reason: String) -> String {
        guard let lost = rotation.base.unanswered else {
            return "The API refused to refresh the token (\(reason)) at \(UTCTime.text(clock.now.wall))."
        }
        return "\(Self.loss(lost)), and the API has refused the token since (\(reason))."
    }

    static func loss(_ lost: SessionRecord.Unanswered) -> String {
        "The answer to the refresh of \(UTCTime.text(lost.at)) was lost (\(lost.reason))"
    }

    /// Keeps a response that is unreadable or cut for a person. Returns the reason, and where it is or why it is not kept.
    private func keepAnswer(_ response: [UInt8]?, _ reason: String) -> String {
        guard let response, !response.isEmpty, let file else { return reason }
        if file.keepAnswer(response) { return "\(reason); the part that arrived is kept in \(file.answerPath)" }
        let why = file.unsaved == nil ? "cannot take it" : "has a session that could not be saved"
        return "\(reason); the part that arrived is not kept, because \(file.answerPath) \(why)"
    }
}

extension Session.Failure {
    /// The answer was lost, and the configuration forbids to send the same again: only a login helps.
    static func notRetried(_ lost: SessionRecord.Unanswered) -> Session.Failure {
        let story = "\(Session.loss(lost)), and session.retry-lost: never forbids to send the token once more."
        return Session.Failure(.lost, story, isFinal: true)
    }
}
