import Platform
import Support

/// One rotation: on the session's thread, under the file's lock. Nothing is sent before its result can be saved, and
/// nothing is used before it is saved.
extension Session {
    /// How long another process may hold the file's lock before those who wait here are told to come again: it may have
    /// been stopped.
    private static let lockWaitLimit = Duration.seconds(15)

    /// A refresh in the making.
    struct Rotation {
        /// What it spends, or is to replace.
        let old: HeldTokens
        let cause: RefreshCause
        let begun: Instant
        /// Of the pause that follows if it fails: see `BackOff.pause`.
        let jitter: Double
        /// The record that the result is put into.
        var base: SessionRecord
        /// Where it is saved; nil without a file.
        var target: (file: SessionFile, replacement: SessionFile.Replacement)?
        /// The name of what it brings, where machines share the session.
        var identity: SharedIdentity?

        /// No answer came: what was spent may have been rotated.
        mutating func noteLost(_ reason: String) {
            base.unanswered = .init(at: begun.wall, reason: reason)
        }
    }

    /// What came of asking the issuer.
    enum Came {
        case tokens(TokenSet, RefreshReply?)
        /// What was held has been spent, and of what came for it only the refresh token can be used.
        case refreshToken(Token, expiresIn: Int?, reason: String)
        case same(expiresIn: Int?, RefreshReply?)
        case failure(Failure)

        var hasTokens: Bool {
            switch self {
            case .tokens, .refreshToken: true
            case .same, .failure: false
            }
        }
    }

    /// Adopt what a sibling saved; make sure that the result can be saved; only then send; save; publish.
    func refresh(_ flight: Flight, _ cause: RefreshCause) -> Ending {
        let before = snapshot
        guard let source, before.machine.canRefresh else { return .loginNeeded }
        // Another token came before this began.
        if before.machine.generation != flight.replacing { return .adopted }
        // What another API's record holds is not touched.
        let old = before.isForeign ? HeldTokens() : before.record.held
        var rotation = Rotation(old: old, cause: cause, begun: clock.now, jitter: flight.jitter, base: before.record)
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
                return failed(rotation, Failure(.unavailable, reason))
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
                if !isForeign, let pause = othersPause(loaded, before: current) { return pause }
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
            return failed(rotation, Failure(.notWritable, error.description))
        }
    }

    /// The end of a refresh that another process was told to wait with, meanwhile; nil when none was. Where machines
    /// share the session, one that was not told may have refreshed it since.
    private func othersPause(_ loaded: SessionFile.Loaded, before known: Shared) -> Ending? {
        guard sharing == nil, loaded.version != known.persistence.version, let pause = loaded.record.pause,
            let left = pause.left(at: clock.now.wall), left > 0
        else { return nil }
        recheckNow()
        return .paused(seconds: left)
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
            return failed(rotation, Failure(.refused, Self.notRetried(lost)))
        }
        var came = read(source.get(rotation.old), &rotation, source)
        if case .failure(let failure) = came, failure.outcome == .lost, let lost = rotation.base.unanswered,
            source.spends
        {
            // Once more with the same: it works if the upstream never saw the first, or within its grace.
            guard retriesLost else { return failed(rotation, Failure(.refused, Self.notRetried(lost))) }
            rotation.base.record(entry(rotation, .lost, detail: failure.reason))
            came = read(source.get(rotation.old), &rotation, source)
        }
        return conclude(rotation, came, source)
    }

    /// Reads an answer, and notes in the record of the rotation if what was spent may have been rotated by it.
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
            return .refreshToken(refreshToken, expiresIn: tokens?.refreshExpiresIn, reason: reason)
        case .unavailable(let reason, let retryAfter, let mayHaveRotated, let status, let isTimeout):
            if mayHaveRotated, source.spends, rotation.base.unanswered == nil { rotation.noteLost(reason) }
            return .failure(
                Failure(.unavailable, reason, retryAfter: retryAfter, status: status, isTimeout: isTimeout)
            )
        case .unreachable(let reason, let isTimeout):
            return .failure(Failure(.unreachable, reason, isTimeout: isTimeout))
        case .lost(let reason, let response, let isTimeout):
            let kept = keep(response, of: rotation, reason)
            if source.spends { rotation.noteLost(kept) }
            return .failure(Failure(.lost, kept, isTimeout: isTimeout))
        }
    }

    /// Saves what came, and makes it current.
    func conclude(_ rotation: Rotation, _ came: Came, _ source: any TokenSource) -> Ending {
        switch came {
        case .tokens(let tokens, let reply): succeeded(rotation, tokens, reply, source)
        case .refreshToken(let token, let expiresIn, let reason):
            spentInVain(rotation, token, expiresIn: expiresIn, reason)
        case .same(let expiresIn, let reply): unchanged(rotation, expiresIn: expiresIn, reply)
        case .failure(let failure): failed(rotation, failure)
        }
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
}
