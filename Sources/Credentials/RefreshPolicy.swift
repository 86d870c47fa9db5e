/// The numbers of refreshing.
public struct RefreshPolicy: Sendable, Equatable {
    /// Refresh ahead of expiry by this much, at most half of the token's life.
    public var margin: Duration
    /// Whether a way to refresh is known.
    public var canRefresh: Bool

    public init(margin: Duration = .seconds(30), canRefresh: Bool = true) {
        self.margin = margin
        self.canRefresh = canRefresh
    }
}

/// What a request whose attempt was refused knows of the refusal.
public struct Refusal: Sendable {
    /// Of the token that was refused.
    public var generation: Generation
    /// Stands for the request's method and path: a refusal that a refresh does not cure is the path's own.
    public var path: UInt64
    /// How far, in nanoseconds, the refusing upstream's clock is behind the token's making, where that shows.
    public var skew: Int64?
    /// A refresh may be made for it: it has not had one.
    public var mayRefresh: Bool

    public init(generation: Generation, path: UInt64 = 0, skew: Int64? = nil, mayRefresh: Bool = true) {
        self.generation = generation
        self.path = path
        self.skew = skew
        self.mayRefresh = mayRefresh
    }
}

/// Everything that is decided about the current credential. Pure: time comes in, decisions go out.
struct CredentialState: Sendable {
    enum Decision: Equatable, Sendable {
        case use(Credential)
        /// Wait for the refresh in flight, or start it, after nanoseconds.
        case wait(starts: Bool, after: Int64 = 0)
        /// The upstream's clock is behind: the same token again, after nanoseconds.
        case useAfter(Int64, Credential)
        case fail(CredentialFailure)
    }

    static let second: Int64 = 1_000_000_000
    private static let firstStormPause = 30 * second
    private static let lastStormPause = 600 * second
    private static let firstBackOff = 1 * second
    private static let lastBackOff = 60 * second
    /// A request rather waits this long for the next try than fails.
    private static let backOffPatience = 2 * second

    var policy: RefreshPolicy
    private(set) var credential: Credential?
    private(set) var isRefreshing = false
    /// The generation that the refresh in flight is to replace.
    private(set) var refreshing: Generation = 0
    /// The upstream refused to refresh the current token.
    private(set) var isRefused = false
    /// It refused a request that carried it.
    private(set) var isRejected = false
    /// What happened, when only a login helps.
    var story: String?
    private(set) var backOffUntil: Int64 = .min
    private var failures = 0
    private var isUnreachable = false
    private var storm = Storm()
    private var lastGeneration: Generation = 0

    /// Paths whose refusals refreshing did not cure. One that refuses always, such as that of a deleted account, must neither refresh with
    /// every request nor keep others from it; when a second path is of the kind, all wait. One that accepts a token again was not.
    private struct Storm: Sendable {
        private var pause: Int64 = 0
        private(set) var until: Int64 = .min
        /// The latest last.
        private var paths: [UInt64] = []
        private static let maxPaths = 8

        var isOn: Bool { !paths.isEmpty }

        func pauses(_ path: UInt64, now: Int64) -> Bool { now < until && (paths.count > 1 || paths.contains(path)) }

        mutating func wasNotCured(_ path: UInt64, now: Int64) {
            guard !pauses(path, now: now) else { return }
            paths = paths.filter { $0 != path }.suffix(Self.maxPaths - 1) + [path]
            pause = pause == 0 ? firstStormPause : min(pause * 2, lastStormPause)
            until = now + pause
        }

        mutating func accepts(_ path: UInt64) {
            paths.removeAll { $0 == path }
            if paths.isEmpty { self = Storm() }
        }
    }

    init(policy: RefreshPolicy) {
        self.policy = policy
    }

    /// Makes the record's token current, or none. `isRefreshed`: by a refresh of this process.
    mutating func publish(_ record: SessionRecord?, isRefreshed: Bool = false, now: Int64, wall: Int) {
        isRefused = record?.isRefused ?? false
        guard let token = record?.token, let customer = record?.customer else {
            if credential != nil { lastGeneration += 1 }
            credential = nil
            return
        }
        if !isRefused { story = nil }
        if credential?.token == token { return }
        if credential?.customer != customer { storm = Storm() }
        isRejected = false
        backOffUntil = .min
        failures = 0
        lastGeneration += 1
        let expiresAt = record?.expiresAt
        credential = Credential(
            generation: lastGeneration,
            token: token,
            customer: customer,
            expiry: expiresAt.map { now + Self.nanoseconds($0, since: wall) },
            expiresAt: expiresAt,
            receivedAt: record?.receivedAt ?? wall,
            isRefreshed: isRefreshed
        )
    }

    /// What a file says may be absurd; what is judged by it must not overflow.
    private static func nanoseconds(_ moment: Int, since wall: Int) -> Int64 {
        let difference = moment.subtractingReportingOverflow(wall)
        let limit = Claims.longestLife
        let seconds = difference.overflow ? (moment < 0 ? -limit : limit) : difference.partialValue
        return Int64(min(max(seconds, -limit), limit)) * second
    }

    /// The current generation, which changes with every login, refresh and logout.
    var generation: Generation { lastGeneration }

    /// The token was refused, and another is on its way: who has not been sent yet had better wait for that one.
    var isHeld: Bool { isRefreshing && isRejected }

    mutating func beginRefresh() {
        guard !isRefreshing else { return }
        isRefreshing = true
        refreshing = lastGeneration
    }

    mutating func endRefresh() {
        isRefreshing = false
    }

    /// Whether requests may use the current credential without asking, until `refreshDue`.
    func isUsable(now: Int64) -> Bool {
        guard let credential else { return false }
        guard let due = refreshDue(credential) else { return true }
        return now < due
    }

    /// The current credential, unless it has expired.
    func living(now: Int64) -> Credential? {
        guard let credential, credential.expiry.map({ now < $0 }) ?? true else { return nil }
        return credential
    }

    /// When a refresh ahead of expiry is due; nil when never.
    func refreshDue(_ credential: Credential) -> Int64? {
        guard policy.canRefresh, let expiry = credential.expiry else { return nil }
        let life = Int64(credential.token.claims?.lifetime ?? 3600) * Self.second
        return expiry - min(policy.margin.wholeNanoseconds, life / 2)
    }

    /// A request was refused.
    mutating func note(_ refusal: Refusal) {
        if credential?.generation == refusal.generation { isRejected = true }
    }

    /// A credential for a request whose attempt was refused, or, with nil, for a first attempt.
    func decide(_ refusal: Refusal?, now: Int64) -> Decision {
        guard let credential else { return .fail(.loginNeeded(story)) }
        if let refusal {
            guard credential.generation == refusal.generation else { return .use(credential) }
            guard policy.canRefresh else { return .fail(.notRefreshable) }
            if isRefreshing { return .wait(starts: false) }
            guard refusal.mayRefresh else { return .fail(.notCured) }
            if isRefused { return .fail(.loginNeeded(story)) }
            if let skew = refusal.skew, skew > 0, skew <= 10 * Self.second { return .useAfter(skew, credential) }
            if storm.pauses(refusal.path, now: now) {
                return .fail(.paused(retryAfter: Self.seconds(storm.until - now)))
            }
            return startOrFail(now: now)
        }
        if isHeld { return .wait(starts: false) }
        guard !isUsable(now: now) else { return .use(credential) }
        if isRefreshing { return .wait(starts: false) }
        let isExpired = credential.expiry.map { now >= $0 } ?? false
        if isRefused { return isExpired ? .fail(.loginNeeded(story)) : .use(credential) }
        return now < backOffUntil && !isExpired ? .use(credential) : startOrFail(now: now)
    }

    /// A refresh, when the last one's failure is long enough ago, or will be in a moment.
    private func startOrFail(now: Int64) -> Decision {
        let left = max(backOffUntil == .min ? 0 : backOffUntil - now, 0)
        return left <= Self.backOffPatience ? .wait(starts: true, after: left) : .fail(unavailable(left))
    }

    /// Why a refresh that somebody asks for by name cannot start; nil when it can.
    func refreshIsBarred(now: Int64) -> CredentialFailure? {
        if credential == nil || isRefused { return .loginNeeded(story) }
        if !policy.canRefresh { return .notRefreshable }
        return !isRefreshing && now < backOffUntil ? unavailable(backOffUntil - now) : nil
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
            Int64(min(max(retryAfter ?? 0, 0), 3600)) * Self.second
        )
        backOffUntil = now + pause
        return unavailable(pause)
    }

    mutating func refreshRefused(_ story: String) {
        isRefused = true
        self.story = story
    }

    /// The request that started a refresh was refused all the same: it was not cured. Others that were sent again prove nothing: their
    /// tokens were refused because of the refresh.
    mutating func wasNotCured(_ generation: Generation, path: UInt64, now: Int64) {
        if generation == lastGeneration { storm.wasNotCured(path, now: now) }
    }

    /// Some path is paused: acceptances are of interest.
    var isStormy: Bool { storm.isOn }

    mutating func accepted(path: UInt64) {
        storm.accepts(path)
    }

    private func unavailable(_ pause: Int64) -> CredentialFailure {
        .unavailable(retryAfter: Self.seconds(pause), isUnreachable: isUnreachable)
    }

    private static func seconds(_ nanoseconds: Int64) -> Int {
        Int((nanoseconds + second - 1) / second)
    }
}
