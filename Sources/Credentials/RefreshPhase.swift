/// What is known about refreshing the current token: a machine of its own within `CredentialState`.
///
/// `idle` leads to `inFlight`, and that back, or to `backingOff`, or to `refused`. Pure; moments are nanoseconds of
/// `CredentialClock.elapsed()`.
enum RefreshPhase: Equatable, Sendable {
    /// Nothing speaks against a refresh. Left by `begin`, `adopt`, and by `publish` and `deny` of a denied token.
    case idle
    /// A refresh is under way, and `end` must follow. `failures` are those before it. A token that is published meanwhile
    /// does not end it: the session's thread still works. `ledBy` is the route whose rejection led to it.
    case inFlight(replacing: Generation, failures: Int, ledBy: UInt64?, Stage)
    /// The last refresh failed for now. Left by `begin`, `endBackOff`, `deny` and by `publish` of another token.
    case backingOff(BackOff)
    /// The upstream refuses to refresh this token. Left by `publish` only, and by `allow`.
    case refused(explanation: String?)

    /// How far a refresh is.
    enum Stage: Equatable, Sendable {
        /// Other machines are asked for their leave: nothing was sent, and the token works as long as it lives.
        case asking
        /// It may have been sent, and the token may be dead.
        case spending
    }

    // MARK: What it means

    var isInFlight: Bool { if case .inFlight = self { true } else { false } }

    var isRefused: Bool { if case .refused = self { true } else { false } }

    /// Why only a login helps, as a sentence; nil when that is not so, or nothing more is known.
    var explanation: String? { if case .refused(let explanation) = self { explanation } else { nil } }

    /// The route whose rejection led to the refresh under way.
    var leadingRoute: UInt64? { if case .inFlight(_, _, let route, _) = self { route } else { nil } }

    /// Refreshes in a row that failed: before the one under way, or before now.
    var failures: Int {
        switch self {
        case .idle, .refused: 0
        case .inFlight(_, let failures, _, _): failures
        case .backingOff(let backOff): backOff.failures
        }
    }

    /// Nanoseconds until a refresh that failed may be tried again; nil when none failed, or the time has come.
    func backOffLeft(now: Int64) -> Int64? {
        guard case .backingOff(let backOff) = self, backOff.until > now else { return nil }
        return backOff.left(now: now)
    }

    // MARK: Events

    /// False, and nothing happens, if one is under way already, or none may be made.
    mutating func begin(replacing generation: Generation, ledBy route: UInt64?, _ stage: Stage) -> Bool {
        switch self {
        case .inFlight, .refused: return false
        case .idle, .backingOff:
            self = .inFlight(replacing: generation, failures: failures, ledBy: route, stage)
            return true
        }
    }

    /// The refresh that is under way is about to be sent.
    mutating func beginSpending() {
        guard case .inFlight(let replacing, let failures, let route, .asking) = self else { return }
        self = .inFlight(replacing: replacing, failures: failures, ledBy: route, .spending)
    }

    /// The refresh that was to replace `replaced` has ended. Gives the failures before it; nil if it was ended by a
    /// publish, and another has begun since: that one's end is still to come.
    mutating func end(replacing replaced: Generation) -> Int? {
        switch self {
        case .inFlight(replaced, let failures, _, _):
            self = .idle
            return failures
        case .inFlight: return nil
        // A publish of a denied token ended it.
        case .idle, .backingOff, .refused: return 0
        }
    }

    /// A token was published; `isDenied`: the upstream refuses to refresh it.
    mutating func publish(isDenied: Bool, isSameToken: Bool, explanation: String?) {
        switch self {
        case _ where isDenied:
            // Even during a flight: it is about to be told the same.
            self = .refused(explanation: explanation)
        case .inFlight(let replaced, let failures, let route, let stage):
            self = .inFlight(replacing: replaced, failures: isSameToken ? failures : 0, ledBy: route, stage)
        case .backingOff where isSameToken, .idle: break
        case .backingOff, .refused: self = .idle
        }
    }

    /// It failed for now.
    mutating func backOff(_ backOff: BackOff) { self = .backingOff(backOff) }

    /// Another process was told to wait, or this one before its end. What is known here counts more.
    mutating func adopt(_ backOff: BackOff) {
        if case .idle = self { self = .backingOff(backOff) }
    }

    /// The upstream refuses to refresh the token.
    mutating func refuse(_ explanation: String) { self = .refused(explanation: explanation) }

    /// The same, as another machine was told. Nothing of a refresh under way, which is told itself.
    mutating func deny(_ explanation: String) {
        if !isInFlight { refuse(explanation) }
    }

    /// What `deny` said holds no longer.
    mutating func allow() {
        if isRefused { self = .idle }
    }

    /// The next refresh need not wait, if it is for one of these reasons that it waits.
    mutating func endBackOff(where isOver: (BackOff.Setback) -> Bool = { _ in true }) {
        if case .backingOff(let backOff) = self, isOver(backOff.setback) { self = .idle }
    }
}
