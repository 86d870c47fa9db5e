import Credentials
import HTTP1
import ReverseProxy
import Testing

@Suite struct ExchangeTests {
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

    private func exchange(_ route: RouteKind = .ordinary, _ method: MethodName = .post) -> Exchange {
        Exchange(route: route, method: method, carriesCredential: route == .ordinary, missing: .refuse)
    }

    /// A second refusal, of a token that was just refreshed, is the request's own: no second refresh.
    @Test func secondRejectionOfAFreshTokenIsRelayed() {
        var exchange = exchange()
        #expect(exchange.credentialArrived(.success(credential(1))) == .send)
        exchange.attemptBegins()
        #expect(exchange.headArrived(status: 401, verdict: .rejected, isReplayable: true) == .hold)
        #expect(exchange.mayRefresh)
        #expect(exchange.credentialArrived(.success(credential(2, isRefreshed: true))) == .send)
        exchange.attemptBegins()
        #expect(exchange.headArrived(status: 401, verdict: .rejected, isReplayable: true) == .hold)
        #expect(!exchange.mayRefresh)
        #expect(exchange.credentialArrived(.failure(.refreshDidNotHelp)) == .relayUncured)
        #expect(exchange.attempts == 2 && exchange.generation == 2)
    }

    /// Other processes rotate too: what they left may be dead already.
    @Test func aTokenOfOthersMayBeDeadToo() {
        var exchange = Exchange(
            route: .ordinary,
            method: .post,
            hasBody: true,
            carriesCredential: true,
            missing: .refuse
        )
        for generation in Generation(1)...2 {
            #expect(exchange.credentialArrived(.success(credential(generation))) == .send)
            exchange.attemptBegins()
            #expect(exchange.headArrived(status: 401, verdict: .rejected, isReplayable: true) == .hold)
            #expect(exchange.mayRefresh)
        }
        #expect(exchange.credentialArrived(.success(credential(3, isRefreshed: true))) == .send)
        exchange.attemptBegins()
        #expect(exchange.headArrived(status: 401, verdict: .rejected, isReplayable: true) == .relay)
    }

    @Test func failureRelaysTheHeldAnswer() {
        var exchange = exchange()
        _ = exchange.credentialArrived(.success(credential(1)))
        exchange.attemptBegins()
        _ = exchange.headArrived(status: 401, verdict: .rejected, isReplayable: true)
        #expect(exchange.credentialArrived(.failure(.loginNeeded())) == .relayHeld(.loginNeeded()))
    }

    /// Who must wait and cannot is told to come again, not that the login is gone.
    @Test func tooManyWaitingIsNotTheApisRefusal() {
        var exchange = exchange()
        _ = exchange.credentialArrived(.success(credential(1)))
        exchange.attemptBegins()
        _ = exchange.headArrived(status: 401, verdict: .rejected, isReplayable: true)
        #expect(exchange.credentialArrived(.failure(.overloaded)) == .refuse(.overloaded))
    }

    @Test(
        arguments: [
            ("b", nil, nil, Exchange.CredentialAction.refuseSwitched), ("b", "7", "7", .send),
            ("b", "7", "8", .refuseSwitched),
            ("a", nil, nil, .send),
        ] as [(String, String?, String?, Exchange.CredentialAction)]
    )
    func requestOfAnotherCustomerIsNotReplayed(
        _ login: String,
        _ first: String?,
        _ second: String?,
        _ expected: Exchange.CredentialAction
    ) {
        var exchange = exchange()
        _ = exchange.credentialArrived(.success(credential(1, subject: first)))
        exchange.attemptBegins()
        _ = exchange.headArrived(status: 401, verdict: .rejected, isReplayable: true)
        #expect(exchange.credentialArrived(.success(credential(2, login: login, subject: second))) == expected)
    }

    @Test func unkeptBodyIsNotSentAgain() {
        var exchange = exchange()
        _ = exchange.credentialArrived(.success(credential(1)))
        exchange.attemptBegins()
        #expect(exchange.headArrived(status: 401, verdict: .rejected, isReplayable: false) == .hold)
        #expect(exchange.credentialArrived(.success(credential(2))) == .relayRefreshed)
    }

    /// A dead connection and a refused token together: still two copies of the body at most.
    @Test func aBodyIsSentTwiceAtMost() {
        var exchange = Exchange(
            route: .ordinary,
            method: .put,
            hasBody: true,
            carriesCredential: true,
            missing: .refuse
        )
        _ = exchange.credentialArrived(.success(credential(1)))
        exchange.attemptBegins()
        #expect(exchange.connectionBroke(wasReused: true, isReplayable: true) == .sendAgain)
        exchange.attemptBegins()
        #expect(exchange.headArrived(status: 401, verdict: .rejected, isReplayable: true) == .hold)
        #expect(exchange.credentialArrived(.success(credential(2))) == .relayRefreshed)
    }

    @Test func signInNeverReplays() {
        var exchange = exchange(.signIn)
        exchange.attemptBegins()
        #expect(exchange.headArrived(status: 401, verdict: .rejected, isReplayable: true) == .relay)
        #expect(exchange.headArrived(status: 200, verdict: .accepted, isReplayable: true) == .collect(.signIn))
    }

    @Test func onlyIdempotentRequestsAreSentAgainAfterADeadConnection() {
        for (method, wasReused, expected) in [
            (MethodName.get, true, Exchange.FaultAction.sendAgain), (.get, false, .fail), (.post, true, .fail),
            (.put, true, .sendAgain),
        ] {
            var exchange = exchange(.ordinary, method)
            exchange.attemptBegins()
            #expect(exchange.connectionBroke(wasReused: wasReused, isReplayable: true) == expected)
            // Once at most.
            if expected == .sendAgain {
                #expect(exchange.connectionBroke(wasReused: true, isReplayable: true) == .fail)
            }
        }
    }
}
