import Platform
import Threads

/// Work that a long-running program does without a request.
extension Session {
    /// The longest interval between two checks, in nanoseconds, because the machine may sleep meanwhile.
    private static let longestPause: Int64 = 3600 * 1_000_000_000

    /// Asks a source that needs no login for a token, unless a valid one is held, or one is on its way. In the
    /// background: nothing waits for it.
    public func start() {
        guard source?.startsAlone == true else { return }
        let flight = update { state, now -> Flight? in
            guard case .start(let pause) = state.machine.decide(Inquiry(), now: now.elapsed),
                let replacing = state.machine.beginRefresh()
            else { return nil }
            return Flight(replacing: replacing, pause: pause)
        }
        if let flight { startRefresh(flight, .start) }
    }

    /// A mistake that the issuer rejected may have been corrected: the next request that needs a token asks for one.
    public func endMistake() {
        update { state, _ in state.machine.endMistake() }
        start()
    }

    /// A reload has opened this session's successor, which does from now on what no request asks for: it follows the file
    /// and the source, and keeps the token alive. The exchanges that began with this one still use it.
    public func retire() {
        update { state, _ in state.retire() }?.stop()
    }

    /// Reports what somebody else has done. A session that a reload has replaced leaves that to its successor.
    func emitNews(_ event: SessionEvent) {
        if snapshot.actsAlone { emit(event) }
    }

    /// A person asks: however the last try ended, the next one does not wait.
    public func endPause() {
        update { state, _ in state.machine.endBackOff() }
    }

    /// The source reports by itself that it has another token: it is asked now, however the last try ended.
    public func sourceChanged() {
        let isFirst = update { state, _ -> Bool? in
            guard state.actsAlone else { return nil }
            state.machine.endBackOff()
            return state.machine.credential == nil
        }
        guard let isFirst else { return }
        refreshNow(cause: isFirst ? .start : .expiry) { _ in }
    }

    /// From now on refreshes once in `RefreshPolicy.keepAlive` even if no request needs it: some issuers end tokens
    /// that are not used for long enough.
    public func keepAlive() {
        guard let interval = snapshot.machine.policy.keepAlive?.wholeNanoseconds, interval > 0 else { return }
        let flight = update { state, now -> Flight? in
            guard state.actsAlone, !state.isForeign, Self.keepAlivePause(state.record, interval, now: now) == 0,
                state.machine.refreshIsBarred(now: now.elapsed) == nil
            else { return nil }
            return state.machine.beginRefresh().map { Flight(replacing: $0) }
        }
        if let flight { startRefresh(flight, .keepAlive) }
        let left = update { state, now in Self.keepAlivePause(state.record, interval, now: now) }
        guard snapshot.actsAlone else { return }
        // After a failure, or during a refresh, checks again later.
        let pause = left > 0 ? min(left, Self.longestPause) : min(interval, Self.longestPause) / 4
        thread.executeLater(pause) { [weak self] in self?.keepAlive() }
    }

    /// Nanoseconds until the record's token should be refreshed to keep it alive.
    static func keepAlivePause(_ record: SessionRecord, _ interval: Int64, now: Instant) -> Int64 {
        guard !record.isEmpty, var used = record.receivedAt else { return interval }
        // The issuer gave the same token again: it was used, and was not received anew.
        if let last = record.history.last(where: { $0.outcome == .unchanged }) { used = max(used, last.at) }
        let age = max(0, now.wall.subtracting(saturating: used))
        return max(0, interval.subtracting(saturating: Int64(min(age, Int(Int64.max / 2_000_000_000))) * 1_000_000_000))
    }
}
