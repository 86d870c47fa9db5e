import Platform

/// Everything that is decided about the current credential. Pure: events and times come in, decisions go out.
///
/// Two values say all there is: the token (`current`) and what is known about refreshing it (`refresh`). `publish` sets
/// both, so that neither can outlive the token it is about.
struct CredentialState: Sendable {
    /// The token and what happened to it. Dies with the token.
    struct Current: Sendable {
        let credential: Credential
        /// The upstream rejected a request that carried it.
        var wasRejected = false
        /// Refreshes that were started without a request, because an answer was lost.
        var unaskedRetries = 0
    }

    /// What is known about refreshing the current token.
    enum Refresh: Equatable, Sendable {
        /// Nothing speaks against a refresh. Left by `beginRefresh` and `publish`.
        case idle
        /// A refresh is under way, and `endRefresh` must follow. `failures` are those before it. A token that is
        /// published meanwhile does not end it: the session's thread still works.
        case inFlight(replacing: Generation, failures: Int)
        /// The last refresh failed for now. Left by `beginRefresh` and by `publish` of another token.
        case backingOff(until: Int64, failures: Int, isUnreachable: Bool)
        /// The upstream refuses to refresh this token. Left by `publish` only.
        case refused(explanation: String?)
    }

    enum Decision: Equatable, Sendable {
        case use(Credential)
        /// Wait for the refresh that is in flight.
        case join
        /// Start a refresh after so many nanoseconds, and wait for it.
        case start(after: Int64)
        /// The upstream's clock is behind: use the same token again after so many nanoseconds.
        case useAfter(Int64, Credential)
        case fail(CredentialFailure)
    }

    /// How a refresh ended, as far as the token that it was to replace is concerned.
    enum Verdict: Sendable {
        /// It brought a token, or found one that somebody else had brought. `publish` has said which.
        case settled
        /// It failed for now. `retryAfter` is seconds, as the upstream asked; `jitter` is 0..<1.
        case failed(retryAfter: Int?, isUnreachable: Bool, jitter: Double)
        /// The upstream refuses to refresh the token.
        case denied(explanation: String)
    }

    static let second: Int64 = 1_000_000_000
    private static let initialStormPause = 30 * second
    private static let maximumStormPause = 600 * second
    private static let initialBackOff = 1 * second
    private static let maximumBackOff = 60 * second
    /// Seconds. A longer `Retry-After` is cut to this.
    static let maximumRetryAfter = 3600
    /// A request waits up to this long for the back-off to end.
    private static let backOffWaitLimit = 2 * second
    /// A longer skew is not waited for.
    private static let maximumSkew = 10 * second

    var policy: RefreshPolicy
    private(set) var current: Current?
    private(set) var refresh = Refresh.idle
    private var storm = Storm()
    /// The current generation. It changes with every login, refresh and logout.
    private(set) var generation: Generation = 0

    init(policy: RefreshPolicy) {
        self.policy = policy
    }

    var credential: Credential? { current?.credential }

    // MARK: The token

    /// Makes the record's token current, or none. `isRefreshed` says that a refresh of this process brought it.
    mutating func publish(_ record: SessionRecord?, isRefreshed: Bool = false, now: Instant) {
        guard let record, let token = record.token, let principal = record.principal else {
            if current != nil { generation &+= 1 }
            current = nil
            knowRefresh(isDenied: false, isSameToken: false, explanation: nil)
            return
        }
        let isSameToken = current?.credential.token == token
        if !isSameToken {
            if current?.credential.principal != principal { storm = Storm() }
            generation &+= 1
            let expiresAt = record.expiresAt
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
        }
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
        case .inFlight(let replaced, let failures):
            refresh = .inFlight(replacing: replaced, failures: isSameToken ? failures : 0)
        case .backingOff where isSameToken, .idle:
            break
        case .backingOff, .refused:
            refresh = .idle
        }
    }

    /// A request that carried the token was rejected.
    mutating func record(_ rejection: Rejection) {
        if generation == rejection.generation { current?.wasRejected = true }
    }

    var wasRejected: Bool { current?.wasRejected ?? false }

    var isRefreshing: Bool { if case .inFlight = refresh { true } else { false } }

    var isRefused: Bool { if case .refused = refresh { true } else { false } }

    /// Why only a login helps, as a sentence; nil when that is not so, or nothing more is known.
    var explanation: String? { if case .refused(let explanation) = refresh { explanation } else { nil } }

    /// The token was rejected, and another one is on its way: a request that was not sent yet waits for that one.
    var isHeld: Bool { isRefreshing && wasRejected }

    /// Whether requests may use the current credential without asking, until `refreshDue`.
    func isUsable(now: Int64) -> Bool {
        guard let credential else { return false }
        guard let due = refreshDue(credential) else { return true }
        return now < due
    }

    /// The current credential, unless it has expired.
    func unexpired(now: Int64) -> Credential? {
        guard let credential, credential.expiry.map({ now < $0 }) ?? true else { return nil }
        return credential
    }

    /// When a refresh ahead of expiry is due; nil when never.
    func refreshDue(_ credential: Credential) -> Int64? {
        guard policy.canRefresh, let expiry = credential.expiry else { return nil }
        let margin = min(max(policy.margin.wholeNanoseconds, 0), credential.life / 3)
        return expiry.subtracting(saturating: margin)
    }

    // MARK: Decisions

    /// A credential for a request whose attempt was rejected, or, with nil, for a first attempt.
    func decide(_ rejection: Rejection?, now: Int64) -> Decision {
        guard let credential else { return .fail(.loginNeeded(explanation)) }
        if let rejection { return decide(rejection, credential, now: now) }
        if isHeld { return .join }
        guard !isUsable(now: now) else { return .use(credential) }
        let isExpired = unexpired(now: now) == nil
        switch refresh {
        case .idle: return .start(after: 0)
        case .inFlight: return .join
        case .backingOff(let until, _, _) where now < until && !isExpired: return .use(credential)
        case .backingOff: return startOrFail(now: now)
        case .refused(let explanation): return isExpired ? .fail(.loginNeeded(explanation)) : .use(credential)
        }
    }

    private func decide(_ rejection: Rejection, _ credential: Credential, now: Int64) -> Decision {
        guard generation == rejection.generation else { return .use(credential) }
        guard policy.canRefresh else { return .fail(.notRefreshable) }
        if isRefreshing { return .join }
        guard rejection.mayRefresh else { return .fail(.refreshDidNotHelp) }
        if case .refused(let explanation) = refresh { return .fail(.loginNeeded(explanation)) }
        if let skew = rejection.skew, skew > 0, skew <= Self.maximumSkew { return .useAfter(skew, credential) }
        if storm.pauses(rejection.path, now: now) {
            return .fail(.paused(retryAfter: Self.seconds(storm.until.subtracting(saturating: now))))
        }
        return startOrFail(now: now)
    }

    /// A refresh, if the back-off is over or ends in a moment.
    private func startOrFail(now: Int64) -> Decision {
        guard case .backingOff(let until, _, let isUnreachable) = refresh else { return .start(after: 0) }
        let left = max(until.subtracting(saturating: now), 0)
        guard left > Self.backOffWaitLimit else { return .start(after: left) }
        return .fail(.unavailable(retryAfter: Self.seconds(left), isUnreachable: isUnreachable))
    }

    /// Why a refresh that somebody asks for by name cannot start; nil when it can.
    func refreshIsBarred(now: Int64) -> CredentialFailure? {
        if credential == nil { return .loginNeeded(explanation) }
        switch refresh {
        case .refused(let explanation): return .loginNeeded(explanation)
        case _ where !policy.canRefresh: return .notRefreshable
        case .backingOff(let until, _, let isUnreachable) where now < until:
            return .unavailable(
                retryAfter: Self.seconds(until.subtracting(saturating: now)),
                isUnreachable: isUnreachable
            )
        case .idle, .inFlight, .backingOff: return nil
        }
    }

    /// Nanoseconds until a refresh that failed may be tried again; nil when none failed, or the time has come.
    func backOffLeft(now: Int64) -> Int64? {
        guard case .backingOff(let until, _, _) = refresh, until > now else { return nil }
        return until.subtracting(saturating: now)
    }

    // MARK: Refreshes

    /// A refresh of the current token starts. Nil when one is in flight already, or none may be made.
    mutating func beginRefresh() -> Generation? {
        guard current != nil else { return nil }
        switch refresh {
        case .idle: refresh = .inFlight(replacing: generation, failures: 0)
        case .backingOff(_, let failures, _): refresh = .inFlight(replacing: generation, failures: failures)
        case .inFlight, .refused: return nil
        }
        return generation
    }

    /// The refresh that was to replace `replaced` has ended. Gives what those who waited for it are told; nil when it
    /// settled, or says nothing about the token that is current now.
    mutating func endRefresh(replacing replaced: Generation, _ verdict: Verdict, now: Int64) -> CredentialFailure? {
        var failures = 0
        switch refresh {
        case .inFlight(replaced, let before):
            failures = before
            refresh = .idle
        case .inFlight:
            // A publish ended ours, and another has begun since: that one's end is still to come.
            return nil
        case .idle, .backingOff, .refused:
            // A publish of a denied token ended it.
            break
        }
        guard current != nil, generation == replaced else { return nil }
        switch verdict {
        case .settled:
            return nil
        case .denied(let explanation):
            refresh = .refused(explanation: explanation)
            return .loginNeeded(explanation)
        case .failed(let retryAfter, let isUnreachable, let jitter):
            if case .refused(let explanation) = refresh { return .loginNeeded(explanation) }
            let pause = Self.pause(failures: failures, retryAfter: retryAfter, jitter: jitter)
            refresh = .backingOff(
                until: now.adding(saturating: pause),
                failures: failures + 1,
                isUnreachable: isUnreachable
            )
            return .unavailable(retryAfter: Self.seconds(pause), isUnreachable: isUnreachable)
        }
    }

    /// Half of it fixed and half random, doubled with each failure; longer when the upstream asks for that.
    private static func pause(failures: Int, retryAfter: Int?, jitter: Double) -> Int64 {
        let exponential = min(initialBackOff << Int64(min(failures, 6)), maximumBackOff)
        let asked = Int64(min(max(retryAfter ?? 0, 0), maximumRetryAfter)) * second
        return max(Int64(Double(exponential) * (0.5 + jitter / 2)), asked)
    }

    /// A refresh whose answer was lost may be tried again unasked: the nanoseconds until then. Nil when that was done
    /// `limit` times.
    mutating func nextUnaskedRetry(limit: Int, now: Int64) -> Int64? {
        guard let retries = current?.unaskedRetries, retries < limit, case .backingOff = refresh else { return nil }
        current?.unaskedRetries = retries + 1
        return backOffLeft(now: now) ?? 0
    }

    private static func seconds(_ nanoseconds: Int64) -> Int {
        Int(nanoseconds.adding(saturating: second - 1) / second)
    }

    // MARK: Storm control

    /// Routes whose rejections a refresh did not cure.
    ///
    /// A route that always rejects, such as one of a deleted account, must neither refresh with every request nor keep
    /// other routes from refreshing. When a second route is of the kind, all wait. A route that accepts a token again
    /// is struck off.
    private struct Storm: Sendable {
        private var pause: Int64 = 0
        private(set) var until: Int64 = .min
        /// The latest last.
        private var paths: [UInt64] = []
        private static let maximumPaths = 8

        var isOn: Bool { !paths.isEmpty }

        func pauses(_ path: UInt64, now: Int64) -> Bool {
            !paths.isEmpty && now < until && (paths.count > 1 || paths.contains(path))
        }

        mutating func refreshDidNotHelp(_ path: UInt64, now: Int64) {
            guard !pauses(path, now: now) else { return }
            paths = paths.filter { $0 != path }.suffix(Self.maximumPaths - 1) + [path]
            pause = pause == 0 ? initialStormPause : min(pause * 2, maximumStormPause)
            until = now.adding(saturating: pause)
        }

        mutating func accepts(_ path: UInt64) {
            paths.removeAll { $0 == path }
            if paths.isEmpty { self = Storm() }
        }
    }

    /// The request that started a refresh was rejected with the new token too. Others that were sent again prove
    /// nothing: their tokens were rejected because of the refresh.
    mutating func refreshDidNotHelp(_ generation: Generation, path: UInt64, now: Int64) {
        if generation == self.generation { storm.refreshDidNotHelp(path, now: now) }
    }

    /// Some route is paused: acceptances are of interest.
    var isStormy: Bool { storm.isOn }

    mutating func accepted(path: UInt64) {
        storm.accepts(path)
    }
}
