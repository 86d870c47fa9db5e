import Platform

/// A refresh of a session that machines share: each step is taken when the protocol asks for it.
extension Session {
    /// The file's lock is held.
    func rotate(
        _ rotation: Rotation,
        _ source: any TokenSource,
        _ file: SessionFile,
        _ sharing: any SessionSharing
    ) -> Ending {
        let steps = RefreshSteps(self, rotation, source, file)
        let ending = sharing.change(.refresh, from: rotation.base, steps)
        defer { steps.clear() }
        switch ending {
        case .done: return steps.ending ?? .adopted
        case .settled: return .adopted
        case .failed(let failure): return steps.end(failure)
        }
    }

    /// One refresh. On the session's thread.
    private final class RefreshSteps: SharedSteps {
        private let session: Session
        private let source: any TokenSource
        private let file: SessionFile
        private var rotation: Rotation
        private var came = Came.nothing
        /// What has been saved.
        private(set) var ending: Ending?

        /// What came of it so far.
        private enum Came {
            case nothing
            case tokens(TokenSet, RefreshReply?)
            /// Of what came only the refresh token can be used.
            case refreshToken(Token, expiresIn: Int?, reason: String)
            case same(expiresIn: Int?, RefreshReply?)
            case failure(RefreshEntry.Outcome, String, retryAfter: Int? = nil, status: Int? = nil)
        }

        init(_ session: Session, _ rotation: Rotation, _ source: any TokenSource, _ file: SessionFile) {
            self.session = session
            self.rotation = rotation
            self.source = source
            self.file = file
        }

        func prepare() -> Bool {
            guard let spent = rotation.old.spent else { return false }
            let journal = SessionFile.Journal(
                fingerprint: spent.fingerprint,
                at: rotation.begun.wall,
                cause: rotation.cause
            )
            do throws(SessionFileError) {
                rotation.target = (file, try file.prepare(journal))
                return true
            } catch {
                came = .failure(.notWritable, error.description)
                return false
            }
        }

        func send(after doubt: SharedDoubt) -> SharedSending {
            let retriesLost = session.snapshot.machine.policy.retriesLost
            switch doubt {
            case .none: break
            case .unanswered(let lost): rotation.base.unanswered = rotation.base.unanswered ?? lost
            // Who died may have died before it sent anything: where a second try is allowed, there is nothing to say.
            case .takenOver(let by): if !retriesLost { noteLost("\(by) claimed it and fell silent") }
            }
            if let lost = rotation.base.unanswered, !retriesLost {
                came = .failure(.refused, Session.notRetried(lost))
                return .refused
            }
            if case .failure(.lost, let reason, _, _) = came {
                rotation.base.record(session.entry(rotation, .lost, detail: reason))
            }
            session.update { shared, _ in shared.machine.beginSpending() }
            switch source.get(rotation.old) {
            case .obtained(let tokens, let reply):
                came = .tokens(tokens, reply)
                return .tokens
            case .unchanged(let expiresIn, let reply):
                came = .same(expiresIn: expiresIn, reply)
                return .nothing(nil)
            case .refused(let reason, let status):
                came = .failure(.refused, session.explanation(rotation, reason), status: status)
                return .refused
            case .misconfigured(let reason, let tokens):
                guard let token = tokens?.refreshToken, token != rotation.old.refreshToken else {
                    came = .failure(.misconfigured, reason)
                    return .nothing(rotation.base.unanswered)
                }
                came = .refreshToken(token, expiresIn: tokens?.refreshExpiresIn, reason: reason)
                return .tokens
            case .unavailable(let reason, let retryAfter, let mayHaveRotated, let status):
                if mayHaveRotated, rotation.base.unanswered == nil { noteLost(reason) }
                came = .failure(.unavailable, reason, retryAfter: retryAfter, status: status)
                return .nothing(rotation.base.unanswered, retryAfter: retryAfter)
            case .unreachable(let reason):
                came = .failure(.unreachable, reason)
                return .nothing(rotation.base.unanswered)
            case .lost(let reason, let response):
                let kept = session.keep(response, of: rotation, reason)
                came = .failure(.lost, kept)
                return .lost(noteLost(kept))
            }
        }

        @discardableResult
        private func noteLost(_ reason: String) -> SessionRecord.Unanswered {
            let lost = SessionRecord.Unanswered(at: rotation.begun.wall, reason: reason)
            rotation.base.unanswered = lost
            return lost
        }

        func save(as identity: SharedIdentity, over there: SessionRecord?) -> SharedSaving {
            rotation.identity = identity
            switch came {
            case .nothing, .same, .failure: return .nothing
            case .tokens(let tokens, let reply): ending = session.succeeded(takenRotation(), tokens, reply, source)
            case .refreshToken(let token, let expiresIn, let reason):
                ending = session.spentInVain(takenRotation(), token, expiresIn: expiresIn, reason)
            }
            return session.snapshot.persistence.unsaved == nil ? .inFile : .inMemory
        }

        func forget(as identity: SharedIdentity) {
            _ = session.carryOut(.forget(identity), isLocked: true)
        }

        /// How the refresh ended that brought no token.
        func end(_ failure: SharedFailure) -> Ending {
            switch (came, failure) {
            case (.same(let expiresIn, let reply), _):
                return session.unchanged(takenRotation(), expiresIn: expiresIn, reply)
            case (.failure(let outcome, let detail, let retryAfter, let status), _):
                return session.failed(takenRotation(), outcome, detail, retryAfter: retryAfter, status: status)
            case (_, .loginNeeded) where session.snapshot.record.isEmpty: return .loginNeeded
            case (_, .loginNeeded), (_, .exhausted): return session.failed(takenRotation(), .refused, failure.words)
            case (_, .postponed(let seconds)):
                return session.failed(takenRotation(), .unavailable, failure.words, retryAfter: seconds)
            case (_, .notWritable): return session.failed(takenRotation(), .notWritable, failure.words)
            case (_, .unreachable), (_, .unusable), (_, .unanswered), (_, .closed):
                return .withoutEngine(detail: failure.words)
            }
        }

        /// The rotation, for what makes its journal the session file.
        private func takenRotation() -> Rotation {
            defer { rotation.target = nil }
            return rotation
        }

        /// Removes a journal of what was not sent.
        func clear() {
            if let (file, replacement) = rotation.target { file.abandon(replacement) }
            rotation.target = nil
        }
    }
}

extension SharedFailure {
    /// What happened, without a full stop.
    public var words: String {
        switch self {
        case .unreachable(let reason): "what the machines share the session through cannot be asked: \(reason)"
        case .unusable(let reason): reason
        case .unanswered: "no machine got an answer in time, and the next try may"
        case .postponed(let seconds):
            "the issuer told another machine to leave it alone, for \(seconds) s from now"
        case .notWritable: "the session file could not take a new token"
        case .loginNeeded:
            "The API refused to refresh the token that the machines share. The one that refreshed it last may still "
                + "hold its successor, and shares it when it runs again."
        case .exhausted: "The shared session was refreshed as often as can be counted."
        case .closed: "Squire is shutting down"
        }
    }
}
