import Platform

/// All decisions about the current credential. Pure: events and times go in, decisions come out.
///
/// Two values are the whole state: the token (`current`) and the knowledge about refreshing it (`refresh`). `publish`
/// sets both, so neither can outlive the token it is about.
struct CredentialState: Sendable {
    static let second: Int64 = 1_000_000_000
    /// How long to wait for the upstream's response to the request that led to a refresh.
    static let leadTime = 1 * second
    /// A longer skew is not waited for.
    private static let maximumSkew = 10 * second

    let policy: RefreshPolicy
    /// Whether a token can be obtained: with the tokens that are held or, from some sources, without any.
    private(set) var canRefresh: Bool
    /// A refresh spends the tokens that are held.
    private let spends: Bool
    private(set) var current: Current?
    private(set) var refresh = RefreshPhase.idle
    private(set) var storm = Storm()
    /// How many refreshes of the held tokens were started without a request, because an answer was lost.
    private var unaskedRetries = 0
    /// The current generation. It changes with every login, refresh and logout.
    private(set) var generation: Generation = 0

    init(policy: RefreshPolicy, canRefresh: Bool, spends: Bool = true) {
        self.policy = policy
        self.canRefresh = canRefresh
        self.spends = spends
    }

    var credential: Credential? { current?.credential }

    // MARK: The token

    /// Makes the record's token current, or none. `canRefresh` says whether another can be obtained with the tokens in
    /// the record, and `isRefreshed` that a refresh by this process brought it. `number` is its generation if that is
    /// known; nil takes the next.
    mutating func publish(
        _ record: SessionRecord?,
        canRefresh: Bool,
        isRefreshed: Bool = false,
        number: Generation? = nil,
        now: Instant
    ) {
        self.canRefresh = canRefresh
        guard let record, let token = record.token, let principal = record.principal else {
            publishNone(record, number: number, now: now)
            return
        }
        let isSameToken = current?.credential.token == token
        if isSameToken {
            update(from: record, now: now)
        } else {
            replace(by: token, of: principal, from: record, isRefreshed: isRefreshed, number: number, now: now)
        }
        current?.mark = record.rejected
        refresh.publish(isDenied: record.isRefreshDenied, isSameToken: isSameToken, explanation: record.refusal)
        adopt(record.pause, now: now)
    }

    private mutating func publishNone(_ record: SessionRecord?, number: Generation?, now: Instant) {
        let wasNone = current == nil
        if !wasNone { generation = number ?? generation &+ 1 }
        current = nil
        // Without an access token, earlier verdicts on the refresh token stay valid.
        refresh.publish(isDenied: record?.isRefreshDenied ?? false, isSameToken: wasNone, explanation: record?.refusal)
        adopt(record?.pause, now: now)
    }

    /// Adopts what the record says about the current token.
    private mutating func update(from record: SessionRecord, now: Instant) {
        guard let before = current else { return }
        if before.credential.expiresAt != record.expiresAt {
            current?.credential.expiresAt = record.expiresAt
            current?.credential.expiry = record.end(now: now)
        }
        if before.mark != record.rejected { current?.standing.adopt(record.rejected, now: now) }
    }

    private mutating func replace(
        by token: Token,
        of principal: Principal,
        from record: SessionRecord,
        isRefreshed: Bool,
        number: Generation?,
        now: Instant
    ) {
        let isLogin = current?.credential.principal != principal
        unaskedRetries = 0
        if isLogin { storm = Storm() }
        generation = number ?? generation &+ 1
        current = Current(
            credential: Credential(
                generation: generation,
                token: token,
                principal: principal,
                expiry: record.end(now: now),
                expiresAt: record.expiresAt,
                receivedAt: record.receivedAt ?? now.wall,
                isRefreshed: isRefreshed
            )
        )
        if let (route, replaced) = refresh.lead, isRefreshed {
            current?.lead = (route, replaced, now.elapsed.adding(saturating: Self.leadTime))
        }
        if let mark = record.rejected { current?.standing.adopt(mark, now: now) }
    }

    /// Adopts what the session file says about failed refreshes.
    private mutating func adopt(_ pause: SessionRecord.Pause?, now: Instant) {
        guard canRefresh, let backOff = BackOff(pause, now: now) else { return }
        refresh.adopt(backOff)
    }

    // MARK: What the upstream says of it

    /// A request of that route, which carried the token, was rejected. `hadAccepted`: the route had accepted it before.
    mutating func rejected(_ rejection: Rejection, route: UInt64, hadAccepted: Bool, now: Instant) {
        guard generation == rejection.generation else { return }
        current?.standing.reject(route, hadAccepted: hadAccepted, now: now)
        if rejection.ledRefresh || hadAccepted, current?.lead?.route == route { current?.lead = nil }
        // A token that a route accepted, and rejects a moment later, was ended by somebody else. If a login or another
        // process has put another token in its place meanwhile, this process did not refresh that one, and it may have
        // ended since: a refresh may still help.
        let isUntried = rejection.mayRefresh && current?.credential.isRefreshed == false
        if rejection.ledRefresh, !hadAccepted, !isUntried { storm.refreshDidNotHelp(route, now: now.elapsed) }
    }

    /// A request of that route, which was sent in the current epoch, was accepted.
    mutating func accepted(_ route: UInt64, now: Int64) {
        storm.accepts(route)
        if current?.lead?.route == route { current?.lead = nil }
        // Requests sent before a rejection say nothing about the token after the refresh.
        guard !isRefreshing else { return }
        let wasDead = isDead(now: now)
        current?.standing.accept(route, wasDead: wasDead)
    }

    /// The request of that route whose rejection led to the refresh of that generation has ended, somehow.
    mutating func leadEnded(_ route: UInt64, replacing replaced: Generation) {
        refresh.leadEnded(route, replacing: replaced)
        if let lead = current?.lead, (lead.route, lead.replaced) == (route, replaced) { current?.lead = nil }
    }

    /// Whether acceptances change anything.
    var wantsAcceptances: Bool { storm.isOn || current.map { $0.lead != nil || $0.standing.isInDoubt } ?? false }

    /// The response to the request that led to the refresh is still outstanding.
    func awaitsLead(now: Int64) -> Bool { current?.lead.map { now < $0.until } ?? false }

    /// Identifies the token, and its deaths, trials and revivals: acceptances of earlier requests no longer count.
    var epoch: UInt64 { generation << 16 | UInt64(current?.standing.epoch ?? 0) }

    /// Whether the epoch belongs to that generation's token.
    static func isOf(_ generation: Generation, epoch: UInt64) -> Bool { epoch >> 16 == generation & (.max >> 16) }

    /// The token was rejected by some route.
    var isInDoubt: Bool { current.map { $0.standing.verdict != .good } ?? false }

    /// The token counts as rejected for callers: if it can be refreshed, after one route's rejection, which a refresh
    /// was to cure; otherwise only if the token itself was rejected.
    var isKnownRejected: Bool { canRefresh ? isInDoubt : current?.standing.isRejected ?? false }

    /// The token itself was rejected, or has expired, and only a login brings another: no request is sent with it,
    /// except for an occasional trial.
    func isDead(now: Int64) -> Bool {
        guard let current, isRefreshDenied || !canRefresh else { return false }
        if isRefreshDenied, current.standing.isRejected { return true }
        return current.standing.revivals == 0 && unexpired(now: now) == nil
    }

    /// The session file now contains that mark for the token.
    mutating func markWasWritten(_ mark: SessionRecord.Rejected?) { current?.mark = mark }

    var isRefreshing: Bool { refresh.isInFlight }

    var isRefreshDenied: Bool { refresh.isRefused }

    /// Why only a login helps, as a sentence; nil if other ways remain, or the reason is unknown.
    var explanation: String? { refresh.explanation }

    /// The token was rejected, and another is on its way: requests that were not sent yet wait for it.
    var isBeingReplaced: Bool { isRefreshing && isInDoubt }

    /// Requests must ask: the decision depends on their route.
    var mustAsk: Bool { isBeingReplaced || isRefreshDenied && current?.standing.isInDoubt ?? false }

    /// Whether requests may use the current credential without asking, until `refreshDue`.
    func isUsable(now: Int64) -> Bool {
        current != nil && (usableUntil == .max || now < usableUntil)
    }

    /// The current credential, unless it has expired.
    func unexpired(now: Int64) -> Credential? {
        guard let credential, credential.expiry.map({ now < $0 }) ?? true else { return nil }
        return credential
    }

    /// Until when requests may use the current credential without asking: then a refresh ahead of expiry is due or, if
    /// there is none to be had, the token expires. `.max` if neither happens.
    var usableUntil: Int64 {
        guard let current, let expiry = current.credential.expiry else { return .max }
        if isRefreshDenied || !canRefresh { return current.standing.revivals == 0 ? expiry : .max }
        return expiry.subtracting(saturating: policy.lead(life: current.credential.life))
    }

    // MARK: Decisions

    /// A credential for a request. If the request was rejected, call `rejected` first.
    mutating func decide(_ inquiry: Inquiry, now: Int64) -> Decision {
        guard let credential else { return decideWithoutToken(now: now) }
        guard let rejection = inquiry.rejection, rejection.generation == generation else {
            return decide(route: inquiry.route, mayRefresh: inquiry.rejection?.mayRefresh ?? true, credential, now: now)
        }
        return decide(rejection, route: inquiry.route, credential, now: now)
    }

    /// There is no token to send.
    private func decideWithoutToken(now: Int64) -> Decision {
        guard canRefresh else { return .fail(.loginNeeded(explanation)) }
        switch refresh {
        case .idle: return .start(after: 0)
        case .inFlight: return .join
        case .backingOff: return startOrFail(now: now)
        case .refused(let explanation): return .fail(.loginNeeded(explanation))
        }
    }

    /// Decides for a request that was not sent with the current credential.
    private mutating func decide(route: UInt64, mayRefresh: Bool, _ credential: Credential, now: Int64) -> Decision {
        if let failure = bars(route, now: now) { return .fail(failure) }
        if isRefreshDenied || !canRefresh || !mayRefresh { return .use(credential) }
        if isBeingReplaced { return .join }
        guard !isUsable(now: now) else { return .use(credential) }
        let isExpired = unexpired(now: now) == nil
        // The other machines are asked first, which may take long.
        let isAhead = asksOthers && !isExpired
        switch refresh {
        case .idle where isAhead: return .startAhead(credential)
        case .idle: return .start(after: 0)
        case .inFlight(_, _, _, .asking) where isAhead: return .use(credential)
        case .inFlight: return .join
        case .backingOff(let backOff) where now < backOff.until && !isExpired: return .use(credential)
        case .backingOff where isAhead: return .startAhead(credential)
        case .backingOff: return startOrFail(now: now)
        case .refused: return .use(credential)
        }
    }

    /// Why the token is not sent on that route; nil if it may be. From time to time lets one request try whether the
    /// token works again.
    private mutating func bars(_ route: UInt64, now: Int64) -> CredentialFailure? {
        guard isDead(now: now) || isRefreshDenied && current?.standing.rejects(route) ?? false else { return nil }
        let mayTry = current?.standing.mayTry(every: policy.trialInterval.wholeNanoseconds, now: now) ?? false
        if mayTry { return nil }
        return .loginNeeded(
            canRefresh ? explanation : "The token has ended or is refused, and there is nothing to refresh it with."
        )
    }

    /// The credential for a request that waited for a refresh in vain, unless it is useless.
    func remaining(for route: UInt64, now: Int64) -> Credential? {
        guard let credential = unexpired(now: now), !isDead(now: now) else { return nil }
        return isRefreshDenied && current?.standing.rejects(route) ?? false ? nil : credential
    }

    private func decide(_ rejection: Rejection, route: UInt64, _ credential: Credential, now: Int64) -> Decision {
        guard canRefresh else { return .fail(.notRefreshable) }
        if case .refused(let explanation) = refresh { return .fail(.loginNeeded(explanation)) }
        guard rejection.mayRefresh else { return .fail(reasonForNone(now: now)) }
        if current?.lead?.route == route, awaitsLead(now: now) { return .awaitLead }
        if isRefreshing { return .join }
        if let skew = rejection.skew, skew > 0, skew <= Self.maximumSkew { return .useAfter(skew, credential) }
        if storm.pauses(route, now: now) {
            return .fail(.paused(retryAfter: Self.seconds(storm.until.subtracting(saturating: now))))
        }
        return startOrFail(now: now)
    }

    /// Why a request that may not wait gets no other credential.
    private func reasonForNone(now: Int64) -> CredentialFailure {
        guard case .backingOff(let backOff) = refresh else { return .refreshDidNotHelp }
        return backOff.failure(now: now)
    }

    /// Starts a refresh, if the back-off is over or ends within `BackOff.waitLimit`.
    private func startOrFail(now: Int64) -> Decision {
        guard case .backingOff(let backOff) = refresh else { return .start(after: 0) }
        let left = backOff.left(now: now)
        return left > BackOff.waitLimit ? .fail(backOff.failure(now: now)) : .start(after: left)
    }

    /// Why a refresh on explicit demand cannot start; nil if it can.
    func refreshIsBarred(now: Int64) -> CredentialFailure? {
        if credential == nil, !canRefresh { return .loginNeeded(explanation) }
        switch refresh {
        case .refused(let explanation): return .loginNeeded(explanation)
        case _ where !canRefresh: return .notRefreshable
        // Whoever demands it may have corrected the cause just now.
        case .backingOff(let backOff) where !backOff.isForMistake && now < backOff.until:
            return backOff.failure(now: now)
        case .idle, .inFlight, .backingOff: return nil
        }
    }

    /// Nanoseconds until a failed refresh may be tried again; nil if none failed, or the back-off is over.
    func backOffLeft(now: Int64) -> Int64? { refresh.backOffLeft(now: now) }

    // MARK: What others say

    /// A mistake that the issuer rejected may have been corrected.
    mutating func endMistake() {
        refresh.endBackOff { if case .misconfigured = $0 { true } else { false } }
    }

    /// The API refuses to refresh the token; another machine was told.
    mutating func deny(_ explanation: String) { refresh.deny(explanation) }

    /// Revokes `deny`.
    mutating func allow() { refresh.allow() }

    /// The session can be shared again: a refresh that failed for lack of the engine need not wait.
    mutating func engineIsBack() { refresh.endBackOff { $0 == .engine } }

    /// The next refresh need not wait, however the last one ended.
    mutating func endBackOff() { refresh.endBackOff() }

    // MARK: Refreshes

    private var asksOthers: Bool { policy.fleet != nil }

    /// A refresh of the current token starts; `route` is the one whose rejection led to it. Nil if one is in flight
    /// already, or none may be made.
    mutating func beginRefresh(ledBy route: UInt64? = nil) -> Generation? {
        guard current != nil || canRefresh,
            refresh.begin(replacing: generation, ledBy: route, asksOthers ? .asking : .spending)
        else { return nil }
        return generation
    }

    /// The refresh in flight is about to be sent.
    mutating func beginSpending() { refresh.beginSpending() }

    /// The refresh that was to replace `replaced` has ended. Returns the failure for those who waited for it; nil if it
    /// settled, or says nothing about the current token.
    mutating func endRefresh(replacing replaced: Generation, _ verdict: Verdict, now: Int64) -> CredentialFailure? {
        guard let failures = refresh.end(replacing: replaced) else { return nil }
        guard current != nil || canRefresh, generation == replaced else { return nil }
        switch verdict {
        case .settled:
            return nil
        case .unchanged(let jitter):
            let isUseful = !isInDoubt && isUsable(now: now)
            guard !isUseful, !isRefreshDenied else { return nil }
            let left = current?.credential.expiry?.subtracting(saturating: now)
            let backOff =
                spends
                ? BackOff.afterSameToken(failures: failures, jitter: jitter, now: now)
                : BackOff.afterSameMintedToken(left: left, failures: failures, now: now)
            refresh.backOff(backOff)
            return .unchanged(retryAfter: Self.seconds(backOff.left(now: now)))
        case .denied(let explanation):
            refresh.refuse(explanation)
            return .loginNeeded(explanation)
        case .paused(var backOff):
            // The failure was another process's: the file has counted it already.
            backOff.failures = max(backOff.failures, failures)
            return wait(backOff, now: now)
        case .failed(let setback, let retryAfter, let jitter):
            let pause = BackOff.pause(setback, failures: failures, retryAfter: retryAfter, jitter: jitter)
            let until = now.adding(saturating: pause)
            return wait(BackOff(until: until, failures: failures + 1, setback: setback), now: now)
        }
    }

    private mutating func wait(_ backOff: BackOff, now: Int64) -> CredentialFailure {
        if case .refused(let explanation) = refresh { return .loginNeeded(explanation) }
        refresh.backOff(backOff)
        return backOff.failure(now: now)
    }

    /// The pause for the session file if the refresh in flight fails this way; nil if there is none.
    func pause(after setback: BackOff.Setback, retryAfter: Int?, jitter: Double, now: Instant) -> SessionRecord.Pause? {
        let failures = refresh.failures
        let pause = BackOff.pause(setback, failures: failures, retryAfter: retryAfter, jitter: jitter)
        return SessionRecord.Pause(pause, asked: retryAfter, failures: failures + 1, setback, now: now)
    }

    /// Nanoseconds until a refresh whose answer was lost may be tried again without a request. Nil after `limit` such
    /// tries.
    mutating func nextUnaskedRetry(limit: Int, now: Int64) -> Int64? {
        guard unaskedRetries < limit, case .backingOff = refresh else { return nil }
        unaskedRetries += 1
        return backOffLeft(now: now) ?? 0
    }
}
