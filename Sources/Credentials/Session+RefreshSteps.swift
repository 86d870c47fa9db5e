import Platform

/// A refresh of a shared session: the protocol asks for each step.
extension Session {
    /// The file's lock is held, by `handle`, until the end. Nil if it was lost before anything was sent.
    func rotate(
        _ rotation: Rotation,
        _ source: any TokenSource,
        _ file: SessionFile,
        _ handle: consuming SessionFile.LockHandle,
        _ sharing: any SessionSharing
    ) -> Ending? {
        let steps = RefreshSteps(self, rotation, source, file, handle, sharing)
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
        private let sharing: any SessionSharing
        private var rotation: Rotation
        private var destination = Destination.nothingPrepared
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
            _ handle: consuming SessionFile.LockHandle,
            _ sharing: any SessionSharing
        ) {
            self.session = session
            self.rotation = rotation
            self.source = source
            self.file = file
            self.handle = handle
            self.sharing = sharing
        }

        func prepare() -> Bool {
            guard let journal = rotation.journal else { return false }
            do throws(SessionFileError) {
                if !destination.isPrepared { destination = .file(file, try file.prepare(journal)) }
                guard !handle.isInPlace else { return true }
                // What came of an earlier try counts.
                hasLostLock = came == nil
                return false
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
            guard destination.isPrepared || prepare() else { return .nothing(nil) }
            session.update { state, _ in state.machine.beginSpending() }
            // Making a connection takes a while, and a machine may be stopped in it: the others go on then.
            let outcome = source.get(rotation.old) { [sharing] in sharing.maySend }
            let came = session.read(outcome, &rotation, source)
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
            if !destination.isPrepared, let replacement = try? file.prepare() { destination = .file(file, replacement) }
            ending = session.conclude(rotation, came, into: takeDestination())
            return session.snapshot.persistence.unsaved == nil ? .inFile : .inMemory
        }

        func forget(as identity: SharedIdentity, _ mark: SharedMark) {
            _ = carryOut(.forget(identity))
        }

        /// What `prepare` wrote must not be in the deed's way. `send` writes it anew.
        func carryOut(_ deed: SharedDeed) -> SharedSaving {
            giveWay()
            return session.carryOut(deed, in: .success(file))
        }

        /// The ending of a refresh that brought no token.
        func end(_ failure: SharedFailure) -> Ending {
            switch (came, failure) {
            case (.failure(var refused)?, .loginNeeded(let refusal)) where refused.outcome == .refused:
                if !refusal.silent.isEmpty { refused.reason += " \(refusal.remedy)" }
                return failed(refused)
            case (let came?, _) where !came.hasTokens: return session.conclude(rotation, came, into: takeDestination())
            case (_, .loginNeeded) where session.snapshot.record.isEmpty: return .loginNeeded
            case (_, .loginNeeded(let refusal)):
                let words = refusal.words(retriesLost: session.snapshot.machine.policy.retriesLost)
                return failed(Failure(.refused, words))
            case (_, .exhausted): return failed(Failure(.refused, failure.words))
            case (_, .postponed(let seconds)): return failed(Failure(.unavailable, failure.words, retryAfter: seconds))
            case (_, .notWritable): return failed(Failure(.notWritable, failure.words))
            case (_, .unreachable), (_, .readOnly), (_, .unusable), (_, .unanswered), (_, .closed):
                return .withoutEngine(detail: failure.words)
            }
        }

        private func failed(_ failure: Failure) -> Ending {
            session.failed(rotation, failure, into: takeDestination())
        }

        private func takeDestination() -> Destination {
            exchange(&destination, with: .nothingPrepared)
        }

        /// Removes the journal of a refresh that was not sent.
        func giveWay() {
            takeDestination().abandon()
        }
    }
}
