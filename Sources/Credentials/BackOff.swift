import Platform

/// The state after a refresh that failed for now: how long no other is tried, and what callers are told meanwhile.
///
/// Pure. Moments are nanoseconds of `CredentialClock.elapsed()`, durations nanoseconds.
struct BackOff: Equatable, Sendable {
    /// Why a refresh failed for now.
    enum Setback: Equatable, Sendable {
        /// The issuer gave no token. `because` is what clients may read of it, the rest of a sentence.
        case unavailable(because: String? = nil)
        /// Nothing was sent.
        case unreachable
        /// The issuer rejects the form of the request, for the given reason.
        case misconfigured(String)
        /// Nothing was sent: the engine of the shared session did not permit it.
        case engine
    }

    var until: Int64
    /// How many refreshes in a row have failed.
    var failures: Int
    var setback: Setback

    private static let second = CredentialState.second
    private static let initialPause = 1 * second
    static let maximumPause = 60 * second
    /// A mistake in the configuration takes longer than a second to correct.
    private static let initialPauseForMistakes = 60 * second
    private static let maximumPauseForMistakes = 300 * second
    /// The engine of a shared session reports by itself when it is back.
    static let enginePause = 5 * second
    /// How long a minting source is not asked again after it gave the same token: issuers and commands give theirs for a
    /// while.
    private static let sameTokenPause = 10 * second
    /// In seconds. A longer `Retry-After` is cut to this.
    static let maximumRetryAfter = 3600
    /// A request waits up to this long for the back-off to end.
    static let waitLimit = 2 * second

    /// Zero once it is over.
    func left(now: Int64) -> Int64 { max(until.subtracting(saturating: now), 0) }

    /// A person may correct the cause at any moment.
    var isForMistake: Bool { if case .misconfigured = setback { true } else { false } }

    /// The failure for callers that ask for a refresh.
    func failure(now: Int64) -> CredentialFailure {
        let seconds = CredentialState.seconds(left(now: now))
        return switch setback {
        case .unavailable(let told): .unavailable(retryAfter: seconds, isUnreachable: false, because: told)
        case .engine: .unavailable(retryAfter: seconds, isUnreachable: false)
        case .unreachable: .unavailable(retryAfter: seconds, isUnreachable: true)
        case .misconfigured(let reason): .misconfigured(reason, retryAfter: seconds)
        }
    }

    /// The duration of the back-off after `failures` earlier failures: half of it fixed and half random, doubled with
    /// each failure; longer if the issuer asks for that: `retryAfter` is seconds. After a mistake in the configuration
    /// it is at least a minute, because a person has to act. `jitter` is 0..<1.
    static func pause(_ setback: Setback, failures: Int, retryAfter: Int?, jitter: Double) -> Int64 {
        switch setback {
        case .engine: return enginePause
        case .misconfigured: return min(initialPauseForMistakes << Int64(min(failures, 3)), maximumPauseForMistakes)
        case .unavailable, .unreachable:
            let exponential = min(initialPause << Int64(min(failures, 6)), maximumPause)
            let asked = Int64(min(max(retryAfter ?? 0, 0), maximumRetryAfter)) * second
            return max(Int64(Double(exponential) * (0.5 + jitter / 2)), asked)
        }
    }

    /// The back-off after the issuer gave the same token for the one that was spent: longer than a request waits, because
    /// another try would bring the same again.
    static func afterSameToken(failures: Int, jitter: Double, now: Int64) -> BackOff {
        let pause = pause(.unavailable(), failures: failures + 2, retryAfter: nil, jitter: jitter)
        return BackOff(until: now.adding(saturating: pause), failures: failures + 1, setback: .unavailable())
    }

    /// The back-off after a source that mints tokens gave the same one again. `left` is how long that token lives; nil if
    /// unknown. Ends when the token does, because another can be had then; if it has ended already, lasts a second,
    /// doubled with each failure since.
    static func afterSameMintedToken(left: Int64?, failures: Int, now: Int64) -> BackOff {
        let isOver = left.map { $0 <= 0 } ?? false
        let pause =
            isOver
            ? initialPause << Int64(min(max(failures, 0), 6))
            : max(left ?? sameTokenPause, initialPause)
        let until = now.adding(saturating: min(pause, sameTokenPause))
        return BackOff(until: until, failures: isOver ? failures + 1 : 0, setback: .unavailable())
    }
}
