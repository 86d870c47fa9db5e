import Platform

/// A refresh of a shared session: the protocol asks for each step.
extension Session {
    /// The file's lock is held, by `handle`. Nil if it was lost before anything was sent.
    func rotate(
        _ rotation: Rotation,
        _ source: any TokenSource,
        _ file: SessionFile,
        _ handle: SessionFile.LockHandle,
        _ sharing: any SessionSharing
    ) -> Ending? {
        let steps = RefreshSteps(self, rotation, source, file, handle)
        let ending = sharing.change(.refresh, from: rotation.base, steps)
        defer { steps.giveWay() }
        if steps.hasLostLock { return nil }
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
        private let handle: SessionFile.LockHandle
        private var rotation: Rotation
        /// Somebody removed the lock file before anything was sent.
        private(set) var hasLostLock = false
        /// Nil until the issuer was asked.
        private var came: Came?
        /// The result, once it is saved.
        private(set) var ending: Ending?

        init(
            _ session: Session,
            _ rotation: Rotation,
            _ source: any TokenSource,
            _ file: SessionFile,
            _ handle: SessionFile.LockHandle
        ) {
            self.session = session
            self.rotation = rotation
            self.source = source
            self.file = file
            self.handle = handle
        }

        func prepare() -> Bool {
            guard let spent = rotation.old.spent else { return false }
            let journal = SessionFile.Journal(
                fingerprint: spent.fingerprint,
                at: rotation.begun.wall,
                cause: rotation.cause
            )
            do throws(SessionFileError) {
                if rotation.target == nil { rotation.target = (file, try file.prepare(journal)) }
                hasLostLock = !handle.isInPlace
                return !hasLostLock
            } catch {
                came = .failure(Failure(.notWritable, error.description))
                return false
            }
        }

        func send(after doubt: SharedDoubt) -> SharedSending {
            let retriesLost = session.snapshot.machine.policy.retriesLost
            switch doubt {
            case .none: break
            case .unanswered(let lost): rotation.base.unanswered = rotation.base.unanswered ?? lost
            // A machine that died may have sent nothing. If a second try is allowed, there is nothing to record.
            case .takenOver(let by): if !retriesLost { rotation.noteLost("\(by) claimed it and fell silent") }
            }
            if let lost = rotation.base.unanswered, !retriesLost {
                came = .failure(.notRetried(lost))
                return .refused
            }
            if case .failure(let failure)? = came, failure.outcome == .lost {
                rotation.base.record(session.entry(rotation, .lost, detail: failure.reason))
            }
            guard rotation.target != nil || prepare() else { return .nothing(nil) }
            session.update { state, _ in state.machine.beginSpending() }
            let came = session.read(source.get(rotation.old), &rotation, source)
            self.came = came
            switch (came, rotation.base.unanswered) {
            case (.tokens, _), (.refreshToken, _): return .tokens
            case (.same, _): return .nothing(nil)
            case (.failure(let failure), _) where failure.outcome == .refused: return .refused
            case (.failure(let failure), let lost?) where failure.outcome == .lost: return .lost(lost)
            case (.failure(let failure), let lost): return .nothing(lost, retryAfter: failure.retryAfter)
            }
        }

        func save(as identity: SharedIdentity, over there: SessionRecord?) -> SharedSaving {
            rotation.identity = identity
            guard let came, came.hasTokens else { return .nothing }
            // A deed may have come in between.
            if rotation.target == nil { rotation.target = (try? file.prepare()).map { (file, $0) } }
            ending = session.conclude(takenRotation(), came, source)
            return session.snapshot.persistence.unsaved == nil ? .inFile : .inMemory
        }

        func forget(as identity: SharedIdentity, _ mark: SharedMark) {
            giveWay()
            _ = session.carryOut(.forget(identity), isLocked: true)
        }

        /// The ending of a refresh that brought no token.
        func end(_ failure: SharedFailure) -> Ending {
            switch (came, failure) {
            case (.failure(var refused)?, .loginNeeded(let refusal)) where refused.outcome == .refused:
                if !refusal.silent.isEmpty { refused.reason += " \(refusal.remedy)" }
                return session.failed(takenRotation(), refused)
            case (let came?, _) where !came.hasTokens: return session.conclude(takenRotation(), came, source)
            case (_, .loginNeeded) where session.snapshot.record.isEmpty: return .loginNeeded
            case (_, .loginNeeded(let refusal)):
                let words = refusal.words(retriesLost: session.snapshot.machine.policy.retriesLost)
                return session.failed(takenRotation(), Failure(.refused, words))
            case (_, .exhausted): return session.failed(takenRotation(), Failure(.refused, failure.words))
            case (_, .postponed(let seconds)):
                return session.failed(takenRotation(), Failure(.unavailable, failure.words, retryAfter: seconds))
            case (_, .notWritable): return session.failed(takenRotation(), Failure(.notWritable, failure.words))
            case (_, .unreachable), (_, .readOnly), (_, .unusable), (_, .unanswered), (_, .closed):
                return .withoutEngine(detail: failure.words)
            }
        }

        /// The rotation, for turning its journal into the session file.
        private func takenRotation() -> Rotation {
            defer { rotation.target = nil }
            return rotation
        }

        /// Removes the journal of a refresh that was not sent.
        func giveWay() {
            if let (file, replacement) = rotation.target { file.abandon(replacement) }
            rotation.target = nil
        }
    }
}
