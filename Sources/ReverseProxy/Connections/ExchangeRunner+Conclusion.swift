import Credentials
import EventIO

/// What is reported, counted and released when the exchange has ended.
extension ExchangeRunner {
    /// The exchange has ended and nothing works on it any more: reports it, releases everything, and becomes available
    /// for another one.
    func conclude(now: UInt64) {
        resources.counters.finished(status: outcome.status, nanoseconds: now &- request.startedAt)
        if let observer = proxy.observer { report(to: observer, now: now) }
        recordEnd(now: now)
        countEnded()
        if let rejected = request.ledRefresh?.rejected {
            proxy.session.leadEnded(route: routeHash, replacing: rejected)
        }
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

    /// The exchange's record at this moment.
    func record(_ result: ExchangeRecord.Outcome, now: UInt64) -> ExchangeRecord {
        var record = ExchangeRecord(id: request.id, status: outcome.status, outcome: result)
        record.problem = outcome.problem
        record.requestBytes = request.bytes
        record.responseBytes = outcome.bytes
        record.upstreamNanoseconds = request.upstreamTime.elapsed(now: now)
        record.totalNanoseconds = now &- request.startedAt
        record.attempts = exchange.attempts
        let isHidden = exchange.hasReplayed || exchange.hasDroppedExpectation || outcome.problem != nil
        if isHidden, outcome.firstStatus != 0 { record.firstStatus = outcome.firstStatus }
        record.tokenNanoseconds = request.tokenTime.elapsed(now: now)
        record.refresh = ledRefreshResult
        record.needsLogin = outcome.needsLogin
        record.generation = exchange.generation
        record.wasReplayed = exchange.hasReplayed
        return record
    }

    /// The result of the refresh that this exchange started.
    var ledRefreshResult: ExchangeRecord.Refresh {
        request.ledRefresh.map { $0.hasBroughtToken ? .brought : .failed } ?? .none
    }

    /// The target as the client sees it.
    private var shownTarget: UnsafeBufferPointer<UInt8> {
        let octets = request.head.octets[request.targetOffset...].prefix(request.targetLength)
        let target = UnsafeBufferPointer(rebasing: octets)
        return TargetPlace.lacksSlash(target.first) ? resources.rooted(target) : target
    }

    var texts: WorkerResources.Texts {
        let head = request.head.octets
        // An identifier that Squire added to a request it never sent means nothing to anybody.
        let end = exchange.attempts > 0 ? request.prefixLength : request.rulesOffset
        return WorkerResources.Texts(
            method: UnsafeBufferPointer(rebasing: head[..<request.methodLength]),
            target: shownTarget,
            requestID: RequestIdentifier.find(in: UnsafeBufferPointer(rebasing: head[..<end])),
            secrets: request.context.sessionView.secrets
        )
    }

    // MARK: Counting

    /// An attempt begins, possibly with another token.
    func countRunning() {
        guard let generations, exchange.generation != countedGeneration else { return }
        generations.end(countedGeneration, isServed: false)
        countedGeneration = exchange.generation
        generations.begin(countedGeneration)
    }

    /// The upstream rejected the token of the current attempt.
    func countRejected() {
        guard countedGeneration != 0 else { return }
        outcome.isTokenRejected = true
        generations?.refused(countedGeneration)
    }

    private func countEnded() {
        generations?.end(countedGeneration, isServed: outcome.isServed)
        countedGeneration = 0
    }
}
