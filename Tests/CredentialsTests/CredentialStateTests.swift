import Testing

@testable import Credentials

@Suite struct CredentialStateTests {
    private static let second = CredentialState.second
    private let wall = 1_000_000

    private func state(life: Int = 3600, margin: Duration = .seconds(30), canRefresh: Bool = true) -> CredentialState {
        var state = CredentialState(policy: RefreshPolicy(margin: margin, canRefresh: canRefresh))
        publish(&state, makeToken("a", life: life), life: life, now: 0)
        return state
    }

    /// A refresh that fails for now. Nil when the state has nothing to say of it.
    private func fail(
        _ state: inout CredentialState,
        retryAfter: Int? = nil,
        jitter: Double = 1,
        now: Int64
    ) -> CredentialFailure? {
        let replaced = state.beginRefresh() ?? state.generation
        let verdict = CredentialState.Verdict.failed(retryAfter: retryAfter, isUnreachable: false, jitter: jitter)
        return state.endRefresh(replacing: replaced, verdict, now: now)
    }

    private func publish(
        _ state: inout CredentialState,
        _ token: Token,
        life: Int,
        now: Int64
    ) {
        let wallNow = wall + Int(now / Self.second)
        var record = SessionRecord()
        record.put(token, source: .signIn, lifetime: life, now: wallNow)
        state.publish(record, now: Instant(elapsed: now, wall: wallNow))
    }

    @Test func freshTokenIsUsed() {
        let state = state()
        guard case .use(let credential) = state.decide(nil, now: 0) else {
            return #expect(Bool(false))
        }
        #expect(credential.generation == 1)
    }

    @Test func refreshAheadOfExpiry() {
        let state = state()
        #expect(state.isUsable(now: 3569 * Self.second))
        #expect(state.decide(nil, now: 3570 * Self.second) == .start(after: 0))
    }

    /// A margin longer than the token's life must not refresh with every request.
    @Test func marginIsAtMostAThirdOfTheLife() {
        let state = state(life: 30)
        #expect(state.isUsable(now: 19 * Self.second))
        #expect(!state.isUsable(now: 20 * Self.second))
    }

    @Test func onlyTheHolderOfTheCurrentGenerationStarts() {
        var state = state()
        #expect(state.decide(Rejection(generation: 1), now: 0) == .start(after: 0))
        #expect(state.beginRefresh() == 1 && state.beginRefresh() == nil)
        #expect(state.decide(Rejection(generation: 1), now: 0) == .join)
        publish(&state, makeToken("b"), life: 3600, now: 0)
        #expect(state.endRefresh(replacing: 1, .settled, now: 0) == nil && !state.isRefreshing)
        guard case .use(let credential) = state.decide(Rejection(generation: 1), now: 0) else {
            return #expect(Bool(false))
        }
        #expect(credential.generation == 2)
    }

    /// Once a token was refused, who has not been sent yet waits for the next one; when that does not come, the old one
    /// is all there is.
    @Test func newRequestsWaitForWhatComesAfterARefusedToken() {
        var state = state()
        let rejection = Rejection(generation: 1)
        state.record(rejection)
        #expect(state.decide(rejection, now: 0) == .start(after: 0))
        #expect(state.beginRefresh() == 1)
        #expect(state.decide(nil, now: 0) == .join)
        _ = fail(&state, retryAfter: 60, now: 0)
        guard case .use = state.decide(nil, now: 0) else { return #expect(Bool(false)) }
        #expect(state.unexpired(now: 0)?.generation == 1)
    }

    @Test func refusedTokenNeedsALogin() {
        var state = state()
        let denied = CredentialState.Verdict.denied(explanation: "So it was.")
        #expect(state.beginRefresh() == 1)
        #expect(state.endRefresh(replacing: 1, denied, now: 0) == .loginNeeded("So it was."))
        #expect(state.decide(Rejection(generation: 1), now: 0) == .fail(.loginNeeded("So it was.")))
        // Until it expires it may still work.
        guard case .use = state.decide(nil, now: 3590 * Self.second) else {
            return #expect(Bool(false))
        }
        #expect(state.decide(nil, now: 3600 * Self.second) == .fail(.loginNeeded("So it was.")))
        publish(&state, makeToken("b"), life: 3600, now: 0)
        #expect(state.decide(Rejection(generation: 2), now: 0) == .start(after: 0))
    }

    @Test func backOffGrowsAndHonoursRetryAfter() {
        var state = state()
        #expect(
            fail(&state, now: 0) == .unavailable(retryAfter: 1, isUnreachable: false)
        )
        // A moment is waited for; more is not.
        #expect(state.decide(Rejection(generation: 1), now: 0) == .start(after: Self.second))
        #expect(state.decide(Rejection(generation: 1), now: 2 * Self.second) == .start(after: 0))
        for _ in 0..<20 { _ = fail(&state, now: 0) }
        #expect(
            state.decide(Rejection(generation: 1), now: 0) == .fail(.unavailable(retryAfter: 60, isUnreachable: false))
        )
        #expect(
            fail(&state, now: 0)
                == .unavailable(retryAfter: 60, isUnreachable: false)
        )
        #expect(
            fail(&state, retryAfter: 300, jitter: 0, now: 0)
                == .unavailable(retryAfter: 300, isUnreachable: false)
        )
    }

    /// A refresh ahead of expiry that fails does not stop a token that still lives.
    @Test func failedMarginRefresh() {
        var state = state()
        _ = fail(&state, retryAfter: 300, jitter: 0, now: 3580 * Self.second)
        guard case .use = state.decide(nil, now: 3590 * Self.second) else {
            return #expect(Bool(false))
        }
        let failure = CredentialFailure.unavailable(retryAfter: 280, isUnreachable: false)
        #expect(state.decide(nil, now: 3600 * Self.second) == .fail(failure))
    }

    @Test func stormControl() {
        var state = state()
        let decide = { (state: CredentialState, path: UInt64, seconds: Int64) in
            state.decide(Rejection(generation: 1, path: path), now: seconds * Self.second)
        }
        state.refreshDidNotHelp(1, path: 7, now: 0)
        #expect(decide(state, 7, 0) == .fail(.paused(retryAfter: 30)))
        // One path's own refusals keep no other from a refresh.
        #expect(decide(state, 8, 0) == .start(after: 0))
        #expect(decide(state, 7, 30) == .start(after: 0))
        state.refreshDidNotHelp(1, path: 7, now: 30 * Self.second)
        #expect(decide(state, 7, 30) == .fail(.paused(retryAfter: 60)))
        #expect(decide(state, 8, 30) == .start(after: 0))
        // A second one does.
        state.refreshDidNotHelp(1, path: 8, now: 31 * Self.second)
        for path in UInt64(7)...9 { #expect(decide(state, path, 31) == .fail(.paused(retryAfter: 120))) }
        for round in 1..<20 {
            state.refreshDidNotHelp(1, path: UInt64(round), now: Int64(round) * 1000 * Self.second)
        }
        #expect(decide(state, 1, 19_000) == .fail(.paused(retryAfter: 600)))
        // A path that accepts a token was not of the kind; when none is left, all is as it was.
        for path in UInt64(12)...18 { state.accepted(path: path) }
        #expect(decide(state, 3, 19_000) == .start(after: 0))
        #expect(decide(state, 19, 19_000) == .fail(.paused(retryAfter: 600)))
        state.accepted(path: 19)
        #expect(!state.isStormy)
        #expect(decide(state, 19, 19_000) == .start(after: 0))
    }

    @Test func skewedUpstreamGetsTheSameTokenLater() {
        let state = state()
        guard
            case .useAfter(let pause, let credential) = state.decide(
                Rejection(generation: 1, skew: 2 * Self.second),
                now: 0
            )
        else {
            return #expect(Bool(false))
        }
        #expect(pause == 2 * Self.second && credential.generation == 1)
    }

    @Test func withoutARecipe() {
        let state = state(canRefresh: false)
        guard case .use = state.decide(nil, now: 9999 * Self.second) else {
            return #expect(Bool(false))
        }
        #expect(state.decide(Rejection(generation: 1), now: 0) == .fail(.notRefreshable))
    }
}
