import Platform
import Support

/// The session's status.
extension Session {
    /// The place where other machines share the session that the file holds, if this process does not share it there.
    public var sharedElsewhere: String? { update { state, _ in sharedElsewhere(state.record) } }

    private func sharedElsewhere(_ record: SessionRecord) -> String? {
        guard case .elsewhere(let there) = record.localHolding(in: place) else { return nil }
        return there
    }

    /// Reads what is kept beside the file: blocks.
    public var status: SessionStatus {
        let keptAdvice = file?.keptAdvice(beside: snapshot.record)
        return update { state, now in
            var status = state.status(now: now)
            status.foreignUpstream = foreignOrigin(state.record)
            status.foreignRefresh = source == nil ? nil : binding.flatMap { state.record.foreignRefreshOrigin(to: $0) }
            status.foreignSource = binding.flatMap { state.record.foreignSource(to: $0) }
            status.sharedElsewhere = sharedElsewhere(state.record)
            status.startsAlone = source?.startsAlone ?? false
            if binding?.source == SessionBinding.Source.none { status.state = .unused }
            (status.grant, status.clockSkew) = (source?.grant, source?.clockSkew)
            status.login = login
            status.source = binding?.source
            status.keptAdvice = keptAdvice
            if state.record.arrival == .refresh, let received = state.record.receivedAt {
                status.freshLife = state.record.expiresAt.map { $0.subtracting(saturating: received) }
            }
            status.shared = sharing?.status
            // A session that only looks does not ask the engine, so that the file's contents are used.
            if status.shared?.link == .unknown { status.shared?.tell(state.record, in: place) }
            return status
        }
    }
}

extension Session.State {
    func status(now: Instant) -> SessionStatus {
        let credential = machine.credential
        let claims = credential?.token.claims
        // Another API's record is not shown.
        let record = isForeign ? SessionRecord() : record
        let expiresIn = credential?.expiry.map {
            Int($0.subtracting(saturating: now.elapsed) / CredentialState.second)
        }
        return SessionStatus(
            state: state(now: now.elapsed),
            generation: machine.generation,
            subject: claims?.subject,
            issuedAt: claims?.start,
            signedInAt: credential == nil ? nil : record.signedInAt,
            receivedAt: credential?.receivedAt,
            age: credential.map { max(0, now.wall - UTCTime.clamped($0.receivedAt)) },
            expiresAt: credential?.expiresAt,
            expiresIn: expiresIn,
            refreshToken: record.refreshToken.map { _ in .init(expiresAt: record.refreshExpiresAt) },
            scope: record.scope,
            refreshes: record.refreshes,
            lastRefresh: record.lastRefresh,
            history: record.history,
            failures: record.failures,
            coalesced: coalesced,
            lostAnswer: record.unanswered.map(Session.loss),
            isRejected: machine.isKnownRejected,
            retryIn: machine.backOffLeft(now: now.elapsed).map { Int($0 / CredentialState.second) + 1 },
            explanation: machine.explanation,
            unsaved: persistence.unsaved?.reason,
            unsavedIn: persistence.unsaved?.keptIn,
            fileProblem: persistence.problem
        )
    }

    private func state(now: Int64) -> SessionStatus.State {
        if machine.credential == nil, record.isEmpty || isForeign { return machine.canRefresh ? .starting : .none }
        if machine.isRefreshing { return .refreshing }
        guard machine.credential != nil else {
            // Only a refresh token is held.
            if machine.isRefreshDenied { return .loginNeeded }
            return machine.canRefresh ? .usable : .none
        }
        // If one route rejected the token and none has accepted it since, the status shows the worse case.
        let isRejected = (machine.isRefreshDenied || !machine.canRefresh) && machine.isKnownRejected
        return machine.isDead(now: now) || isRejected ? .loginNeeded : .usable
    }
}
