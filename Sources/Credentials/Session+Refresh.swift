import Platform
import Support
import Threads

/// A refresh from its start to its end: who makes it, and what its waiters are told. The steps in between are in
/// `+Rotation`.
extension Session {
    /// How often a refresh whose response was lost is retried without a request: a grace period at the upstream does
    /// not wait for the next request.
    private static let maximumUnaskedRetries = 5

    /// How a refresh ended.
    enum Ending {
        /// The token of this response is current.
        case refreshed(RefreshResponse)
        /// A token that somebody else brought is current.
        case adopted
        /// The same token came again.
        case unchanged(RefreshResponse)
        /// There is nothing to refresh, or the file says that the upstream refuses it.
        case loginNeeded
        case failed(Failure, isUnanswered: Bool)
        /// Nothing was sent: the issuer told another process to wait.
        case paused(BackOff)
        /// Nothing was sent: the engine of the shared session did not permit it.
        case withoutEngine(detail: String)

        var isUnchanged: Bool { if case .unchanged = self { true } else { false } }
    }

    /// Why a refresh brought no token.
    struct Failure {
        var outcome: RefreshEntry.Outcome
        var reason: String
        /// Seconds that the issuer asked to be left alone for.
        var retryAfter: Int?
        /// Of the issuer's answer.
        var status: Int?
        /// Something took too long.
        var isTimeout: Bool
        /// Only a login helps.
        var isFinal: Bool
        /// What clients may read of it, the rest of a sentence.
        var told: String?

        init(
            _ outcome: RefreshEntry.Outcome,
            _ reason: String,
            retryAfter: Int? = nil,
            status: Int? = nil,
            isTimeout: Bool = false,
            isFinal: Bool = false,
            told: String? = nil
        ) {
            self.outcome = outcome
            self.reason = reason
            self.retryAfter = retryAfter
            self.status = status
            self.isTimeout = isTimeout
            self.isFinal = isFinal || outcome == .refused
            self.told = told
        }
    }

    /// Refreshes now, or joins the refresh in flight, and delivers the upstream's response: for a client that calls the
    /// refresh path itself, and for people. `trigger` names the caller, if it has a name.
    @discardableResult
    public func refreshNow(
        cause: RefreshCause,
        trigger: RefreshTrigger? = nil,
        deliver: @escaping RefreshCompletion
    ) -> Awaited {
        let join: @Sendable () -> JoinAnswer = { [self] in update { $0.join(trigger, now: $1, deliver) } }
        let answer = join()
        guard case .failed(let failure) = answer, file != nil, failure.needsLogin else {
            return act(on: answer, cause, deliver)
        }
        let isTaken = thread.execute { [self] in
            recheckNow()
            if mustLook(failure) { lookNow() }
            act(on: join(), cause, deliver)
        }
        if !isTaken { deliver(.failure(.shuttingDown)) }
        return isTaken ? .news : .nothing
    }

    @discardableResult
    private func act(on answer: JoinAnswer, _ cause: RefreshCause, _ deliver: RefreshCompletion) -> Awaited {
        switch answer {
        case .failed(let failure):
            deliver(.failure(told(failure)))
            return .nothing
        case .waits(nil):
            return .refresh
        case .waits(let flight?):
            startRefresh(flight, cause)
            return .ownRefresh
        }
    }

    /// Makes the refresh that `flight` began, and answers everyone who waits for it.
    func startRefresh(_ flight: Flight, _ cause: RefreshCause) {
        let work: @Sendable () -> Void = { [weak self] in
            guard let self else { return }
            let begun = clock.now.elapsed
            tell(.refreshBegins)
            end(flight, cause, DescriptorReserve.shared.lend { refresh(flight, cause) }, begun: begun)
        }
        if flight.pause > 0 {
            // If `finish` drops it, `end` answers the waiters.
            thread.executeLater(flight.pause, work)
        } else if !thread.execute(work) {
            for waiter in update({ state, _ in state.takeWaiters() }) { waiter.fail(.shuttingDown) }
        }
    }

    // MARK: The end

    /// How a flight ended, and whom that concerns: taken out of the state together.
    private struct Landing {
        let ending: Ending
        let failure: (state: CredentialFailure, told: CredentialFailure)?
        let waiters: [Waiter]
        let credential: Credential?
        let machine: CredentialState
        let refreshToken: Token?
        let moment: Int64
    }

    private func end(_ flight: Flight, _ cause: RefreshCause, _ ending: Ending, begun: Int64) {
        let landing = update { state, now in
            let failure = state.machine.endRefresh(
                replacing: flight.replacing,
                Self.verdict(of: ending, jitter: flight.jitter),
                now: now.elapsed
            )
            return Landing(
                ending: ending,
                failure: Self.failure(of: ending, failure, state.machine),
                waiters: state.takeWaiters(),
                credential: state.machine.credential,
                machine: state.machine,
                refreshToken: state.record.refreshToken,
                moment: now.elapsed
            )
        }
        report(landing, flight, cause, begun: begun)
        tell(.refreshEnds)
        answer(landing)
    }

    /// Emits the events of an ended flight, and schedules its retry.
    private func report(_ landing: Landing, _ flight: Flight, _ cause: RefreshCause, begun: Int64) {
        func report(_ outcome: RefreshEntry.Outcome, _ failed: Failure? = nil) -> RefreshReport {
            RefreshReport(
                cause,
                outcome,
                flight.trigger,
                waiters: landing.waiters.count,
                milliseconds: Int(landing.moment.subtracting(saturating: begun) / 1_000_000),
                status: failed?.status,
                isTimeout: failed?.isTimeout ?? false
            )
        }
        let expiresIn = landing.credential?.expiresAt?.subtracting(saturating: clock.now.wall)
        switch landing.ending {
        case .refreshed:
            guard let credential = landing.credential else { break }
            emit(.refreshed(report(.refreshed), generation: credential.generation, expiresIn: expiresIn))
        case .unchanged:
            emit(.unchanged(report(.unchanged), expiresIn: expiresIn))
        case .failed(let failed, let isUnanswered):
            guard let failure = landing.failure?.state else { break }
            emit(.refreshFailed(report(failed.outcome, failed), reason: failed.reason, failure: failure))
            if isUnanswered, !failure.needsLogin { scheduleRetry(flight, cause) }
        case .withoutEngine(let detail):
            guard let failure = landing.failure?.state else { break }
            emit(.refreshFailed(report(.unavailable), reason: detail, failure: failure))
            // Before anybody is told, so that whoever asks next knows.
            writeMarkNow()
        case .adopted, .loginNeeded, .paused: break
        }
    }

    private func answer(_ landing: Landing) {
        let ending = landing.ending
        for waiter in landing.waiters {
            switch (waiter, landing.failure?.told, landing.credential) {
            case (.undecided(let inquiry, let deliver), _, _):
                self.credential(for: inquiry, deliver: deliver)
            case (.request(let inquiry, let deliver), let failure?, _) where inquiry.rejection == nil:
                // A refresh ahead of expiry failed, but the token works until it expires.
                let credential = landing.machine.remaining(for: inquiry.route, now: landing.moment)
                deliver(credential.map { .use($0, hasWaited: true) } ?? .failed(failure))
            case (.response(let deliver), _?, let credential?) where ending.isUnchanged:
                deliver(.success(response(of: ending, credential.token, landing.refreshToken)))
            case (_, let failure?, _):
                waiter.fail(failure)
            case (_, nil, let credential?):
                let response = response(of: ending, credential.token, landing.refreshToken)
                resume(waiter, with: credential, hasWaited: ending.isUnchanged, response)
            case (_, nil, nil):
                waiter.fail(.loginNeeded())
            }
        }
    }

    /// Gives a new credential to a waiter.
    func resume(
        _ waiter: Waiter,
        with credential: Credential,
        hasWaited: Bool,
        _ response: @autoclosure () -> RefreshResponse
    ) {
        switch waiter {
        case .request(let inquiry, let deliver) where inquiry.rejection?.generation == credential.generation:
            // The credential was used and rejected at once: this waiter needs the next one.
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
        case .failed(let failed, _) where failed.isFinal: .denied(explanation: failed.reason)
        case .failed(let failed, _):
            .failed(setback(failed), retryAfter: failed.retryAfter, jitter: jitter)
        case .paused(let backOff): .paused(backOff)
        case .withoutEngine: .failed(.engine, retryAfter: nil, jitter: jitter)
        }
    }

    static func setback(_ failure: Failure) -> BackOff.Setback {
        switch failure.outcome {
        case .unreachable: .unreachable
        case .misconfigured: .misconfigured(failure.reason)
        case .refreshed, .unchanged, .refused, .unavailable, .lost, .interrupted, .notWritable:
            .unavailable(because: failure.told)
        }
    }

    /// The failure as the state sees it, and as the waiters are told; nil if they get the current token.
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
        if case .failed(let failed, _) = ending, failed.outcome == .notWritable {
            return (state, .notWritable(failed.reason))
        }
        return (state, state)
    }

    /// The response to a refresh: the API's own, if the source provides it.
    func response(_ token: Token, _ refreshToken: Token?, _ reply: IssuerResponse?) -> RefreshResponse {
        guard let reply else { return response(with: token, refreshToken) }
        return RefreshResponse(token: token, body: reply.body, contentType: reply.contentType)
    }

    private func response(of ending: Ending, _ token: Token, _ refreshToken: Token?) -> RefreshResponse {
        switch ending {
        case .refreshed(let response) where response.token == token, .unchanged(let response): response
        case .refreshed, .adopted, .loginNeeded, .failed, .paused, .withoutEngine: response(with: token, refreshToken)
        }
    }

    /// The response to a refresh that somebody else made, in the form of the API's own.
    func response(with token: Token, _ refreshToken: Token?) -> RefreshResponse {
        source?.response(bringing: token, refreshToken) ?? .usual(token)
    }

    /// A response was lost, and the second try was inconclusive: a grace period at the upstream, if there is one, is
    /// running.
    private func scheduleRetry(_ flight: Flight, _ cause: RefreshCause) {
        let pause = update { state, now in
            state.machine.nextUnaskedRetry(limit: Self.maximumUnaskedRetries, now: now.elapsed)
        }
        guard let pause else { return }
        thread.executeLater(pause) { [weak self] in
            guard let self else { return }
            let next = update { state, _ in
                state.machine.generation == flight.replacing ? state.machine.beginRefresh() : nil
            }
            if let next { startRefresh(Flight(replacing: next, trigger: flight.trigger), cause) }
        }
    }
}
