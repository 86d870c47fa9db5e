import Platform

/// Everything that is decided about the current credential. Pure: events and times come in, decisions go out.
///
/// Two values say all there is: the token (`current`) and what is known about refreshing it (`refresh`). `publish` sets
/// both, so that neither can outlive the token it is about.
struct CredentialState: Sendable {
    /// The token and what happened to it. Dies with the token.
    struct Current: Sendable {
        var credential: Credential
        /// What the upstream said of it.
        var standing = Standing()
        /// What the session file says of its standing.
        var mark: SessionRecord.Rejected?
        /// The route whose rejection led to the refresh that brought it, while the request that led is not back; and
        /// until when, on `CredentialClock.elapsed()`, that is waited for.
        var lead: (route: UInt64, until: Int64)?
    }

    /// What is known about refreshing the current token.
    enum Refresh: Equatable, Sendable {
        /// Nothing speaks against a refresh. Left by `beginRefresh` and `publish`.
        case idle
        /// A refresh is under way, and `endRefresh` must follow. `failures` are those before it. A token that is
        /// published meanwhile does not end it: the session's thread still works.
        /// `ledBy` is the route whose rejection led to it.
        case inFlight(replacing: Generation, failures: Int, ledBy: UInt64?, Stage)
        /// The last refresh failed for now. Left by `beginRefresh` and by `publish` of another token.
        case backingOff(until: Int64, failures: Int, because: Setback)
        /// The upstream refuses to refresh this token. Left by `publish` only.
        case refused(explanation: String?)
    }

    /// How far a refresh is.
    enum Stage: Equatable, Sendable {
        /// Other machines are asked for their leave: nothing was sent, and the token works as long as it lives.
        case asking
        /// It may have been sent, and the token may be dead.
        case spending
    }

    /// Why a refresh failed for now.
    enum Setback: Equatable, Sendable {
        case unavailable
        /// Nothing was sent.
        case unreachable
        /// The issuer refuses how it was asked, as the reason says.
        case misconfigured(String)
        /// Nothing was sent: what machines share the session through did not let it happen.
        case engine
    }

    enum Decision: Equatable, Sendable {
        case use(Credential)
        /// Wait for the refresh that is in flight.
        case join
        /// Wait for what the upstream says to the request that led to the refresh: it tells whether the route rejects
        /// every token, or this one died at once.
        case awaitLead
        /// Start a refresh after so many nanoseconds, and wait for it.
        case start(after: Int64)
        /// Start a refresh, and use the token that it is to replace.
        case startAhead(Credential)
        /// The upstream's clock is behind: use the same token again after so many nanoseconds.
        case useAfter(Int64, Credential)
        case fail(CredentialFailure)
    }

    /// How a refresh ended, as far as the token that it was to replace is concerned.
    enum Verdict: Sendable {
        /// It brought a token, or found one that somebody else had brought. `publish` has said which.
        case settled
        /// The upstream gave the same token again.
        case unchanged(jitter: Double)
        /// It failed for now. `retryAfter` is seconds, as the upstream asked; `jitter` is 0..<1.
        case failed(Setback, retryAfter: Int?, jitter: Double)
        /// The upstream refuses to refresh the token.
        case denied(explanation: String)
    }

    static let second: Int64 = 1_000_000_000
    private static let initialBackOff = 1 * second
    private static let maximumBackOff = 60 * second
    /// A mistake in the configuration is not mended in a second.
    private static let initialPause = 60 * second
    private static let maximumPause = 300 * second
    /// The engine that machines share a session through says itself when it is back.
    static let enginePause = 5 * second
    /// How long a source that mints is not asked again after it gave the same token: commands keep theirs for a while.
    private static let sameTokenPause = 10 * second
    /// Seconds. A longer `Retry-After` is cut to this.
    static let maximumRetryAfter = 3600
    /// How long it is waited for what the upstream says to the request that led to a refresh.
    static let leadTime = 1 * second
    /// A request waits up to this long for the back-off to end.
    private static let backOffWaitLimit = 2 * second
    /// A longer skew is not waited for.
    private static let maximumSkew = 10 * second

    let policy: RefreshPolicy
    /// Whether a token can be had: with what is held now or, from some sources, with nothing.
    private(set) var canRefresh: Bool
    /// Asking spends what is held.
    private let spends: Bool
    private(set) var current: Current?
    private(set) var refresh = Refresh.idle
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
            knowRefresh(
                isDenied: record?.isRefreshDenied ?? false,
                isSameToken: wasNone,
                explanation: record?.lastRefresh?.detail
            )
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
            if case .inFlight(_, _, let route?, _) = refresh, isRefreshed {
                current?.lead = (route, now.elapsed.adding(saturating: Self.leadTime))
            }
            if let mark = record.rejected { current?.standing.adopt(mark, now: now) }
        }
        current?.mark = record.rejected
        knowRefresh(
            isDenied: record.isRefreshDenied,
            isSameToken: isSameToken,
            explanation: record.lastRefresh?.detail
        )
    }

    /// What holds about refreshing after a publish.
    private mutating func knowRefresh(isDenied: Bool, isSameToken: Bool, explanation: String?) {
        switch refresh {
        case _ where isDenied:
            // Even during a flight: it is about to be told the same.
            refresh = .refused(explanation: explanation)
        case .inFlight(let replaced, let failures, let route, let stage):
            refresh = .inFlight(replacing: replaced, failures: isSameToken ? failures : 0, ledBy: route, stage)
        case .backingOff where isSameToken, .idle:
            break
        case .backingOff, .refused:
            refresh = .idle
        }
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

    var isRefreshing: Bool { if case .inFlight = refresh { true } else { false } }

    var isRefused: Bool { if case .refused = refresh { true } else { false } }

    /// Why only a login helps, as a sentence; nil when that is not so, or nothing more is known.
    var explanation: String? { if case .refused(let explanation) = refresh { explanation } else { nil } }

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
        case .backingOff(let until, _, _) where now < until && !isExpired: return .use(credential)
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
        guard case .backingOff(let until, _, let setback) = refresh else { return .refreshDidNotHelp }
        return Self.failure(setback, left: max(until.subtracting(saturating: now), 0))
    }

    /// What whoever asks is told while a refresh may not be tried for so many nanoseconds.
    private static func failure(_ setback: Setback, left: Int64) -> CredentialFailure {
        switch setback {
        case .unavailable, .engine: .unavailable(retryAfter: seconds(left), isUnreachable: false)
        case .unreachable: .unavailable(retryAfter: seconds(left), isUnreachable: true)
        case .misconfigured(let reason): .misconfigured(reason, retryAfter: seconds(left))
        }
    }

    /// A refresh, if the back-off is over or ends in a moment.
    private func startOrFail(now: Int64) -> Decision {
        guard case .backingOff(let until, _, let setback) = refresh else { return .start(after: 0) }
        let left = max(until.subtracting(saturating: now), 0)
        guard left > Self.backOffWaitLimit else { return .start(after: left) }
        return .fail(Self.failure(setback, left: left))
    }

    /// Why a refresh that somebody asks for by name cannot start; nil when it can.
    func refreshIsBarred(now: Int64) -> CredentialFailure? {
        if credential == nil, !canRefresh { return .loginNeeded(explanation) }
        switch refresh {
        case .refused(let explanation): return .loginNeeded(explanation)
        case _ where !canRefresh: return .notRefreshable
        // Whoever asks by name may have mended it just now.
        case .backingOff(_, _, .misconfigured): return nil
        case .backingOff(let until, _, let setback) where now < until:
            return Self.failure(setback, left: until.subtracting(saturating: now))
        case .idle, .inFlight, .backingOff: return nil
        }
    }

    /// Nanoseconds until a refresh that failed may be tried again; nil when none failed, or the time has come.
    func backOffLeft(now: Int64) -> Int64? {
        guard case .backingOff(let until, _, _) = refresh, until > now else { return nil }
        return until.subtracting(saturating: now)
    }

    /// What the issuer refused may have been mended.
    mutating func endMistake() {
        if case .backingOff(_, _, .misconfigured) = refresh { refresh = .idle }
    }

    /// The API refuses to refresh the token, as another machine was told. Nothing of a refresh under way, which is told
    /// itself.
    mutating func deny(_ explanation: String) {
        guard !isRefreshing else { return }
        refresh = .refused(explanation: explanation)
    }

    /// What `deny` said holds no longer.
    mutating func allow() {
        if isRefused { refresh = .idle }
    }

    /// The machines can share the session again: a refresh that failed for want of that need not wait.
    mutating func engineIsBack() {
        if case .backingOff(_, _, .engine) = refresh { refresh = .idle }
    }

    /// The next refresh need not wait, however the last one went.
    mutating func endBackOff() {
        if case .backingOff = refresh { refresh = .idle }
    }

    // MARK: Refreshes

    private var asksOthers: Bool { policy.fleet != nil }

    /// A refresh of the current token starts; `route` is the one whose rejection led to it. Nil when one is in flight
    /// already, or none may be made.
    mutating func beginRefresh(ledBy route: UInt64? = nil) -> Generation? {
        guard current != nil || canRefresh else { return nil }
        let before: Int
        switch refresh {
        case .idle: before = 0
        case .backingOff(_, let failures, _): before = failures
        case .inFlight, .refused: return nil
        }
        let stage = asksOthers ? Stage.asking : .spending
        refresh = .inFlight(replacing: generation, failures: before, ledBy: route, stage)
        return generation
    }

    /// The refresh that is under way is about to be sent.
    mutating func beginSpending() {
        guard case .inFlight(let replacing, let failures, let route, .asking) = refresh else { return }
        refresh = .inFlight(replacing: replacing, failures: failures, ledBy: route, .spending)
    }

    /// The refresh that was to replace `replaced` has ended. Gives what those who waited for it are told; nil when it
    /// settled, or says nothing about the token that is current now.
    mutating func endRefresh(replacing replaced: Generation, _ verdict: Verdict, now: Int64) -> CredentialFailure? {
        var failures = 0
        switch refresh {
        case .inFlight(replaced, let before, _, _):
            failures = before
            refresh = .idle
        case .inFlight:
            // A publish ended ours, and another has begun since: that one's end is still to come.
            return nil
        case .idle, .backingOff, .refused:
            // A publish of a denied token ended it.
            break
        }
        guard current != nil || canRefresh, generation == replaced else { return nil }
        switch verdict {
        case .settled:
            return nil
        case .unchanged(let jitter):
            // Longer than a request waits: another try would bring the same again.
            let pause =
                spends
                ? Self.pause(.unavailable, failures: failures + 2, retryAfter: nil, jitter: jitter)
                : Self.sameTokenPause
            let isUseful = !isInDoubt && isUsable(now: now)
            guard !isUseful, !isRefused else { return nil }
            refresh = .backingOff(until: now.adding(saturating: pause), failures: failures + 1, because: .unavailable)
            return .unchanged(retryAfter: Self.seconds(pause))
        case .denied(let explanation):
            refresh = .refused(explanation: explanation)
            return .loginNeeded(explanation)
        case .failed(let setback, let retryAfter, let jitter):
            if case .refused(let explanation) = refresh { return .loginNeeded(explanation) }
            let pause = Self.pause(setback, failures: failures, retryAfter: retryAfter, jitter: jitter)
            refresh = .backingOff(until: now.adding(saturating: pause), failures: failures + 1, because: setback)
            return Self.failure(setback, left: pause)
        }
    }

    /// Half of it fixed and half random, doubled with each failure; longer when the upstream asks for that. A mistake in
    /// the configuration waits for a person: at least a minute.
    private static func pause(_ setback: Setback, failures: Int, retryAfter: Int?, jitter: Double) -> Int64 {
        if setback == .engine { return enginePause }
        if case .misconfigured = setback { return min(initialPause << Int64(min(failures, 3)), maximumPause) }
        let exponential = min(initialBackOff << Int64(min(failures, 6)), maximumBackOff)
        let asked = Int64(min(max(retryAfter ?? 0, 0), maximumRetryAfter)) * second
        return max(Int64(Double(exponential) * (0.5 + jitter / 2)), asked)
    }

    /// A refresh whose answer was lost may be tried again unasked: the nanoseconds until then. Nil when that was done
    /// `limit` times.
    mutating func nextUnaskedRetry(limit: Int, now: Int64) -> Int64? {
        guard unaskedRetries < limit, case .backingOff = refresh else { return nil }
        unaskedRetries += 1
        return backOffLeft(now: now) ?? 0
    }

    private static func seconds(_ nanoseconds: Int64) -> Int {
        Int(nanoseconds.adding(saturating: second - 1) / second)
    }
}
