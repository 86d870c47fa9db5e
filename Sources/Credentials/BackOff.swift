import Platform

/// What a refresh that failed for now leaves behind: until when none is tried, and what whoever asks is told meanwhile.
///
/// Pure. Moments are nanoseconds of `CredentialClock.elapsed()`, durations nanoseconds.
struct BackOff: Equatable, Sendable {
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

    var until: Int64
    /// How many refreshes in a row have failed.
    var failures: Int
    var setback: Setback

    private static let second = CredentialState.second
    private static let initialPause = 1 * second
    static let maximumPause = 60 * second
    /// A mistake in the configuration is not mended in a second.
    private static let initialPauseForMistakes = 60 * second
    private static let maximumPauseForMistakes = 300 * second
    /// The engine that machines share a session through says itself when it is back.
    static let enginePause = 5 * second
    /// Seconds. A longer `Retry-After` is cut to this.
    static let maximumRetryAfter = 3600
    /// A request waits up to this long for the end.
    static let waitLimit = 2 * second

    /// Zero once it is over.
    func left(now: Int64) -> Int64 { max(until.subtracting(saturating: now), 0) }

    /// A person may mend it at any moment.
    var isForMistake: Bool { if case .misconfigured = setback { true } else { false } }

    /// What whoever asks for a refresh is told.
    func failure(now: Int64) -> CredentialFailure {
        let seconds = CredentialState.seconds(left(now: now))
        return switch setback {
        case .unavailable, .engine: .unavailable(retryAfter: seconds, isUnreachable: false)
        case .unreachable: .unavailable(retryAfter: seconds, isUnreachable: true)
        case .misconfigured(let reason): .misconfigured(reason, retryAfter: seconds)
        }
    }

    /// How long none is tried after `failures` others. Half of it fixed and half random, doubled with each failure;
    /// longer when the issuer asks for that: `retryAfter` is seconds. A mistake in the configuration waits for a person:
    /// at least a minute. `jitter` is 0..<1.
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
}
