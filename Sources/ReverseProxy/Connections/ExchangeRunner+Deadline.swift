import Credentials

/// How long an exchange waits, and what happens at the deadline.
extension ExchangeRunner {
    /// Sets the deadline for the current wait (`WaitLimit`).
    func setDeadline(now: UInt64) {
        switch proxy.intervals.waitLimit(in: exchange.state, uploadProgress) {
        case .session:
            // The limit for all waits together, whatever happens to the session.
            if request.waitEndsAt == 0 { request.waitEndsAt = now &+ proxy.intervals.session }
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
            recordTokenArrived(.timedOut, now: now)
            // The client's own retry finds the session in a newer state.
            return fail(.sessionBusy)
        case .holding:
            stopWaiting()
            return credentialArrived(.failure(.unavailable(retryAfter: 1, isUnreachable: false)), as: .timedOut)
        case .settling, .collecting:
            // Once a response has begun, no problem replaces it.
            return stopCollecting()
        case .sending where attempt?.awaitsContinue ?? false:
            return continueUpload(now: now)
        case .sending where isWaitingForClient:
            return fail(.requestTimeout)
        case .sending:
            return fail(.firstByteTimeout)
        case .relaying:
            // A client that does not read what is pending would not read the rest either.
            return client.pendingOutput > 0 ? end(.clientGone, .reset) : fail(.firstByteTimeout)
        case .tunnelling:
            return endTunnel(.complete)
        case .finished:
            return
        }
    }

    /// Everything received of the body is sent, and the rest is missing.
    private var isWaitingForClient: Bool {
        guard let body = request.upload?.body, !body.isComplete else { return false }
        return attempt.map { $0.bodySent == body.count } ?? true
    }
}
