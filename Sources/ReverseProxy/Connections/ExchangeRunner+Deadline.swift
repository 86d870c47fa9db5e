import Credentials

/// How long an exchange waits, and what becomes of it then.
extension ExchangeRunner {
    /// Sets it anew, by what is waited for (`Patience`).
    func setDeadline(now: UInt64) {
        switch context.intervals.patience(in: exchange.state, uploadProgress) {
        case .session:
            // In all: whatever becomes of the session, nobody waits longer.
            if request.waitEndsAt == 0 { request.waitEndsAt = now &+ context.intervals.session }
            client.setDeadline(nanoseconds: request.waitEndsAt > now ? request.waitEndsAt - now : 1, now: now)
        case .nanoseconds(let nanoseconds): client.setDeadline(nanoseconds: nanoseconds, now: now)
        case .none: break
        }
    }

    private var uploadProgress: UploadProgress {
        if let attempt, attempt.awaitsContinue { return .awaitsContinue }
        guard let upload = request.upload else { return .sent }
        let isSent = upload.body.isComplete && attempt.map { $0.bodySent == upload.body.count } ?? false
        return isSent ? .sent : .sending
    }

    func deadlinePassed(now: UInt64) {
        switch exchange.state {
        case .awaitingCredential:
            // The client's own retry finds the session as it is then.
            return fail(.sessionBusy)
        case .holding:
            stopWaiting()
            return credentialArrived(.failure(.unavailable(retryAfter: 1, isUnreachable: false)))
        case .settling, .collecting:
            // A response that has begun is not replaced by a problem.
            return relayCollected()
        case .sending where attempt?.awaitsContinue ?? false:
            return continueUpload(now: now)
        case .sending where isWaitingForClient:
            return fail(.requestTimeout)
        case .sending:
            return fail(.firstByteTimeout)
        case .relaying:
            // A client that does not take what is there for it would not take the rest either.
            return client.pendingOutput > 0 ? end(.clientGone, .reset) : fail(.firstByteTimeout)
        case .tunnelling:
            return endTunnel(.complete)
        case .finished:
            return
        }
    }

    /// All that came of the body is sent, and more has to come.
    private var isWaitingForClient: Bool {
        guard let body = request.upload?.body, !body.isComplete else { return false }
        return attempt.map { $0.bodySent == body.count } ?? true
    }
}
