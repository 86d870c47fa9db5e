/// The knowledge about refreshing the current token: a machine of its own within `CredentialState`.
///
/// `idle` leads to `inFlight`, and that back, or to `backingOff`, or to `refused`. Pure; moments are nanoseconds of
/// `CredentialClock.elapsed()`.
enum RefreshPhase: Equatable, Sendable {
    /// Nothing prevents a refresh. Left by `begin`, `adopt`, and by `publish` and `deny` of a denied token.
    case idle
    /// A refresh is in flight, and `end` must follow. `failures` is the number of failures before it. Publishing a
    /// token meanwhile does not end it, because the session's thread is still working. `ledBy` is the route whose
    /// rejection led to it.
    case inFlight(replacing: Generation, failures: Int, ledBy: UInt64?, Stage)
    /// The last refresh failed for now. Left by `begin`, `endBackOff`, `deny` and by `publish` of another token.
    case backingOff(BackOff)
    /// The upstream refuses to refresh this token. Left by `publish` only, and by `allow`.
    case refused(explanation: String?)

    /// The progress of a refresh.
    enum Stage: Equatable, Sendable {
        /// The other machines are asked for permission: nothing was sent, and the token works until it expires.
        case asking
        /// The refresh may have been sent, and the token may be dead.
        case spending
    }

    // MARK: What it means

    var isInFlight: Bool { if case .inFlight = self { true } else { false } }

    var isRefused: Bool { if case .refused = self { true } else { false } }

    /// The last refresh failed because the engine of the shared session did not permit it: nothing was sent, and the file
    /// tells nobody of the failure.
    var isWithoutEngine: Bool { if case .backingOff(let backOff) = self { backOff.setback == .engine } else { false } }

    /// Why only a login helps, as a sentence; nil if other ways remain, or the reason is unknown.
    var explanation: String? { if case .refused(let explanation) = self { explanation } else { nil } }

    /// The route whose rejection led to the refresh in flight, and the generation that this is to replace.
    var lead: (route: UInt64, replacing: Generation)? {
        guard case .inFlight(let replacing, _, let route?, _) = self else { return nil }
        return (route, replacing)
    }

    /// How many refreshes failed in a row: before the one in flight, or until now.
    var failures: Int {
        switch self {
        case .idle, .refused: 0
        case .inFlight(_, let failures, _, _): failures
        case .backingOff(let backOff): backOff.failures
        }
    }

    /// Nanoseconds until a failed refresh may be tried again; nil if none failed, or the back-off is over.
    func backOffLeft(now: Int64) -> Int64? {
        guard case .backingOff(let backOff) = self, backOff.until > now else { return nil }
        return backOff.left(now: now)
    }

    // MARK: Events

    /// Returns false, and does nothing, if a refresh is in flight already, or none may be made.
    mutating func begin(replacing generation: Generation, ledBy route: UInt64?, _ stage: Stage) -> Bool {
        switch self {
        case .inFlight, .refused: return false
        case .idle, .backingOff:
            self = .inFlight(replacing: generation, failures: failures, ledBy: route, stage)
            return true
        }
    }

    /// The refresh in flight is about to be sent.
    mutating func beginSpending() {
        guard case .inFlight(let replacing, let failures, let route, .asking) = self else { return }
        self = .inFlight(replacing: replacing, failures: failures, ledBy: route, .spending)
    }

    /// The request of that route that led to the refresh in flight has ended.
    mutating func leadEnded(_ route: UInt64, replacing replaced: Generation) {
        guard case .inFlight(replaced, let failures, route?, let stage) = self else { return }
        self = .inFlight(replacing: replaced, failures: failures, ledBy: nil, stage)
    }

    /// The refresh that was to replace `replaced` has ended. Returns the number of failures before it; nil if a
    /// publication ended it and another has begun since, whose end is still to come.
    mutating func end(replacing replaced: Generation) -> Int? {
        switch self {
        case .inFlight(replaced, let failures, _, _):
            self = .idle
            return failures
        case .inFlight: return nil
        // The publication of a denied token ended it.
        case .idle, .backingOff, .refused: return 0
        }
    }

    /// A token was published; `isDenied`: the upstream refuses to refresh it.
    mutating func publish(isDenied: Bool, isSameToken: Bool, explanation: String?) {
        switch self {
        case _ where isDenied:
            // Even during a flight, which is about to learn the same.
            self = .refused(explanation: explanation)
        case .inFlight(let replaced, let failures, let route, let stage):
            self = .inFlight(replacing: replaced, failures: isSameToken ? failures : 0, ledBy: route, stage)
        case .backingOff where isSameToken, .idle: break
        case .backingOff, .refused: self = .idle
        }
    }

    /// The refresh failed for now.
    mutating func backOff(_ backOff: BackOff) { self = .backingOff(backOff) }

    /// Takes over a back-off from the session file, of another process or of this one's predecessor. Knowledge of this
    /// process takes precedence.
    mutating func adopt(_ backOff: BackOff) {
        if case .idle = self { self = .backingOff(backOff) }
    }

    /// The upstream refuses to refresh the token.
    mutating func refuse(_ explanation: String) { self = .refused(explanation: explanation) }

    /// The same, learnt from another machine. Ignored during a flight, which learns it by itself.
    mutating func deny(_ explanation: String) {
        if !isInFlight { refuse(explanation) }
    }

    /// Revokes `deny`.
    mutating func allow() {
        if isRefused { self = .idle }
    }

    /// The next refresh need not wait, if the current back-off has one of these reasons.
    mutating func endBackOff(where isOver: (BackOff.Setback) -> Bool = { _ in true }) {
        if case .backingOff(let backOff) = self, isOver(backOff.setback) { self = .idle }
    }
}
