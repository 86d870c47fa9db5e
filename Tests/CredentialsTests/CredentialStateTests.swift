import Testing

@testable import Credentials

@Suite struct CredentialStateTests {
    private static let second = CredentialState.second
    private let wall = 1_000_000

    private func state(life: Int = 3600, margin: Duration = .seconds(30), canRefresh: Bool = true) -> CredentialState {
        var state = CredentialState(policy: RefreshPolicy(margin: margin), canRefresh: canRefresh)
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
        let verdict = CredentialState.Verdict.failed(.unavailable(), retryAfter: retryAfter, jitter: jitter)
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
        record.put(TokenSet(accessToken: token, expiresIn: life), .signIn, now: wallNow)
        state.publish(record, canRefresh: state.canRefresh, now: Instant(elapsed: now, wall: wallNow))
    }

    /// A request of that route is rejected, and asks for another credential.
    private func reject(
        _ state: inout CredentialState,
        route: UInt64 = 0,
        hadAccepted: Bool = false,
        ledRefresh: Bool = false,
        mayRefresh: Bool = true,
        now: Int64
    ) -> CredentialState.Decision {
        let rejection = Rejection(generation: state.generation, ledRefresh: ledRefresh, mayRefresh: mayRefresh)
        let moment = Instant(elapsed: now, wall: wall + Int(now / Self.second))
        state.rejected(rejection, route: route, hadAccepted: hadAccepted, now: moment)
        return state.decide(Inquiry(route: route, rejection: rejection), now: now)
    }

    /// The upstream refuses to refresh the token.
    private func deny(_ state: inout CredentialState, now: Int64) {
        let replaced = state.beginRefresh() ?? state.generation
        _ = state.endRefresh(replacing: replaced, .denied(explanation: "So it was."), now: now)
    }

    @Test func freshTokenIsUsed() {
        var state = state()
        guard case .use(let credential) = state.decide(Inquiry(), now: 0) else {
            return #expect(Bool(false))
        }
        #expect(credential.generation == 1)
    }

    /// As when a machine learns the time only after its start.
    @Test func aClockThatWasSetBackLengthensNoLife() throws {
        let token = makeToken("a", life: 3600)
        for (arrival, left) in [(SessionRecord.Arrival.signIn, 3600), (.refresh, 3600), (.given, 3600 + 18_000)] {
            var record = SessionRecord()
            let life = arrival == .given ? nil : 3600
            record.put(TokenSet(accessToken: token, expiresIn: life), arrival, now: wall)
            let end = try #require(record.expiresAt)
            let now = Instant(elapsed: 7 * Self.second, wall: end - 3600 - 18_000)
            var state = CredentialState(policy: RefreshPolicy(), canRefresh: true)
            state.publish(record, canRefresh: true, now: now)
            #expect(state.credential?.expiry == Int64(7 + left) * Self.second, "\(arrival)")
        }
    }

    @Test func refreshAheadOfExpiry() {
        var state = state()
        #expect(state.isUsable(now: 3569 * Self.second))
        #expect(state.decide(Inquiry(), now: 3570 * Self.second) == .start(after: 0))
    }

    /// Where other machines must be asked first, the token is used until the refresh is sent.
    @Test func refreshAheadOfExpiryThatOthersAreAskedFor() throws {
        let fleet = RefreshPolicy.Fleet(takeover: .seconds(40), place: 0)
        var state = CredentialState(policy: RefreshPolicy(fleet: fleet), canRefresh: true)
        publish(&state, Token("a")!, life: 3600, now: 0)
        let token = try #require(state.credential)
        let due = 3550 * Self.second
        #expect(state.decide(Inquiry(), now: due) == .startAhead(token))
        #expect(state.beginRefresh() == 1)
        #expect(state.decide(Inquiry(), now: due) == .use(token))
        // Whom the token does not help waits, as does everybody once it may be dead, by age or because it was spent.
        #expect(state.decide(Inquiry(), now: 3600 * Self.second) == .join)
        var refused = state
        #expect(reject(&refused, now: due) == .join)
        #expect(refused.decide(Inquiry(), now: due) == .join)
        var failed = state
        _ = failed.endRefresh(replacing: 1, .failed(.engine, retryAfter: nil, jitter: 0), now: due)
        #expect(failed.decide(Inquiry(), now: due) == .use(token))
        #expect(failed.decide(Inquiry(), now: due + 6 * Self.second) == .startAhead(token))
        #expect(failed.decide(Inquiry(), now: 3600 * Self.second) == .start(after: 0))
        state.beginSpending()
        #expect(state.decide(Inquiry(), now: due) == .join)
        _ = state.endRefresh(replacing: 1, .settled, now: due)
        state.beginSpending()
        #expect(state.refresh == .idle)
    }

    /// A margin longer than the token's life must not refresh with every request.
    @Test func marginIsAtMostATenthOfTheLife() {
        let state = state(life: 30)
        #expect(state.isUsable(now: 26 * Self.second))
        #expect(!state.isUsable(now: 27 * Self.second))
    }

    @Test func onlyTheHolderOfTheCurrentGenerationStarts() {
        var state = state()
        #expect(state.decide(Inquiry(rejection: Rejection(generation: 1)), now: 0) == .start(after: 0))
        #expect(state.beginRefresh() == 1 && state.beginRefresh() == nil)
        #expect(state.decide(Inquiry(rejection: Rejection(generation: 1)), now: 0) == .join)
        publish(&state, makeToken("b"), life: 3600, now: 0)
        #expect(state.endRefresh(replacing: 1, .settled, now: 0) == nil && !state.isRefreshing)
        guard case .use(let credential) = state.decide(Inquiry(rejection: Rejection(generation: 1)), now: 0) else {
            return #expect(Bool(false))
        }
        #expect(credential.generation == 2)
    }

    /// Once a token was refused, who has not been sent yet waits for the next one; when that does not come, the old one
    /// is all there is.
    @Test func newRequestsWaitForWhatComesAfterARefusedToken() {
        var state = state()
        #expect(reject(&state, now: 0) == .start(after: 0))
        #expect(state.beginRefresh() == 1)
        #expect(state.decide(Inquiry(), now: 0) == .join)
        _ = fail(&state, retryAfter: 60, now: 0)
        guard case .use = state.decide(Inquiry(), now: 0) else { return #expect(Bool(false)) }
        #expect(state.unexpired(now: 0)?.generation == 1)
    }

    @Test func refusedTokenNeedsALogin() {
        var state = state()
        let denied = CredentialState.Verdict.denied(explanation: "So it was.")
        #expect(state.beginRefresh() == 1)
        #expect(state.endRefresh(replacing: 1, denied, now: 0) == .loginNeeded("So it was."))
        #expect(state.decide(Inquiry(rejection: Rejection(generation: 1)), now: 0) == .fail(.loginNeeded("So it was.")))
        // Until it expires it may still work.
        guard case .use = state.decide(Inquiry(), now: 3590 * Self.second) else {
            return #expect(Bool(false))
        }
        #expect(state.decide(Inquiry(), now: 3600 * Self.second) == .fail(.loginNeeded("So it was.")))
        publish(&state, makeToken("b"), life: 3600, now: 0)
        #expect(state.decide(Inquiry(rejection: Rejection(generation: 2)), now: 0) == .start(after: 0))
    }

    @Test func backOffGrowsAndHonoursRetryAfter() {
        var state = state()
        #expect(
            fail(&state, now: 0) == .unavailable(retryAfter: 1, isUnreachable: false)
        )
        // A moment is waited for; more is not.
        #expect(state.decide(Inquiry(rejection: Rejection(generation: 1)), now: 0) == .start(after: Self.second))
        #expect(state.decide(Inquiry(rejection: Rejection(generation: 1)), now: 2 * Self.second) == .start(after: 0))
        for _ in 0..<20 { _ = fail(&state, now: 0) }
        #expect(
            state.decide(Inquiry(rejection: Rejection(generation: 1)), now: 0)
                == .fail(.unavailable(retryAfter: 60, isUnreachable: false))
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
        guard case .use = state.decide(Inquiry(), now: 3590 * Self.second) else {
            return #expect(Bool(false))
        }
        let failure = CredentialFailure.unavailable(retryAfter: 280, isUnreachable: false)
        #expect(state.decide(Inquiry(), now: 3600 * Self.second) == .fail(failure))
    }

    @Test func stormControl() {
        var storm = Storm()
        let at = { (seconds: Int64) in seconds * Self.second }
        storm.refreshDidNotHelp(7, now: 0)
        #expect(storm.pauses(7, now: 0) && storm.until == at(30))
        // One route's own rejections keep no other from a refresh.
        #expect(!storm.pauses(8, now: 0) && !storm.pauses(7, now: at(30)))
        storm.refreshDidNotHelp(7, now: at(30))
        #expect(storm.pauses(7, now: at(89)) && storm.until == at(90) && !storm.pauses(8, now: at(30)))
        // A second one does.
        storm.refreshDidNotHelp(8, now: at(31))
        for route in UInt64(7)...9 { #expect(storm.pauses(route, now: at(31)) && storm.until == at(151)) }
        for round in 1..<20 { storm.refreshDidNotHelp(UInt64(round), now: at(Int64(round) * 1000)) }
        #expect(storm.until == at(19_600))
        // A route that accepts a token was not of the kind; when none is left, all is as it was.
        for route in UInt64(12)...18 { storm.accepts(route) }
        #expect(!storm.pauses(3, now: at(19_000)) && storm.pauses(19, now: at(19_000)))
        storm.accepts(19)
        #expect(!storm.isOn && !storm.pauses(19, now: at(19_000)))
    }

    /// Forty requests to a route that always rejects cost one refresh, however they interleave.
    @Test func rejectionOfWhatTheRouteItselfLedTo() {
        var state = state()
        #expect(reject(&state, route: 7, now: 0) == .start(after: 0))
        #expect(state.beginRefresh(ledBy: 7) == 1)
        for _ in 0..<39 { #expect(reject(&state, route: 7, now: 0) == .join) }
        refreshed(&state, makeToken("b"))
        // One that came after the refresh, and has waited for none, starts no other before the one that led is back.
        #expect(reject(&state, route: 7, now: 0) == .awaitLead && state.awaitsLead(now: 0))
        #expect(!state.awaitsLead(now: 1 * Self.second))
        for _ in 0..<39 { #expect(reject(&state, route: 7, mayRefresh: false, now: 0) == .fail(.refreshDidNotHelp)) }
        #expect(!state.storm.isOn)
        let led = reject(&state, route: 7, ledRefresh: true, mayRefresh: false, now: 0)
        #expect(led == .fail(.refreshDidNotHelp) && state.storm.isOn && !state.awaitsLead(now: 0))
        #expect(reject(&state, route: 7, now: 0) == .fail(.paused(retryAfter: 30)))
        #expect(reject(&state, route: 7, now: 11 * Self.second) == .fail(.paused(retryAfter: 19)))
        // Another route's rejection is another matter.
        #expect(reject(&state, route: 8, now: 0) == .start(after: 0))
        state.accepted(7, now: 0)
        #expect(!state.storm.isOn)
    }

    /// The request that led to a refresh may be answered otherwise, or its client may leave: nobody waits for it then.
    @Test func endOfTheRequestThatLed() {
        for endsEarly in [false, true] {
            var state = state()
            #expect(reject(&state, route: 7, now: 0) == .start(after: 0))
            #expect(state.beginRefresh(ledBy: 7) == 1)
            if endsEarly { state.leadEnded(7, replacing: 1) }
            refreshed(&state, makeToken("b"))
            // That of an earlier refresh, or of another route.
            state.leadEnded(7, replacing: 0)
            state.leadEnded(8, replacing: 1)
            #expect(state.awaitsLead(now: 0) == !endsEarly)
            state.leadEnded(7, replacing: 1)
            #expect(!state.awaitsLead(now: 0))
            #expect(reject(&state, route: 7, now: 0) == .start(after: 0))
        }
    }

    /// A route that had accepted the new token does not reject on principle: the token died, by other hands.
    @Test func tokenThatDiesAtOnce() {
        var state = state()
        #expect(reject(&state, route: 7, now: 0) == .start(after: 0))
        #expect(state.beginRefresh(ledBy: 7) == 1)
        refreshed(&state, makeToken("b"))
        #expect(reject(&state, route: 7, hadAccepted: true, now: 0) == .start(after: 0))
    }

    /// The request that led is back, accepted: what the route rejects from now on is the token.
    @Test func acceptanceOfTheOneThatLed() {
        var state = state()
        #expect(reject(&state, route: 7, now: 0) == .start(after: 0))
        #expect(state.beginRefresh(ledBy: 7) == 1)
        refreshed(&state, makeToken("b"))
        #expect(state.wantsAcceptances)
        state.accepted(7, now: 0)
        #expect(!state.wantsAcceptances && reject(&state, route: 7, hadAccepted: true, now: 0) == .start(after: 0))
    }

    /// What a login put in the place of the token is rejected too: no refresh has been in vain yet.
    @Test func rejectionOfANewLogin() {
        var state = state()
        #expect(reject(&state, route: 7, now: 0) == .start(after: 0))
        #expect(state.beginRefresh(ledBy: 7) == 1)
        publish(&state, makeToken("b"), life: 3600, now: 0)
        #expect(state.endRefresh(replacing: 1, .settled, now: 0) == nil)
        #expect(reject(&state, route: 7, ledRefresh: true, now: 0) == .start(after: 0))
        #expect(!state.storm.isOn)
        #expect(state.beginRefresh(ledBy: 7) == 2)
        refreshed(&state, makeToken("c"))
        #expect(reject(&state, route: 7, ledRefresh: true, mayRefresh: false, now: 0) == .fail(.refreshDidNotHelp))
        #expect(state.storm.isOn)
    }

    /// What another process put there has ended before it was heard of: no refresh of this one has been in vain yet.
    @Test func rejectionOfWhatAnotherProcessBrought() {
        var state = state()
        #expect(reject(&state, route: 7, now: 0) == .start(after: 0))
        #expect(state.beginRefresh(ledBy: 7) == 1)
        var record = SessionRecord()
        record.put(TokenSet(accessToken: makeToken("a"), expiresIn: 3600), .signIn, now: wall)
        record.put(TokenSet(accessToken: makeToken("b"), expiresIn: 3600), .refresh, now: wall)
        state.publish(record, canRefresh: true, now: Instant(elapsed: 0, wall: wall))
        #expect(state.endRefresh(replacing: 1, .settled, now: 0) == nil)
        #expect(reject(&state, route: 7, ledRefresh: true, now: 0) == .start(after: 0))
        #expect(!state.storm.isOn)
    }

    private func refreshed(_ state: inout CredentialState, _ token: Token) {
        var record = SessionRecord()
        record.put(TokenSet(accessToken: token, expiresIn: 3600), .refresh, now: wall)
        state.publish(record, canRefresh: state.canRefresh, isRefreshed: true, now: Instant(elapsed: 0, wall: wall))
        #expect(state.endRefresh(replacing: state.generation - 1, .settled, now: 0) == nil)
    }

    /// A request waits for one refresh at most.
    @Test func whoHasWaitedWaitsNoMore() {
        var state = state()
        #expect(reject(&state, mayRefresh: false, now: 0) == .fail(.refreshDidNotHelp))
        #expect(state.beginRefresh() == 1)
        #expect(reject(&state, mayRefresh: false, now: 0) == .fail(.refreshDidNotHelp))
        _ = fail(&state, retryAfter: 60, now: 0)
        let failure = CredentialFailure.unavailable(retryAfter: 60, isUnreachable: false)
        #expect(reject(&state, mayRefresh: false, now: 0) == .fail(failure))
        // Somebody else's token costs no waiting.
        publish(&state, makeToken("b"), life: 3600, now: 0)
        let inquiry = Inquiry(rejection: Rejection(generation: 1, mayRefresh: false))
        guard case .use = state.decide(inquiry, now: 3590 * Self.second) else { return #expect(Bool(false)) }
    }

    @Test func unchangedTokenBacksOff() {
        var state = state()
        #expect(reject(&state, now: 0) == .start(after: 0))
        var pauses: [Int64] = []
        for _ in 0..<8 {
            #expect(state.beginRefresh() == 1)
            _ = state.endRefresh(replacing: 1, .unchanged(jitter: 1), now: 0)
            pauses.append((state.backOffLeft(now: 0) ?? 0) / Self.second)
        }
        #expect(pauses == [4, 8, 16, 32, 60, 60, 60, 60] && state.generation == 1)
        // One that is not doubted, and whose new end is known, is as good as new.
        var renewed = self.state()
        #expect(renewed.beginRefresh() == 1)
        publish(&renewed, makeToken("a", life: 3600), life: 7200, now: 3590 * Self.second)
        #expect(renewed.endRefresh(replacing: 1, .unchanged(jitter: 1), now: 3590 * Self.second) == nil)
        #expect(renewed.generation == 1 && renewed.isUsable(now: 7000 * Self.second))
        #expect(renewed.backOffLeft(now: 3590 * Self.second) == nil)
    }

    // MARK: Dead is dead, and heals

    @Test func routeThatRejectsIsLeftAloneOnceTheRefreshIsRefused() {
        var state = state()
        #expect(reject(&state, route: 7, now: 0) == .start(after: 0))
        deny(&state, now: 0)
        #expect(state.decide(Inquiry(route: 7), now: 0) == .fail(.loginNeeded("So it was.")))
        // Every other one is tried once.
        guard case .use = state.decide(Inquiry(route: 8), now: 0) else { return #expect(Bool(false)) }
        #expect(!state.isDead(now: 0))
        state.accepted(8, now: 0)
        for route in UInt64(8)..<100 {
            guard case .use = state.decide(Inquiry(route: route), now: 0) else { return #expect(Bool(false)) }
            state.accepted(route, now: 0)
        }
        #expect(state.decide(Inquiry(route: 7), now: 29 * Self.second) == .fail(.loginNeeded("So it was.")))
        #expect(!state.isInDoubt)
    }

    @Test func secondRouteThatRejectsMakesTheTokenDead() {
        var state = state()
        _ = reject(&state, route: 7, now: 0)
        deny(&state, now: 0)
        #expect(reject(&state, route: 7, now: 0) == .fail(.loginNeeded("So it was.")) && !state.isDead(now: 0))
        #expect(reject(&state, route: 8, now: 0) == .fail(.loginNeeded("So it was.")) && state.isDead(now: 0))
        #expect(state.decide(Inquiry(route: 9), now: 0) == .fail(.loginNeeded("So it was.")))
    }

    @Test func anAcceptanceBetweenSpeaksForTheToken() {
        var state = state()
        _ = reject(&state, route: 7, now: 0)
        deny(&state, now: 0)
        state.accepted(9, now: 0)
        _ = reject(&state, route: 8, now: 0)
        #expect(!state.isDead(now: 0))
    }

    @Test func routeThatHadAcceptedMakesTheTokenDead() {
        var state = state()
        _ = reject(&state, route: 7, hadAccepted: true, now: 0)
        #expect(!state.isDead(now: 0))
        deny(&state, now: 0)
        #expect(state.isDead(now: 0))
    }

    @Test func deadTokenIsTriedEveryHalfMinuteAndRevived() {
        var state = state()
        _ = reject(&state, route: 7, hadAccepted: true, now: 0)
        deny(&state, now: 0)
        var tries = 0
        for moment in 0..<6000 {
            // A hundred requests a second, for a minute.
            let now = Int64(moment) * Self.second / 100
            guard case .use = state.decide(Inquiry(route: UInt64(moment)), now: now) else { continue }
            tries += 1
            _ = reject(&state, route: UInt64(moment), now: now)
        }
        #expect(tries == 1)
        guard case .use = state.decide(Inquiry(route: 3), now: 60 * Self.second) else { return #expect(Bool(false)) }
        let epoch = state.epoch
        state.accepted(3, now: 60 * Self.second)
        #expect(state.epoch != epoch && !state.isDead(now: 60 * Self.second))
        guard case .use = state.decide(Inquiry(route: 7), now: 60 * Self.second) else { return #expect(Bool(false)) }
        // From now on only a route that has accepted it since speaks against it.
        for route in UInt64(20)..<40 { _ = reject(&state, route: route, now: 61 * Self.second) }
        #expect(!state.isDead(now: 61 * Self.second))
        _ = reject(&state, route: 3, hadAccepted: true, now: 61 * Self.second)
        #expect(state.isDead(now: 61 * Self.second))
    }

    @Test func expiredTokenThatTheUpstreamAcceptsLivesOn() {
        var state = state(canRefresh: false)
        let end = 3600 * Self.second
        #expect(state.isDead(now: end))
        guard case .fail = state.decide(Inquiry(), now: end) else { return #expect(Bool(false)) }
        guard case .use = state.decide(Inquiry(), now: end + 30 * Self.second) else { return #expect(Bool(false)) }
        state.accepted(0, now: end + 30 * Self.second)
        #expect(state.isUsable(now: .max))
    }

    @Test func marksOfOtherProcesses() {
        var record = SessionRecord()
        record.put(TokenSet(accessToken: makeToken("a", life: 3600), expiresIn: 3600), .signIn, now: wall)
        record.isRefreshDenied = true
        let now = Instant(elapsed: 0, wall: wall)
        var state = CredentialState(policy: RefreshPolicy(), canRefresh: true)
        record.rejected = .init(at: wall, isWhole: false)
        state.publish(record, canRefresh: state.canRefresh, now: now)
        #expect(state.isInDoubt && !state.isDead(now: 0))
        record.rejected = .init(at: wall, isWhole: true)
        state.publish(record, canRefresh: state.canRefresh, now: now)
        #expect(state.isDead(now: 0) && state.unwrittenMark == nil)
        // It is tried here, too, but not at once.
        guard case .fail = state.decide(Inquiry(), now: 29 * Self.second) else { return #expect(Bool(false)) }
        // Somebody saw it accepted.
        record.rejected = nil
        state.publish(record, canRefresh: state.canRefresh, now: now)
        #expect(!state.isDead(now: 0) && !state.isInDoubt)
        // What this process saw since is not undone by a file that says nothing new.
        _ = reject(&state, route: 1, hadAccepted: true, now: 0)
        state.publish(record, canRefresh: state.canRefresh, now: now)
        #expect(state.isDead(now: 0) && state.unwrittenMark == .some(.init(at: wall, isWhole: true)))
        state.markWasWritten(.init(at: wall, isWhole: true))
        #expect(state.unwrittenMark == nil)
    }

    /// A refresh that the engine did not permit leaves nothing in the file, so the rejection that led to it is written.
    @Test func rejectionThatTheEngineLeavesUncuredIsWritten() {
        let fleet = RefreshPolicy.Fleet(takeover: .seconds(40), place: 0)
        var state = CredentialState(policy: RefreshPolicy(fleet: fleet), canRefresh: true)
        publish(&state, Token("a")!, life: 3600, now: 0)
        _ = reject(&state, now: 0)
        #expect(state.unwrittenMark == nil)
        _ = state.beginRefresh()
        _ = state.endRefresh(replacing: 1, .failed(.engine, retryAfter: nil, jitter: 0), now: 0)
        let mark = SessionRecord.Rejected(at: wall, isWhole: false)
        #expect(state.unwrittenMark == .some(mark))
        state.markWasWritten(mark)
        #expect(state.unwrittenMark == nil)
        // Neither another request nor another process that saw it, too, is a reason to write.
        _ = reject(&state, now: Self.second)
        state.markWasWritten(.init(at: wall - 5, isWhole: false))
        #expect(state.unwrittenMark == nil)
        // An acceptance is.
        state.accepted(0, now: 2 * Self.second)
        #expect(state.unwrittenMark == .some(nil))
    }

    @Test func skewedUpstreamGetsTheSameTokenLater() {
        var state = state()
        guard
            case .useAfter(let pause, let credential) = state.decide(
                Inquiry(rejection: Rejection(generation: 1, skew: 2 * Self.second)),
                now: 0
            )
        else {
            return #expect(Bool(false))
        }
        #expect(pause == 2 * Self.second && credential.generation == 1)
    }

    @Test func withoutARecipe() {
        var state = state(canRefresh: false)
        guard case .use = state.decide(Inquiry(), now: 3599 * Self.second) else { return #expect(Bool(false)) }
        #expect(reject(&state, now: 0) == .fail(.notRefreshable))
        // The API's own rejections are the client's to see; an expired token is not sent, but for the try.
        for now: Int64 in [0, 3599, 3600] {
            guard case .use = state.decide(Inquiry(), now: now * Self.second) else { return #expect(Bool(false)) }
        }
        guard case .fail(.loginNeeded) = state.decide(Inquiry(), now: 3600 * Self.second) else {
            return #expect(Bool(false))
        }
    }
}
