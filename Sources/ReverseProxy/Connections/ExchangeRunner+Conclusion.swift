import Credentials
import EventIO

/// What is told and counted of the exchange, and what is let go when it has ended.
extension ExchangeRunner {
    /// The exchange has ended and nothing works on it any more: tells of it, lets go of everything, and is free for
    /// another one.
    func conclude(now: UInt64) {
        resources.counters.finished(status: outcome.status, nanoseconds: now &- request.startedAt)
        if let observer = context.observer { report(to: observer, now: now) }
        recordEnd(now: now)
        countEnded()
        releaseAttempt(now: now)
        dropResponse()
        resources.requestBuffers.give(request.head)
        request = nil
        outcome = Outcome()
        resources.giveRunner(self)
    }

    private func report(to observer: any ExchangeObserver, now: UInt64) {
        guard case .finished(let result) = exchange.state else { return }
        resources.report(record(result, now: now), texts, to: observer)
    }

    /// What is told of the exchange as it is now.
    func record(_ result: ExchangeRecord.Outcome, now: UInt64) -> ExchangeRecord {
        var record = ExchangeRecord(id: request.id, status: outcome.status, outcome: result)
        record.problem = outcome.problem
        record.requestBytes = request.bytes
        record.responseBytes = outcome.bytes
        record.upstreamNanoseconds = request.upstreamTime.elapsed(now: now)
        record.totalNanoseconds = now &- request.startedAt
        record.attempts = exchange.attempts
        let isHidden = exchange.hasReplayed || outcome.problem != nil
        if isHidden, outcome.firstStatus != 0 { record.firstStatus = outcome.firstStatus }
        record.tokenNanoseconds = request.tokenTime.elapsed(now: now)
        record.refresh = ledRefreshResult
        record.needsLogin = outcome.needsLogin
        record.generation = exchange.generation
        record.wasReplayed = exchange.hasReplayed
        return record
    }

    /// What came of the refresh that it started.
    var ledRefreshResult: ExchangeRecord.Refresh {
        request.ledRefresh.map { $0.hasBroughtToken ? .brought : .failed } ?? .none
    }

    var texts: WorkerResources.Texts {
        let head = request.head.octets
        // What Squire would have called a request that was not sent means nothing to anybody.
        let end = exchange.attempts > 0 ? request.prefixLength : request.rulesOffset
        return WorkerResources.Texts(
            method: UnsafeBufferPointer(rebasing: head[..<request.methodLength]),
            target: UnsafeBufferPointer(rebasing: head[request.targetOffset...].prefix(request.targetLength)),
            requestID: RequestIdentifier.find(in: UnsafeBufferPointer(rebasing: head[..<end])),
            secrets: request.context.session.secrets
        )
    }

    // MARK: Counting

    /// An attempt begins: under another token, perhaps.
    func countRunning() {
        guard let generations, exchange.generation != (tokenUse?.generation ?? 0) else { return }
        if let tokenUse { generations.end(tokenUse, isServed: false) }
        tokenUse = generations.begin(exchange.generation)
    }

    /// The upstream refused the token of the present attempt.
    func countRefused() {
        guard let tokenUse else { return }
        outcome.isTokenRefused = true
        generations?.refused(tokenUse)
    }

    private func countEnded() {
        guard let generations, let tokenUse else { return }
        generations.end(tokenUse, isServed: outcome.isServed)
        self.tokenUse = nil
    }
}
