import Testing

@testable import Credentials

/// Sources that mint tokens give the same one again until it ends.
@Suite struct SameTokenTests {
    private static let second = CredentialState.second
    private static let wall = 1_000_000

    private static func publish(_ state: inout CredentialState, _ token: String, life: Int?, now: Int64) {
        let wall = wall + Int(now / second)
        var record = SessionRecord()
        record.put(TokenSet(accessToken: Token(token)!, expiresIn: life), .refresh, now: wall)
        state.publish(record, canRefresh: true, now: Instant(elapsed: now, wall: wall))
    }

    private static func state(life: Int?) -> CredentialState {
        var state = CredentialState(
            policy: RefreshPolicy(margin: .seconds(30)),
            canRefresh: true,
            spends: false
        )
        publish(&state, "opaque", life: life, now: 0)
        return state
    }

    /// Asks whenever it may until `end`, in vain. Returns when, in milliseconds.
    private static func ask(_ state: inout CredentialState, from start: Int64, to end: Int64) -> [Int64] {
        var moments: [Int64] = []
        var now = start
        while now <= end {
            moments.append(now / 1_000_000)
            guard let flight = state.beginRefresh() else { break }
            let failure = state.endRefresh(replacing: flight, .unchanged(jitter: 1), now: now)
            guard let left = state.backOffLeft(now: now) else { break }
            #expect(failure == .unchanged(retryAfter: CredentialState.seconds(left)))
            now += left
        }
        return moments
    }

    @Test func itIsAskedForAgainWhenItEnds() {
        var state = Self.state(life: 300)
        #expect(state.usableUntil == 270 * Self.second)
        #expect(Self.ask(&state, from: 275 * Self.second, to: 299 * Self.second) == [275_000, 285_000, 295_000])
        // Until then requests use it; then the first one asks.
        guard case .use = state.decide(Inquiry(), now: 299 * Self.second) else { return #expect(Bool(false)) }
        #expect(state.decide(Inquiry(), now: 300 * Self.second) == .start(after: 0))
    }

    /// The clocks of the two differ, perhaps, or the issuer is slow to make another.
    @Test func afterItsEndItIsAskedForMoreAndMoreRarely() {
        var state = Self.state(life: 300)
        _ = Self.ask(&state, from: 275 * Self.second, to: 299 * Self.second)
        let moments = Self.ask(&state, from: 300 * Self.second, to: 340 * Self.second)
        #expect(moments == [300_000, 301_000, 303_000, 307_000, 315_000, 325_000, 335_000])
        // Requests wait while that is short.
        var fresh = Self.state(life: 300)
        _ = Self.ask(&fresh, from: 300 * Self.second, to: 301 * Self.second)
        #expect(fresh.decide(Inquiry(), now: 301 * Self.second) == .start(after: 2 * Self.second))
    }

    @Test func theLastMomentIsASecondLong() {
        var state = Self.state(life: 300)
        let last = 300 * Self.second - 200_000_000
        #expect(Self.ask(&state, from: last, to: 301 * Self.second) == [299_800, 300_800])
    }

    /// One that is refused, and ends nobody knows when, is not asked for all the time.
    @Test func withoutAKnownEndTheSourceIsLeftAlone() {
        var state = Self.state(life: nil)
        let rejection = Rejection(generation: state.generation, ledRefresh: false, mayRefresh: true)
        state.rejected(rejection, route: 7, hadAccepted: false, now: Instant(elapsed: 0, wall: Self.wall))
        #expect(Self.ask(&state, from: 0, to: 25 * Self.second) == [0, 10_000, 20_000])
        Self.publish(&state, "other", life: 300, now: 25 * Self.second)
        #expect(state.backOffLeft(now: 25 * Self.second) == nil)
    }
}
