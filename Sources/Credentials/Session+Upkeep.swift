import Platform
import Threads

/// What a program that keeps running does unasked.
extension Session {
    /// How long the next look at what is due is put off at most, in nanoseconds: the machine may sleep meanwhile.
    private static let longestPause: Int64 = 3600 * 1_000_000_000

    /// Asks a source that needs nobody for a token, unless there is one that is good, or one is on its way. In the
    /// background: nothing waits for it.
    public func start() {
        guard source?.startsAlone == true else { return }
        let flight = update { shared, now -> Flight? in
            guard case .start(let pause) = shared.machine.decide(Inquiry(), now: now.elapsed),
                let replacing = shared.machine.beginRefresh()
            else { return nil }
            return Flight(replacing: replacing, pause: pause)
        }
        if let flight { startRefresh(flight, .start) }
    }

    /// What the issuer refused may have been mended: the next request that needs a token asks for one.
    public func endMistake() {
        update { shared, _ in shared.machine.endMistake() }
        start()
    }

    /// A person asks: however the last try went, the next does not wait.
    public func endPause() {
        update { shared, _ in shared.machine.endBackOff() }
    }

    /// The source has another token, as it says unasked: it is asked now, however the last try went.
    public func sourceChanged() {
        let isFirst = update { shared, _ in
            shared.machine.endBackOff()
            return shared.machine.credential == nil
        }
        refreshNow(cause: isFirst ? .start : .expiry) { _ in }
    }

    /// Refreshes once in `RefreshPolicy.keepAlive` though nobody asks, from now on: what is not used for long enough
    /// ends at some issuers.
    public func keepAlive() {
        guard let interval = snapshot.machine.policy.keepAlive?.wholeNanoseconds, interval > 0 else { return }
        let flight = update { shared, now -> Flight? in
            guard !shared.isForeign, Self.keepAlivePause(shared.record, interval, now: now) == 0,
                shared.machine.refreshIsBarred(now: now.elapsed) == nil
            else { return nil }
            return shared.machine.beginRefresh().map { Flight(replacing: $0) }
        }
        if let flight { startRefresh(flight, .keepAlive) }
        let left = update { shared, now in Self.keepAlivePause(shared.record, interval, now: now) }
        // One that failed, or is under way, is looked at again after a while.
        let pause = left > 0 ? min(left, Self.longestPause) : min(interval, Self.longestPause) / 4
        thread.executeLater(pause) { [weak self] in self?.keepAlive() }
    }

    /// Nanoseconds until the record's token is to be refreshed, though nobody asks.
    private static func keepAlivePause(_ record: SessionRecord, _ interval: Int64, now: Instant) -> Int64 {
        guard !record.isEmpty, let received = record.receivedAt else { return interval }
        let age = max(0, now.wall.subtracting(saturating: received))
        return max(0, interval.subtracting(saturating: Int64(min(age, Int(Int64.max / 2_000_000_000))) * 1_000_000_000))
    }
}
