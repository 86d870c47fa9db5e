import Platform
import Support
import Threads

/// A refresh from its start to its end: who makes it, and what those are told who wait for it. What is done in between
/// is `+Rotation`.
extension Session {
    /// How often a refresh whose response was lost is tried again without being asked: a grace at the upstream does not
    /// wait for the next request.
    private static let maximumUnaskedRetries = 5

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
        case failed(Failure, isUnanswered: Bool)
        /// Nothing was sent: another process was told to wait so many seconds.
        case paused(seconds: Int)
        /// Nothing was sent: machines share the session, and what they share it through does not let it happen.
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

        init(
            _ outcome: RefreshEntry.Outcome,
            _ reason: String,
            retryAfter: Int? = nil,
            status: Int? = nil,
            isTimeout: Bool = false
        ) {
            self.outcome = outcome
            self.reason = reason
            self.retryAfter = retryAfter
            self.status = status
            self.isTimeout = isTimeout
        }
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
            // Dropped by `end`, which answers the waiters.
            thread.executeLater(flight.pause, work)
        } else if !thread.execute(work) {
            for waiter in update({ shared, _ in shared.takeWaiters() }) { waiter.fail(.shuttingDown) }
        }
    }

    // MARK: The end

    /// One event: the flight ends, and those who waited are taken out, with what they are told.
    private func end(_ flight: Flight, _ cause: RefreshCause, _ ending: Ending, begun: Int64) {
        let (failure, waiters, credential, state, moment) = update { shared, now in
            let failure = shared.machine.endRefresh(
                replacing: flight.replacing,
                Self.verdict(of: ending, jitter: flight.jitter),
                now: now.elapsed
            )
            return (
                Self.failure(of: ending, failure, shared.machine), shared.takeWaiters(), shared.machine.credential,
                shared.machine, now.elapsed
            )
        }
        func report(_ outcome: RefreshEntry.Outcome, _ failed: Failure? = nil) -> RefreshReport {
            RefreshReport(
                cause,
                outcome,
                flight.trigger,
                waiters: waiters.count,
                milliseconds: Int(moment.subtracting(saturating: begun) / 1_000_000),
                status: failed?.status,
                isTimeout: failed?.isTimeout ?? false
            )
        }
        let expiresIn = credential?.expiresAt?.subtracting(saturating: clock.now.wall)
        switch ending {
        case .refreshed:
            guard let credential else { break }
            emit(.refreshed(report(.refreshed), generation: credential.generation, expiresIn: expiresIn))
        case .unchanged:
            emit(.unchanged(report(.unchanged), expiresIn: expiresIn))
        case .failed(let failed, let isUnanswered):
            guard let failure = failure?.state else { break }
            emit(.refreshFailed(report(failed.outcome, failed), reason: failed.reason, failure: failure))
            if isUnanswered, !failure.needsLogin { scheduleRetry(flight, cause) }
        case .withoutEngine(let detail):
            guard let failure = failure?.state else { break }
            emit(.refreshFailed(report(.unavailable), reason: detail, failure: failure))
        case .adopted, .loginNeeded, .paused: break
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
        case .failed(let failed, _) where failed.outcome == .refused: .denied(explanation: failed.reason)
        case .failed(let failed, _):
            .failed(setback(failed.outcome, failed.reason), retryAfter: failed.retryAfter, jitter: jitter)
        case .paused(let seconds): .failed(.unavailable, retryAfter: seconds, jitter: 0)
        case .withoutEngine: .failed(.engine, retryAfter: nil, jitter: jitter)
        }
    }

    static func setback(_ outcome: RefreshEntry.Outcome, _ detail: String) -> BackOff.Setback {
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
        if case .failed(let failed, _) = ending, failed.outcome == .notWritable {
            return (state, .notWritable(failed.reason))
        }
        return (state, state)
    }

    /// The response to a refresh: the API's own, where the source gives it.
    static func response(_ token: Token, _ reply: RefreshReply?) -> RefreshResponse {
        guard let reply else { return response(with: token) }
        return RefreshResponse(token: token, body: reply.body, contentType: reply.contentType)
    }

    private static func response(of ending: Ending, _ token: Token) -> RefreshResponse {
        switch ending {
        case .refreshed(let response) where response.token == token, .unchanged(let response): response
        case .refreshed, .adopted, .loginNeeded, .failed, .paused, .withoutEngine: response(with: token)
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
}
