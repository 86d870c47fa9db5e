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
            return (-forgotten...BackOff.maximumRetryAfter + 1).contains(left) ? left : nil
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
            setback: .unavailable()
        )
    }
}

extension SessionRecord.Pause {
    /// The pause for the session file after a failure with this setback and a back-off of `pause` nanoseconds from now.
    ///
    /// Whole seconds: never longer than the back-off, but never shorter than the issuer asked for with `asked`, in
    /// seconds. Nil if other processes need not wait: an issuer that was not reached was not asked, and may be reached
    /// again at any moment; mistakes are corrected in a file that they read again; and an engine reports by itself when
    /// it is back.
    init?(_ pause: Int64, asked: Int?, failures: Int, _ setback: BackOff.Setback, now: Instant) {
        switch setback {
        case .unavailable: break
        case .unreachable, .misconfigured, .engine: return nil
        }
        var seconds = Int(pause / CredentialState.second)
        if let asked, asked > 0 {
            // `now.wall` has lost up to a second of the moment that it stands for.
            seconds = max(seconds, min(asked, BackOff.maximumRetryAfter) + 1)
        }
        self.init(until: now.wall.adding(saturating: seconds), failures: failures)
    }
}
