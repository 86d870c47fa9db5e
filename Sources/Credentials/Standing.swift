import Platform

/// The upstream's verdicts on the current token. Pure; dies with the token.
///
/// One route that rejects a token may have reasons of its own. The token itself is rejected when a route that had
/// accepted it rejects it, or when two routes reject it without an acceptance in between. An acceptance revives it;
/// from then on only a route that has accepted it since can reject it.
struct Standing: Equatable, Sendable {
    enum Verdict: Equatable, Sendable {
        /// The token was not rejected, or was accepted since.
        case good
        /// One route rejected it, at `at`, in seconds since 1970; the route is nil if another process saw the
        /// rejection.
        case doubted(by: UInt64?, at: Int)
        /// The token itself is rejected, not just by one route.
        case rejected(at: Int)
    }

    private(set) var verdict = Verdict.good
    /// Routes that rejected the token and have not accepted it since, the latest last.
    private(set) var rejectingRoutes: [UInt64] = []
    /// How often an acceptance revived the token.
    private(set) var revivals: UInt8 = 0
    /// Advances when the token dies, is tried, and is revived: earlier requests say nothing about later events.
    private(set) var epoch: UInt16 = 0
    /// The time of the last trial, on `CredentialClock.elapsed()`; nil before the first rejection.
    private var lastTry: Int64?

    private static let maximumRoutes = 64

    /// `hadAccepted`: the route has accepted the token since its arrival, or since its revival.
    mutating func reject(_ route: UInt64, hadAccepted: Bool, now: Instant) {
        lastTry = now.elapsed
        rejectingRoutes = rejectingRoutes.filter { $0 != route }.suffix(Self.maximumRoutes - 1) + [route]
        switch verdict {
        case .rejected: break
        case .good where hadAccepted, .doubted where hadAccepted: die(at: now.wall)
        case .doubted(let other?, _) where other != route && revivals == 0: die(at: now.wall)
        case .good, .doubted(nil, _): verdict = .doubted(by: route, at: now.wall)
        case .doubted: break
        }
    }

    private mutating func die(at moment: Int) {
        verdict = .rejected(at: moment)
        epoch &+= 1
    }

    /// `wasDead`: the request was a trial, so its success revives the token.
    mutating func accept(_ route: UInt64, wasDead: Bool) {
        if wasDead || isRejected {
            revive()
        } else {
            rejectingRoutes.removeAll { $0 == route }
            verdict = .good
        }
    }

    private mutating func revive() {
        verdict = .good
        rejectingRoutes = []
        lastTry = nil
        revivals = revivals == .max ? 1 : revivals + 1
        epoch &+= 1
    }

    /// Takes over another process's verdict on the token; nil means that it saw an acceptance.
    mutating func adopt(_ mark: SessionRecord.Rejected?, now: Instant) {
        switch mark {
        case nil where isRejected:
            revive()
        case nil:
            verdict = .good
        case let mark? where mark.isWhole:
            guard !isRejected else { return }
            die(at: mark.at)
            lastTry = now.elapsed
        case let mark?:
            if case .good = verdict { verdict = .doubted(by: nil, at: mark.at) }
        }
    }

    var isRejected: Bool { if case .rejected = verdict { true } else { false } }

    /// The token was rejected, so acceptances matter.
    var isInDoubt: Bool { verdict != .good || !rejectingRoutes.isEmpty || lastTry != nil }

    func rejects(_ route: UInt64) -> Bool { rejectingRoutes.contains(route) }

    /// Whether a request may try a token that is considered dead: one may do so every `interval` nanoseconds.
    mutating func mayTry(every interval: Int64, now: Int64) -> Bool {
        if let last = lastTry, now.subtracting(saturating: last) < interval { return false }
        defer { lastTry = now }
        epoch &+= 1
        return lastTry != nil
    }

    /// The mark that tells other processes.
    var mark: SessionRecord.Rejected? {
        switch verdict {
        case .good: nil
        case .doubted(_, let at): .init(at: at, isWhole: false)
        case .rejected(let at): .init(at: at, isWhole: true)
        }
    }
}
