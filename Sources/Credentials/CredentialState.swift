import Platform

/// Everything that is decided about the current credential. Pure: events and times come in, decisions go out.
///
/// Two values say all there is: the token (`current`) and what is known about refreshing it (`refresh`). `publish` sets
/// both, so that neither can outlive the token it is about.
struct CredentialState: Sendable {
    static let second: Int64 = 1_000_000_000
    /// How long a source that mints is not asked again after it gave the same token: commands keep theirs for a while.
    private static let sameTokenPause = 10 * second
    /// How long it is waited for what the upstream says to the request that led to a refresh.
    static let leadTime = 1 * second
    /// A longer skew is not waited for.
    private static let maximumSkew = 10 * second

    let policy: RefreshPolicy
    /// Whether a token can be had: with what is held now or, from some sources, with nothing.
    private(set) var canRefresh: Bool
    /// Asking spends what is held.
    private let spends: Bool
    private(set) var current: Current?
    private(set) var refresh = RefreshPhase.idle
    private(set) var storm = Storm()
    /// Refreshes of what is held now that were started without a request, because an answer was lost.
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

    /// Makes the record's token current, or none. `canRefresh` says whether another can be had with what the record
    /// holds, and `isRefreshed` that a refresh of this process brought it. `number` is its generation's, if it is
    /// another one; nil is the next.
    mutating func publish(
        _ record: SessionRecord?,
        canRefresh: Bool,
        isRefreshed: Bool = false,
        number: Generation? = nil,
        now: Instant
    ) {
        self.canRefresh = canRefresh
        guard let record, let token = record.token, let principal = record.principal else {
            let wasNone = current == nil
            if !wasNone { generation = number ?? generation &+ 1 }
            current = nil
            // With nothing but a refresh token, what was said of that holds.
            refresh.publish(
                isDenied: record?.isRefreshDenied ?? false,
                isSameToken: wasNone,
                explanation: record?.lastRefresh?.detail
            )
            adopt(record?.pause, now: now)
            return
        }
        let isSameToken = current?.credential.token == token
        let expiresAt = record.expiresAt
        if isSameToken, let before = current {
            if before.credential.expiresAt != expiresAt {
                current?.credential.expiresAt = expiresAt
                current?.credential.expiry = expiresAt.map { now.elapsed(at: $0) }
            }
            if before.mark != record.rejected { current?.standing.adopt(record.rejected, now: now) }
        } else {
            let isLogin = current?.credential.principal != principal
            unaskedRetries = 0
            if isLogin { storm = Storm() }
            generation = number ?? generation &+ 1
            current = Current(
                credential: Credential(
                    generation: generation,
                    token: token,
                    principal: principal,
                    expiry: expiresAt.map { now.elapsed(at: $0) },
                    expiresAt: expiresAt,
                    receivedAt: record.receivedAt ?? now.wall,
                    isRefreshed: isRefreshed
                )
            )
            if let route = refresh.leadingRoute, isRefreshed {
                current?.lead = (route, now.elapsed.adding(saturating: Self.leadTime))
            }
            if let mark = record.rejected { current?.standing.adopt(mark, now: now) }
        }
        current?.mark = record.rejected
        refresh.publish(
            isDenied: record.isRefreshDenied,
            isSameToken: isSameToken,
            explanation: record.lastRefresh?.detail
        )
        adopt(record.pause, now: now)
    }

    /// What the session file says of refreshes that failed.
    private mutating func adopt(_ pause: SessionRecord.Pause?, now: Instant) {
        guard canRefresh, let backOff = BackOff(pause, now: now) else { return }
        refresh.adopt(backOff)
    }

    // MARK: What the upstream says of it

    /// A request of that route, which carried the token, was rejected. `hadAccepted`: the route had accepted it.
    mutating func rejected(_ rejection: Rejection, route: UInt64, hadAccepted: Bool, now: Instant) {
        guard generation == rejection.generation else { return }
        current?.standing.reject(route, hadAccepted: hadAccepted, now: now)
        if rejection.ledRefresh || hadAccepted, current?.lead?.route == route { current?.lead = nil }
        // A token that a route accepted, and rejects a moment later, died at once, by other hands. What a login or
        // another process put in its place meanwhile was not refreshed from here, and may have ended since: a refresh
        // may yet help.
        let isUntried = rejection.mayRefresh && current?.credential.isRefreshed == false
        if rejection.ledRefresh, !hadAccepted, !isUntried { storm.refreshDidNotHelp(route, now: now.elapsed) }
    }

    /// A request of that route, which was sent in the current epoch, was accepted.
    mutating func accepted(_ route: UInt64, now: Int64) {
        storm.accepts(route)
        if current?.lead?.route == route { current?.lead = nil }
        // What was sent before a rejection says nothing of what comes after the refresh.
        guard !isRefreshing else { return }
        let wasDead = isDead(now: now)
        current?.standing.accept(route, wasDead: wasDead)
    }

    /// Whether acceptances are of interest.
    var wantsAcceptances: Bool { storm.isOn || current.map { $0.lead != nil || $0.standing.isInDoubt } ?? false }

    /// The request that led to the refresh is not back yet.
    func awaitsLead(now: Int64) -> Bool { current?.lead.map { now < $0.until } ?? false }

    /// Stands for the token, and for its deaths, tries and revivals: acceptances of what was sent before count no more.
    var epoch: UInt64 { generation << 16 | UInt64(current?.standing.epoch ?? 0) }

    /// Whether an epoch is of that generation's token.
    static func isOf(_ generation: Generation, epoch: UInt64) -> Bool { epoch >> 16 == generation & (.max >> 16) }

    /// Something speaks against the token.
    var isInDoubt: Bool { current.map { $0.standing.verdict != .good } ?? false }

    /// It is known that the upstream refuses the token, as far as whoever asks must be told: on one route, where a
    /// refresh was to cure that; for good, where there is none.
    var isKnownRefused: Bool { canRefresh ? isInDoubt : current?.standing.isRejected ?? false }

    /// The token itself has been rejected, or has expired, and nothing but a login brings another: no request is sent
    /// with it, but for a try now and then.
    func isDead(now: Int64) -> Bool {
        guard let current, isRefused || !canRefresh else { return false }
        if isRefused, current.standing.isRejected { return true }
        return current.standing.revivals == 0 && unexpired(now: now) == nil
    }

    /// The mark that the session file should have; nil when it has that one.
    var unwrittenMark: SessionRecord.Rejected?? {
        guard let current, isRefused || !canRefresh || current.mark != nil else { return nil }
        var mark = current.standing.mark
        // Without a refresh, requests go on being sent: one route's word is its own.
        if !canRefresh, mark?.isWhole == false { mark = nil }
        return current.mark == mark ? nil : .some(mark)
    }

    /// The session file has that mark of the token now.
    mutating func markWasWritten(_ mark: SessionRecord.Rejected?) { current?.mark = mark }

    var isRefreshing: Bool { refresh.isInFlight }

    var isRefused: Bool { refresh.isRefused }

    /// Why only a login helps, as a sentence; nil when that is not so, or nothing more is known.
    var explanation: String? { refresh.explanation }

    /// The token was rejected, and another one is on its way: a request that was not sent yet waits for that one.
    var isHeld: Bool { isRefreshing && isInDoubt }

    /// Requests must ask: what they may do depends on their route.
    var mustAsk: Bool { isHeld || isRefused && current?.standing.isInDoubt ?? false }

    /// Whether requests may use the current credential without asking, until `refreshDue`.
    func isUsable(now: Int64) -> Bool {
        current != nil && (usableUntil == .max || now < usableUntil)
    }

    /// The current credential, unless it has expired.
    func unexpired(now: Int64) -> Credential? {
        guard let credential, credential.expiry.map({ now < $0 }) ?? true else { return nil }
        return credential
    }

    /// Until when requests may use the current credential without asking: a refresh ahead of expiry is due then, or,
    /// where there is none to be had, it has expired. `.max` when neither comes.
    var usableUntil: Int64 {
        guard let current, let expiry = current.credential.expiry else { return .max }
        if isRefused || !canRefresh { return current.standing.revivals == 0 ? expiry : .max }
        return expiry.subtracting(saturating: policy.lead(life: current.credential.life))
    }

    // MARK: Decisions

    /// A credential for a request. Of a request that was rejected, `rejected` has been told before.
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

    /// For a request that has not been sent with the current credential.
    private mutating func decide(route: UInt64, mayRefresh: Bool, _ credential: Credential, now: Int64) -> Decision {
        if let failure = bars(route, now: now) { return .fail(failure) }
        if isRefused || !canRefresh || !mayRefresh { return .use(credential) }
        if isHeld { return .join }
        guard !isUsable(now: now) else { return .use(credential) }
        let isExpired = unexpired(now: now) == nil
        // The other machines are asked first, and that may take long.
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

    /// Why the token is not sent on that route; nil when it may be. Gives one request, now and then, the try that finds
    /// out whether it lives again.
    private mutating func bars(_ route: UInt64, now: Int64) -> CredentialFailure? {
        guard isDead(now: now) || isRefused && current?.standing.rejects(route) ?? false else { return nil }
        let mayTry = current?.standing.mayTry(every: policy.trialInterval.wholeNanoseconds, now: now) ?? false
        if mayTry { return nil }
        return .loginNeeded(
            canRefresh ? explanation : "The token has ended or is refused, and there is nothing to refresh it with."
        )
    }

    /// The credential for a request whose wait for a refresh was in vain, unless it is no use.
    func remaining(for route: UInt64, now: Int64) -> Credential? {
        guard let credential = unexpired(now: now), !isDead(now: now) else { return nil }
        return isRefused && current?.standing.rejects(route) ?? false ? nil : credential
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

    /// A refresh, if the back-off is over or ends in a moment.
    private func startOrFail(now: Int64) -> Decision {
        guard case .backingOff(let backOff) = refresh else { return .start(after: 0) }
        let left = backOff.left(now: now)
        return left > BackOff.waitLimit ? .fail(backOff.failure(now: now)) : .start(after: left)
    }

    /// Why a refresh that somebody asks for by name cannot start; nil when it can.
    func refreshIsBarred(now: Int64) -> CredentialFailure? {
        if credential == nil, !canRefresh { return .loginNeeded(explanation) }
        switch refresh {
        case .refused(let explanation): return .loginNeeded(explanation)
        case _ where !canRefresh: return .notRefreshable
        // Whoever asks by name may have mended it just now.
        case .backingOff(let backOff) where !backOff.isForMistake && now < backOff.until:
            return backOff.failure(now: now)
        case .idle, .inFlight, .backingOff: return nil
        }
    }

    /// Nanoseconds until a refresh that failed may be tried again; nil when none failed, or the time has come.
    func backOffLeft(now: Int64) -> Int64? { refresh.backOffLeft(now: now) }

    // MARK: What others say

    /// What the issuer refused may have been mended.
    mutating func endMistake() {
        refresh.endBackOff { if case .misconfigured = $0 { true } else { false } }
    }

    /// The API refuses to refresh the token, as another machine was told.
    mutating func deny(_ explanation: String) { refresh.deny(explanation) }

    /// What `deny` said holds no longer.
    mutating func allow() { refresh.allow() }

    /// The machines can share the session again: a refresh that failed for want of that need not wait.
    mutating func engineIsBack() { refresh.endBackOff { $0 == .engine } }

    /// The next refresh need not wait, however the last one went.
    mutating func endBackOff() { refresh.endBackOff() }

    // MARK: Refreshes

    private var asksOthers: Bool { policy.fleet != nil }

    /// A refresh of the current token starts; `route` is the one whose rejection led to it. Nil when one is in flight
    /// already, or none may be made.
    mutating func beginRefresh(ledBy route: UInt64? = nil) -> Generation? {
        guard current != nil || canRefresh,
            refresh.begin(replacing: generation, ledBy: route, asksOthers ? .asking : .spending)
        else { return nil }
        return generation
    }

    /// The refresh that is under way is about to be sent.
    mutating func beginSpending() { refresh.beginSpending() }

    /// The refresh that was to replace `replaced` has ended. Gives what those who waited for it are told; nil when it
    /// settled, or says nothing about the token that is current now.
    mutating func endRefresh(replacing replaced: Generation, _ verdict: Verdict, now: Int64) -> CredentialFailure? {
        guard let failures = refresh.end(replacing: replaced) else { return nil }
        guard current != nil || canRefresh, generation == replaced else { return nil }
        switch verdict {
        case .settled:
            return nil
        case .unchanged(let jitter):
            // Longer than a request waits: another try would bring the same again.
            let pause =
                spends
                ? BackOff.pause(.unavailable, failures: failures + 2, retryAfter: nil, jitter: jitter)
                : Self.sameTokenPause
            let isUseful = !isInDoubt && isUsable(now: now)
            guard !isUseful, !isRefused else { return nil }
            refresh.backOff(
                BackOff(until: now.adding(saturating: pause), failures: failures + 1, setback: .unavailable)
            )
            return .unchanged(retryAfter: Self.seconds(pause))
        case .denied(let explanation):
            refresh.refuse(explanation)
            return .loginNeeded(explanation)
        case .failed(let setback, let retryAfter, let jitter):
            if case .refused(let explanation) = refresh { return .loginNeeded(explanation) }
            let pause = BackOff.pause(setback, failures: failures, retryAfter: retryAfter, jitter: jitter)
            let backOff = BackOff(until: now.adding(saturating: pause), failures: failures + 1, setback: setback)
            refresh.backOff(backOff)
            return backOff.failure(now: now)
        }
    }

    /// What the session file says of the pause that follows if the refresh under way fails so; nil if that is nothing.
    func pause(
        after setback: BackOff.Setback,
        retryAfter: Int?,
        jitter: Double,
        now: Instant
    ) -> SessionRecord.Pause? {
        let failures = refresh.failures
        let pause = BackOff.pause(setback, failures: failures, retryAfter: retryAfter, jitter: jitter)
        return SessionRecord.Pause(pause, failures: failures + 1, setback, now: now)
    }

    /// A refresh whose answer was lost may be tried again unasked: the nanoseconds until then. Nil when that was done
    /// `limit` times.
    mutating func nextUnaskedRetry(limit: Int, now: Int64) -> Int64? {
        guard unaskedRetries < limit, case .backingOff = refresh else { return nil }
        unaskedRetries += 1
        return backOffLeft(now: now) ?? 0
    }

    static func seconds(_ nanoseconds: Int64) -> Int {
        Int(nanoseconds.adding(saturating: second - 1) / second)
    }
}
