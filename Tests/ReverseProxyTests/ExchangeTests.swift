import Credentials
import HTTP1
import ReverseProxy
import Testing

private func credential(
    _ generation: Generation,
    login: String = "a",
    subject: String? = nil,
    isRefreshed: Bool = false
) -> Credential {
    Credential(
        generation: generation,
        token: Token("t\(generation)")!,
        principal: Principal(lineage: login, subject: subject),
        expiry: nil,
        expiresAt: nil,
        receivedAt: 0,
        isRefreshed: isRefreshed
    )
}

private func exchange(
    _ route: RouteKind = .ordinary,
    _ method: MethodName = .post,
    hasBody: Bool = false,
    missing: SessionConfiguration.Missing = .refuse
) -> Exchange {
    let carries = route == .ordinary || route == .signOut
    return Exchange(
        .init(route: route, method: method, hasBody: hasBody, carriesCredential: carries, missing: missing)
    )
}

/// One in `sending`, with the credential of generation 1.
private func sending(_ method: MethodName = .post, hasBody: Bool = false) -> Exchange {
    var exchange = exchange(.ordinary, method, hasBody: hasBody)
    _ = exchange.start()
    _ = exchange.credentialArrived(.success(credential(1)))
    return exchange
}

/// One in `holding`.
private func holding(isReplayable: Bool = true, hasBody: Bool = false) -> Exchange {
    var exchange = sending(hasBody: hasBody)
    _ = exchange.headArrived(status: 401, verdict: .rejected, isReplayable: isReplayable)
    return exchange
}

private func collecting(_ purpose: Exchange.Purpose) -> Exchange {
    var exchange: Exchange
    switch purpose {
    case .verdict:
        exchange = sending()
        _ = exchange.headArrived(status: 400, verdict: .needsBody, isReplayable: true)
    case .signIn, .signOut:
        exchange = ReverseProxyTests.exchange(purpose == .signIn ? .signIn : .signOut)
        _ = exchange.start()
        _ = exchange.credentialArrived(.success(credential(1)))
        _ = exchange.headArrived(status: 200, verdict: .accepted, isReplayable: true)
    }
    return exchange
}

private func settling() -> Exchange {
    var exchange = collecting(.signIn)
    _ = exchange.bodyCollected(status: 200, isRejection: false, isReplayable: true)
    return exchange
}

private func relaying() -> Exchange {
    var exchange = sending()
    _ = exchange.headArrived(status: 200, verdict: .accepted, isReplayable: true)
    return exchange
}

private func tunnelling() -> Exchange {
    var exchange = sending(.get)
    _ = exchange.upstreamSwitched()
    return exchange
}

private func finished(_ outcome: ExchangeRecord.Outcome = .complete) -> Exchange {
    var exchange = relaying()
    _ = exchange.finish(outcome)
    return exchange
}

/// The table of what each event means in each state: rows in the order of the exchange's life.
@Suite struct ExchangeTransitionTests {
    /// One in each state.
    private static let states: [Exchange] = [
        exchange(), sending(), holding(), collecting(.verdict), collecting(.signIn), settling(), relaying(),
        tunnelling(),
        finished(),
    ]

    @Test func eachStateCanBeReached() {
        let expected: [Exchange.State] = [
            .awaitingCredential, .sending, .holding(isReplayable: true), .collecting(.verdict, isReplayable: true),
            .collecting(.signIn, isReplayable: false), .settling, .relaying, .tunnelling, .finished(.complete),
        ]
        #expect(Self.states.map(\.state) == expected)
    }

    @Test func startSaysWhatToAskFor() {
        for (route, expected) in [
            (RouteKind.ordinary, Exchange.StartAction.askForCredential(settled: false)),
            (.signOut, .askForCredential(settled: true)), (.signIn, .send), (.anonymous, .send), (.refresh, .refresh),
        ] {
            var exchange = exchange(route)
            #expect(exchange.start() == expected)
            #expect(exchange.attempts == (expected == .send ? 1 : 0))
            #expect(exchange.state == (expected == .send ? .sending : .awaitingCredential))
        }
    }

    @Test func credentialIsUsedWhereItWasAskedFor() {
        for var exchange in Self.states {
            let before = exchange.state
            let action = exchange.credentialArrived(.success(credential(2)))
            switch before {
            case .awaitingCredential, .holding:
                #expect(action == .send && exchange.state == .sending && exchange.generation == 2)
            default:
                #expect(action == .ignore && exchange.state == before)
            }
        }
    }

    @Test func failureOfTheSessionEndsOrRelays() {
        for failure in [
            CredentialFailure.loginNeeded(), .notRefreshable, .unavailable(retryAfter: 1, isUnreachable: false),
            .paused(retryAfter: 1), .refreshDidNotHelp, .notWritable("x"), .overloaded, .shuttingDown,
        ] {
            for var exchange in Self.states {
                let before = exchange.state
                let action = exchange.credentialArrived(.failure(failure))
                switch (before, failure) {
                case (.awaitingCredential, _): #expect(action == .fail(failure) && exchange.state == before)
                case (.holding, .overloaded): #expect(action == .fail(failure) && exchange.state == before)
                case (.holding, .refreshDidNotHelp): #expect(action == .relayUncured && exchange.state == .relaying)
                case (.holding, _): #expect(action == .relayHeld(failure) && exchange.state == .relaying)
                default: #expect(action == .ignore && exchange.state == before)
                }
            }
        }
    }

    @Test func requestGoesWithoutCredentialIfThatIsConfigured() {
        for (failure, expected) in [
            (CredentialFailure.loginNeeded(), Exchange.CredentialAction.send), (.overloaded, .fail(.overloaded)),
            (.notRefreshable, .fail(.notRefreshable)), (.shuttingDown, .fail(.shuttingDown)),
        ] {
            var exchange = exchange(missing: .forward)
            _ = exchange.start()
            #expect(exchange.credentialArrived(.failure(failure)) == expected)
            #expect(exchange.generation == 0)
            // Sent without one, it is not sent again: a rejection is what it asked for.
            if expected == .send {
                #expect(exchange.headArrived(status: 401, verdict: .rejected, isReplayable: true) == .relay)
            }
        }
    }

    @Test func headIsDecidedOnOnceWhileSending() {
        for var exchange in Self.states {
            let before = exchange.state
            let action = exchange.headArrived(status: 200, verdict: .accepted, isReplayable: true)
            if case .sending = before {
                #expect(action == .relay && exchange.state == .relaying)
            } else {
                #expect(action == .ignore && exchange.state == before)
            }
        }
    }

    @Test func bodyDecidesWhileCollecting() {
        for isRejection in [false, true] {
            for var exchange in Self.states {
                let before = exchange.state
                let action = exchange.bodyCollected(status: 200, isRejection: isRejection, isReplayable: true)
                switch before {
                case .collecting(.verdict, _):
                    #expect(action == (isRejection ? .hold : .relay))
                    #expect(exchange.state == (isRejection ? .holding(isReplayable: true) : .relaying))
                case .collecting(.signIn, _): #expect(action == .learnToken && exchange.state == .settling)
                default: #expect(action == .ignore && exchange.state == before)
                }
            }
        }
        var signOut = collecting(.signOut)
        #expect(signOut.bodyCollected(status: 200, isRejection: false, isReplayable: true) == .forgetToken)
        #expect(signOut.state == .settling)
        // More of it went upstream meanwhile than is kept.
        var outgrown = collecting(.verdict)
        #expect(outgrown.bodyCollected(status: 400, isRejection: true, isReplayable: false) == .hold)
        #expect(outgrown.credentialArrived(.success(credential(2))) == .relayRefreshed)
    }

    /// `GET /logout` of an API that says "200, and an error in the body" instead of 401.
    @Test("A sign-out whose body is searched for a rejection ends the session, unless it is one")
    func searchedSignOut() {
        for (status, isRejection, expected) in [
            (200, false, Exchange.VerdictAction.forgetToken), (204, false, .forgetToken), (200, true, .hold),
            (400, false, .relay), (302, false, .relay),
        ] {
            var exchange = exchange(.signOut)
            _ = exchange.start()
            _ = exchange.credentialArrived(.success(credential(1)))
            #expect(exchange.headArrived(status: status, verdict: .needsBody, isReplayable: true) == .collect(.verdict))
            #expect(exchange.bodyCollected(status: status, isRejection: isRejection, isReplayable: true) == expected)
            guard isRejection else { continue }
            // Rejected with each credential there was: the session was not ended.
            for generation in [2, 3] as [Generation] {
                _ = exchange.credentialArrived(.success(credential(generation)))
                #expect(
                    exchange.headArrived(status: status, verdict: .rejected, isReplayable: true)
                        == (generation == 2 ? .hold : .relay)
                )
            }
        }
    }

    @Test("Only a sign-out that carried the session's credential ends it, and not with a safe method but GET")
    func signOutOfSomebodyElse() {
        for method in [MethodName.post, .get, .delete, .head, .options, .trace] {
            for hasCredential in [true, false] {
                var exchange = Exchange(
                    .init(route: .signOut, method: method, carriesCredential: hasCredential, missing: .forward)
                )
                _ = exchange.start()
                if hasCredential { _ = exchange.credentialArrived(.success(credential(1))) }
                let ends = hasCredential && ![.head, .options, .trace].contains(method)
                let action = exchange.headArrived(status: 204, verdict: .accepted, isReplayable: true)
                #expect(action == (ends ? .collect(.signOut) : .relay), "\(method) \(hasCredential)")
            }
        }
        // Nobody is logged in, and `missing: forward` sends it bare.
        var bare = exchange(.signOut, missing: .forward)
        _ = bare.start()
        _ = bare.credentialArrived(.failure(.loginNeeded("")))
        #expect(bare.state == .sending)
        #expect(bare.headArrived(status: 200, verdict: .accepted, isReplayable: true) == .relay)
    }

    @Test func onlySuccessIsAcceptance() {
        for status in [101, 200, 204, 206, 299, 304] { #expect(Exchange.isAcceptance(status)) }
        for status in [100, 103, 300, 302, 400, 401, 403, 404, 407, 429, 500, 503] {
            #expect(!Exchange.isAcceptance(status))
        }
    }

    @Test func collectedResponseIsRelayedOnce() {
        for var exchange in Self.states {
            let before = exchange.state
            switch before {
            case .collecting, .settling:
                let isFirst = exchange.relayCollected()
                #expect(isFirst && exchange.state == .relaying)
                let isSecond = exchange.relayCollected()
                #expect(!isSecond)
            default:
                let relays = exchange.relayCollected()
                #expect(!relays && exchange.state == before)
            }
        }
    }

    @Test func upstreamSwitchesWhileSending() {
        for var exchange in Self.states {
            let before = exchange.state
            let switches = exchange.upstreamSwitched()
            #expect(switches == (before == .sending))
            #expect(exchange.state == (before == .sending ? .tunnelling : before))
        }
    }

    @Test func brokenConnectionMattersWhileSending() {
        for var exchange in Self.states {
            let before = exchange.state
            let action = exchange.connectionBroke(wasReused: true, isReplayable: true)
            #expect(action == (before == .sending ? .fail : .ignore))
            #expect(exchange.state == before)
        }
    }

    @Test func failureIsShownByWhatTheClientHasHeard() {
        let expected: [Exchange.FailureAction] = [
            .respond, .respond, .respond, .respond, .respond, .respond, .cut, .cut, .ignore,
        ]
        #expect(Self.states.map { $0.failed() } == expected)
    }

    @Test func everyStateEndsOnce() {
        for outcome in [ExchangeRecord.Outcome.complete, .local, .clientGone, .upstreamBroke, .shutDown] {
            for var exchange in Self.states {
                let wasFinished = exchange.isFinished
                let isFirst = exchange.finish(outcome)
                #expect(isFirst == !wasFinished && exchange.isFinished)
                let isSecond = exchange.finish(.complete)
                #expect(!isSecond)
                if !wasFinished { #expect(exchange.state == .finished(outcome)) }
            }
        }
    }

    @Test func clientThatMissedItsResponseIsGone() {
        for var exchange in Self.states + [finished(.local)] {
            let before = exchange.state
            exchange.clientMissedResponse()
            #expect(exchange.state == (before == .finished(.complete) ? .finished(.clientGone) : before))
        }
    }
}

@Suite struct ExchangeReplayTests {
    /// A second rejection, of a credential that was just refreshed, is the request's own: no second refresh.
    @Test func secondRejectionOfAFreshCredentialIsRelayed() {
        var exchange = holding()
        #expect(exchange.mayRefresh)
        #expect(exchange.credentialArrived(.success(credential(2, isRefreshed: true))) == .send)
        #expect(exchange.headArrived(status: 401, verdict: .rejected, isReplayable: true) == .hold)
        #expect(!exchange.mayRefresh)
        #expect(exchange.credentialArrived(.failure(.refreshDidNotHelp)) == .relayUncured)
        #expect(exchange.attempts == 2 && exchange.generation == 2)
    }

    /// Other processes rotate too: what they left may be dead already.
    @Test func credentialOfOthersMayBeDeadToo() {
        var exchange = holding(hasBody: true)
        #expect(exchange.mayRefresh)
        #expect(exchange.credentialArrived(.success(credential(2))) == .send)
        #expect(exchange.headArrived(status: 401, verdict: .rejected, isReplayable: true) == .hold)
        #expect(exchange.mayRefresh)
        #expect(exchange.credentialArrived(.success(credential(3, isRefreshed: true))) == .send)
        #expect(exchange.headArrived(status: 401, verdict: .rejected, isReplayable: true) == .relay)
    }

    @Test(
        arguments: [
            ("b", nil, nil, Exchange.CredentialAction.failSwitched), ("b", "7", "7", .send),
            ("b", "7", "8", .failSwitched), ("a", nil, nil, .send),
        ] as [(String, String?, String?, Exchange.CredentialAction)]
    )
    func requestOfAnotherPrincipalIsNotReplayed(
        _ login: String,
        _ first: String?,
        _ second: String?,
        _ expected: Exchange.CredentialAction
    ) {
        var exchange = exchange()
        _ = exchange.start()
        _ = exchange.credentialArrived(.success(credential(1, subject: first)))
        _ = exchange.headArrived(status: 401, verdict: .rejected, isReplayable: true)
        #expect(exchange.credentialArrived(.success(credential(2, login: login, subject: second))) == expected)
        #expect(exchange.attempts == (expected == .send ? 2 : 1))
    }

    @Test func unkeptBodyIsNotSentAgain() {
        var exchange = holding(isReplayable: false)
        #expect(exchange.state == .holding(isReplayable: false))
        #expect(exchange.credentialArrived(.success(credential(2))) == .relayRefreshed)
        #expect(exchange.state == .relaying)
    }

    /// A dead connection and a rejected credential together: still two copies of the body at most.
    @Test func bodyIsSentTwiceAtMost() {
        var exchange = sending(.put, hasBody: true)
        #expect(exchange.connectionBroke(wasReused: true, isReplayable: true) == .sendAgain)
        #expect(exchange.headArrived(status: 401, verdict: .rejected, isReplayable: true) == .hold)
        #expect(exchange.credentialArrived(.success(credential(2))) == .relayRefreshed)
    }

    /// A pair of tokens is not replaced by a bare one, nor what a command gives.
    /// A refused expectation of Squire's own costs none of the two times that a body may be sent.
    @Test func refusedExpectationIsDroppedOnce() {
        var exchange = sending(hasBody: true)
        let isDropped = [exchange.expectationRefused(), exchange.expectationRefused()]
        #expect(isDropped == [true, false] && exchange.state == .sending && exchange.attempts == 2)
        let action = exchange.headArrived(status: 401, verdict: .rejected, isReplayable: true)
        #expect(action == .hold && exchange.state == .holding(isReplayable: true))
        var held = holding()
        let isDroppedLate = held.expectationRefused()
        #expect(!isDroppedLate)
    }

    @Test func whatIsLearntOrNoSignInIsNotPassedOver() {
        #expect(!exchange(.ordinary).passesOver(signIn: 200) && !exchange(.signIn).passesOver(signIn: 200))
    }

    @Test func whereNothingIsLearntASignInIsRelayed() {
        var exchange = Exchange(
            .init(route: .signIn, method: .post, carriesCredential: false, missing: .refuse, learnsToken: false)
        )
        _ = exchange.start()
        #expect(exchange.headArrived(status: 200, verdict: .accepted, isReplayable: true) == .relay)
        #expect(exchange.passesOver(signIn: 204) && !exchange.passesOver(signIn: 401))
        var session = SessionConfiguration()
        #expect(session.learnsTokens)
        session.refresh = .init(method: "POST", path: "/r", token: "/t")
        #expect(session.learnsTokens)
        session.refresh?.refreshToken = "/refresh"
        #expect(!session.learnsTokens)
        session.source = .unused
        #expect(!session.learnsTokens)
    }

    @Test func signInNeverReplays() {
        var exchange = exchange(.signIn)
        _ = exchange.start()
        #expect(exchange.headArrived(status: 401, verdict: .rejected, isReplayable: true) == .relay)
    }

    @Test func onlyIdempotentRequestsAreSentAgainAfterADeadConnection() {
        for (method, wasReused, expected) in [
            (MethodName.get, true, Exchange.BreakAction.sendAgain), (.get, false, .fail), (.post, true, .fail),
            (.put, true, .sendAgain), (.other, true, .fail),
        ] {
            var exchange = sending(method)
            #expect(exchange.connectionBroke(wasReused: wasReused, isReplayable: true) == expected)
            // Once at most.
            if expected == .sendAgain {
                #expect(exchange.connectionBroke(wasReused: true, isReplayable: true) == .fail)
            }
        }
    }
}

/// Random sequences of events, in any order, late and repeated.
@Suite struct ExchangeSequenceTests {
    private struct Random: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return (state >> 33) ^ (state << 31)
        }
    }

    /// What the outside world has seen of one exchange.
    private struct World {
        var ends = 0
        var sent = 0
        var relays = 0
        var responses = 0
        var held = 0
        var heldSettled = 0
        var bodyCopies = 0
    }

    @Test(arguments: [UInt64(1), 2, 3, 4])
    func invariantsHoldWhateverComes(_ seed: UInt64) {
        var random = Random(state: seed)
        for _ in 0..<30_000 {
            let route = [RouteKind.ordinary, .ordinary, .ordinary, .signIn, .signOut, .anonymous].randomElement(
                using: &random
            )!
            let method = [MethodName.get, .post, .put].randomElement(using: &random)!
            let hasBody = Bool.random(using: &random)
            let missing: SessionConfiguration.Missing = Bool.random(using: &random) ? .refuse : .forward
            var exchange = exchange(route, method, hasBody: hasBody, missing: missing)
            var world = World()
            func begun(_ exchange: Exchange) {
                world.sent += 1
                world.bodyCopies += 1
            }
            if exchange.start() == .send { begun(exchange) }
            for _ in 0..<Int.random(in: 1...24, using: &random) {
                let before = exchange.state
                let wasFinished = exchange.isFinished
                switch Int.random(in: 0..<9, using: &random) {
                case 0:
                    let isSuccess = Bool.random(using: &random)
                    let fresh = credential(
                        .random(in: 1...4, using: &random),
                        login: Bool.random(using: &random) ? "a" : "b",
                        isRefreshed: Bool.random(using: &random)
                    )
                    let failure = [
                        CredentialFailure.loginNeeded(), .overloaded, .refreshDidNotHelp, .notRefreshable,
                    ].randomElement(using: &random)!
                    let action = exchange.credentialArrived(isSuccess ? .success(fresh) : .failure(failure))
                    if case .holding = before, action != .ignore { world.heldSettled += 1 }
                    switch action {
                    case .send: begun(exchange)
                    case .relayRefreshed, .relayHeld, .relayUncured: world.relays += 1
                    case .fail, .failSwitched:
                        #expect(exchange.failed() == .respond)
                        if exchange.finish(.local) {
                            world.ends += 1
                            world.responses += 1
                        }
                    case .ignore: break
                    }
                case 1, 2:
                    let verdicts = [RejectionPolicy.Verdict.accepted, .rejected, .needsBody, .unknown]
                    let verdict = verdicts.randomElement(using: &random)!
                    let status = [200, 401, 403, 500].randomElement(using: &random)!
                    switch exchange.headArrived(status: status, verdict: verdict, isReplayable: .random(using: &random))
                    {
                    case .relay: world.relays += 1
                    case .hold: world.held += 1
                    case .collect, .ignore: break
                    }
                case 3:
                    switch exchange.bodyCollected(
                        status: [200, 400].randomElement(using: &random)!,
                        isRejection: .random(using: &random),
                        isReplayable: true
                    ) {
                    case .relay: world.relays += 1
                    case .hold: world.held += 1
                    case .learnToken, .forgetToken, .ignore: break
                    }
                case 4: if exchange.relayCollected() { world.relays += 1 }
                case 5: if method == .get, exchange.upstreamSwitched() { world.relays += 1 }
                case 6:
                    switch exchange.connectionBroke(wasReused: .random(using: &random), isReplayable: true) {
                    case .sendAgain: begun(exchange)
                    case .fail:
                        #expect(exchange.failed() == .respond)
                        if exchange.finish(.local) {
                            world.ends += 1
                            world.responses += 1
                        }
                    case .ignore: break
                    }
                case 7:
                    switch exchange.failed() {
                    case .respond:
                        if exchange.finish(.local) {
                            world.ends += 1
                            world.responses += 1
                        }
                    case .cut: if exchange.finish(.upstreamBroke) { world.ends += 1 }
                    case .ignore: #expect(wasFinished)
                    }
                    if case .holding = before { world.heldSettled += 1 }
                default:
                    guard Int.random(in: 0..<4, using: &random) == 0 else { continue }
                    let outcome = [ExchangeRecord.Outcome.complete, .clientGone, .shutDown].randomElement(
                        using: &random
                    )!
                    if exchange.finish(outcome) { world.ends += 1 }
                    if case .holding = before { world.heldSettled += 1 }
                }
                // Nothing happens after the end.
                if wasFinished { #expect(exchange.state == before) }
                #expect(exchange.attempts == world.sent)
            }
            let sentAfterEnd = world
            if exchange.finish(.shutDown) {
                if case .holding = exchange.state {}
                world.ends += 1
            }
            #expect(world.ends == 1)
            #expect(world.relays <= 1)
            #expect(world.relays + world.responses <= 1 || (world.relays == 1 && world.responses == 0))
            #expect(world.bodyCopies <= (hasBody ? 3 : 5))
            #expect(sentAfterEnd.heldSettled <= sentAfterEnd.held)
            #expect(exchange.credentialArrived(.success(credential(9))) == .ignore)
            #expect(exchange.headArrived(status: 200, verdict: .accepted, isReplayable: true) == .ignore)
            #expect(exchange.connectionBroke(wasReused: true, isReplayable: true) == .ignore)
        }
    }
}
