import Platform
import Support

extension SessionRecord {
    /// The last refresh of the held tokens failed for now: no process that shares the file asks the issuer before the
    /// pause ends.
    public struct Pause: Sendable, Equatable {
        /// Seconds since 1970, by this machine's clock.
        public var until: Int
        /// How many refreshes in a row have failed.
        public var failures: Int

        public init(until: Int, failures: Int) {
            self.until = until
            self.failures = failures
        }

        /// Seconds left at `now`, which is in seconds since 1970: zero or less once the pause is over. Nil if it was
        /// over long ago, or is longer than any pause: the clock was set, or the file was edited.
        func left(at now: Int) -> Int? {
            let left = until.subtracting(saturating: now)
            let forgotten = Int(BackOff.maximumPause / CredentialState.second)
            return (-forgotten...BackOff.maximumRetryAfter).contains(left) ? left : nil
        }
    }

    /// Nil if there is none, or it does not concern the held tokens.
    public var pause: Pause? {
        get {
            guard isOfSpent, let value = document["pause"], let until = value["until"]?.moment else { return nil }
            return Pause(until: until, failures: min(max(value["failures"]?.integer ?? 1, 0), 1_000_000))
        }
        set {
            document["pause"] = newValue.map {
                .object([.init("until", .integer($0.until)), .init("failures", .integer($0.failures))])
            }
        }
    }
}

extension BackOff {
    /// The back-off at `now` for a pause in the session file; nil if there is none.
    init?(_ pause: SessionRecord.Pause?, now: Instant) {
        guard let pause, let left = pause.left(at: now.wall) else { return nil }
        self.init(
            until: now.elapsed.adding(saturating: Int64(left) * CredentialState.second),
            failures: pause.failures,
            setback: .unavailable
        )
    }
}

extension SessionRecord.Pause {
    /// For the session file, of a back-off of so many nanoseconds that begins now; nil for what other processes need not
    /// know: an issuer that was not reached was not asked, and may be reached again at any moment; mistakes are mended in
    /// a file that they read again; and an engine says itself when it is back. Never longer than the back-off.
    init?(_ pause: Int64, failures: Int, _ setback: BackOff.Setback, now: Instant) {
        switch setback {
        case .unavailable: break
        case .unreachable, .misconfigured, .engine: return nil
        }
        self.init(
            until: now.wall.adding(saturating: Int(pause / CredentialState.second)),
            failures: failures
        )
    }
}
