/// The numbers of refreshing.
package struct RefreshPolicy: Sendable, Equatable {
    /// Refresh ahead of expiry by this much, at most half of the token's life.
    package var margin: Duration
    /// Whether a way to refresh is known.
    package var canRefresh: Bool

    package init(margin: Duration = .seconds(30), canRefresh: Bool = true) {
        self.margin = margin
        self.canRefresh = canRefresh
    }
}

/// Everything that is decided about the current credential. Pure: time comes in, decisions go out.
struct CredentialState: Sendable {
    enum Decision: Equatable, Sendable {
        case use(Credential)
        /// Wait for the refresh in flight, or start it.
        case wait(starts: Bool)
        /// The upstream's clock is behind: the same token again, after nanoseconds.
        case useAfter(Int64, Credential)
        case fail(CredentialFailure)
    }

    static let second: Int64 = 1_000_000_000
    private static let firstStormPause = 30 * second
    private static let lastStormPause = 600 * second
    private static let firstBackOff = 1 * second
    private static let lastBackOff = 60 * second

    var policy: RefreshPolicy
    private(set) var credential: Credential?
    var isRefreshing = false
    /// The upstream refused to refresh the current token.
    private(set) var isRefused = false
    private var backOffUntil: Int64 = .min
    private var failures = 0
    private var isUnreachable = false
    private var stormPause: Int64 = 0
    private var stormUntil: Int64 = .min
    private var lastGeneration: Generation = 0

    init(policy: RefreshPolicy) {
        self.policy = policy
    }

    /// Makes `token` current, or none.
    mutating func publish(_ token: Token?, expiresAt: Int?, receivedAt: Int, isRefused: Bool, now: Int64, wall: Int) {
        backOffUntil = .min
        failures = 0
        self.isRefused = isRefused
        guard let token else {
            credential = nil
            lastGeneration += 1
            return
        }
        if credential?.token == token { return }
        lastGeneration += 1
        credential = Credential(
            generation: lastGeneration,
            token: token,
            expiry: expiresAt.map { now + Int64($0 - wall) * Self.second },
            expiresAt: expiresAt,
            receivedAt: receivedAt
        )
    }

    /// The current generation, which changes with every login, refresh and logout.
    var generation: Generation { lastGeneration }

    /// Whether requests may use the current credential without asking, until `refreshDue`.
    func isUsable(now: Int64) -> Bool {
        guard let credential else { return false }
        guard let due = refreshDue(credential) else { return true }
        return now < due
    }

    /// When a refresh ahead of expiry is due; nil when never.
    func refreshDue(_ credential: Credential) -> Int64? {
        guard policy.canRefresh, let expiry = credential.expiry else { return nil }
        let life = Int64(credential.token.claims?.lifetime ?? 3600) * Self.second
        return expiry - min(policy.margin.wholeNanoseconds, life / 2)
    }

    /// A credential for a request whose attempt with `rejected` was refused, or, with nil, for a first attempt.
    /// `skew` is how far the refusing upstream's clock is behind the token's making, where it shows.
    func decide(rejected: Generation?, skew: Int64?, now: Int64) -> Decision {
        guard let credential else { return .fail(.loginNeeded) }
        if let rejected {
            guard credential.generation == rejected else { return .use(credential) }
            guard policy.canRefresh else { return .fail(.notRefreshable) }
            if isRefreshing { return .wait(starts: false) }
            if isRefused { return .fail(.loginNeeded) }
            if let skew, skew > 0, skew <= 10 * Self.second { return .useAfter(skew, credential) }
            if now < backOffUntil { return .fail(unavailable(backOffUntil - now)) }
            if now < stormUntil { return .fail(.paused(retryAfter: Self.seconds(stormUntil - now))) }
            return .wait(starts: true)
        }
        guard !isUsable(now: now) else { return .use(credential) }
        if isRefreshing { return .wait(starts: false) }
        let isExpired = credential.expiry.map { now >= $0 } ?? false
        if isRefused { return isExpired ? .fail(.loginNeeded) : .use(credential) }
        if now < backOffUntil {
            return isExpired
                ? .fail(unavailable(backOffUntil - now)) : .use(credential)
        }
        return .wait(starts: true)
    }

    /// A refresh failed for now. `jitter` is 0..<1.
    mutating func refreshFailed(
        retryAfter: Int?,
        isUnreachable: Bool = false,
        jitter: Double,
        now: Int64
    ) -> CredentialFailure {
        failures += 1
        self.isUnreachable = isUnreachable
        let exponential = min(Self.firstBackOff << Int64(min(failures - 1, 6)), Self.lastBackOff)
        let pause = max(
            Int64(Double(exponential) * (0.5 + jitter / 2)),
            Int64(min(retryAfter ?? 0, 3600)) * Self.second
        )
        backOffUntil = now + pause
        return unavailable(pause)
    }

    mutating func refreshRefused() {
        isRefused = true
    }

    /// Whether the request that was sent again after a refresh was accepted. A refusal that a refresh does not cure must not make
    /// every further request refresh.
    mutating func replayed(_ generation: Generation, accepted: Bool, now: Int64) {
        if accepted {
            stormPause = 0
            stormUntil = .min
        } else if generation == lastGeneration, now >= stormUntil {
            stormPause = stormPause == 0 ? Self.firstStormPause : min(stormPause * 2, Self.lastStormPause)
            stormUntil = now + stormPause
        }
    }

    private func unavailable(_ pause: Int64) -> CredentialFailure {
        .unavailable(retryAfter: Self.seconds(pause), isUnreachable: isUnreachable)
    }

    private static func seconds(_ nanoseconds: Int64) -> Int {
        Int((nanoseconds + second - 1) / second)
    }
}
