import Testing
import Threads

@testable import Credentials

/// A token whose claims are given; the signature means nothing.
func makeToken(_ identifier: String, life: Int = 3600, notBefore: Int = 1_000_000, issuedAt: Int? = nil) -> Token {
    let claims =
        #"{"iat":\#(issuedAt ?? notBefore),"exp":\#(notBefore + life),"nbf":\#(notBefore),"jti":"\#(identifier)","sub":"7"}"#
    let header = Base64URL.encode(Array(#"{"typ":"JWT","alg":"HS256"}"#.utf8))
    return Token("\(header).\(Base64URL.encode(Array(claims.utf8))).c2ln")!
}

@Suite struct TokenTests {
    @Test func claims() {
        let token = makeToken("a", life: 3600, notBefore: 5000, issuedAt: 1000)
        #expect(token.claims?.lifetime == 3600)  // exp - nbf, never exp - iat
        #expect(token.claims?.subject == "7")
        #expect(token.hasThreeSegments)
        #expect("\(token)" == "(token)" && String(reflecting: token) == "(token)")
        #expect(Mirror(reflecting: token).children.isEmpty)
    }

    @Test(arguments: ["", "a b", "a\r\nX: y", "ä", "a,b", String(repeating: "a", count: 17_000)])
    func refused(_ text: String) {
        #expect(Token(text) == nil)
    }

    @Test func base64() {
        for count in 0..<50 {
            let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 * 37) }
            #expect(Base64URL.decode(Base64URL.encode(bytes)) == bytes)
        }
        #expect(Base64URL.decode("a!") == nil)
    }
}

@Suite struct JSONValueTests {
    @Test(arguments: [
        #"{"a":[1,2.50,-0,1e5,12345678901234567890],"b":{"c":null,"d":true},"e":"x\"\\\n\u00e9"}"#, "[]", "{}", #""""#,
        "0",
    ])
    func roundTrip(_ text: String) throws {
        let value = try #require(JSONValue(parsing: text.utf8))
        #expect(JSONValue(parsing: value.serialized().utf8) == value)
        #expect(JSONValue(parsing: value.serialized(pretty: true).utf8) == value)
    }

    @Test(arguments: [
        "", "{", "[1,]", "{\"a\":1,}", "01", "1.", "+1", "nul", "\"\u{1}\"", "[1] 2", "{a:1}", "\"\\ud800\"", "\"\\x\"",
        "--1",
    ])
    func refused(_ text: String) {
        #expect(JSONValue(parsing: text.utf8) == nil)
    }

    @Test func deepNestingIsRefused() {
        #expect(JSONValue(parsing: String(repeating: "[", count: 100_000).utf8) == nil)
    }

    @Test func pointers() throws {
        let value = try #require(JSONValue(parsing: #"{"a":{"b~/c":[10,{"d":"x"}]},"":1}"#.utf8))
        #expect(value.value(at: "/a/b~0~1c/1/d")?.string == "x")
        #expect(value.value(at: "/a/b~0~1c/0")?.integer == 10)
        #expect(value.value(at: "/")?.integer == 1)
        #expect(value.value(at: "") == value)
        #expect(value.value(at: "/a/x") == nil && value.value(at: "a") == nil)
    }
}

@Suite struct CredentialStateTests {
    private static let second = CredentialState.second
    private let wall = 1_000_000

    private func state(life: Int = 3600, margin: Duration = .seconds(30), canRefresh: Bool = true) -> CredentialState {
        var state = CredentialState(policy: RefreshPolicy(margin: margin, canRefresh: canRefresh))
        publish(&state, makeToken("a", life: life), life: life, now: 0)
        return state
    }

    private func publish(
        _ state: inout CredentialState,
        _ token: Token,
        life: Int,
        now: Int64
    ) {
        let wallNow = wall + Int(now / Self.second)
        var record = SessionRecord()
        record.put(token, origin: .signIn, lifetime: life, now: wallNow)
        state.publish(record, now: now, wall: wallNow)
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
        #expect(state.decide(nil, now: 3570 * Self.second) == .wait(starts: true))
    }

    /// A margin longer than the token's life must not refresh with every request.
    @Test func marginIsAtMostHalfTheLife() {
        let state = state(life: 20)
        #expect(state.isUsable(now: 9 * Self.second))
        #expect(!state.isUsable(now: 10 * Self.second))
    }

    @Test func onlyTheHolderOfTheCurrentGenerationStarts() {
        var state = state()
        #expect(state.decide(Refusal(generation: 1), now: 0) == .wait(starts: true))
        state.beginRefresh()
        #expect(state.decide(Refusal(generation: 1), now: 0) == .wait(starts: false))
        state.endRefresh()
        publish(&state, makeToken("b"), life: 3600, now: 0)
        guard case .use(let credential) = state.decide(Refusal(generation: 1), now: 0) else {
            return #expect(Bool(false))
        }
        #expect(credential.generation == 2)
    }

    /// Once a token was refused, who has not been sent yet waits for the next one; when that does not come, the old one is all there is.
    @Test func newRequestsWaitForWhatComesAfterARefusedToken() {
        var state = state()
        let refusal = Refusal(generation: 1)
        state.note(refusal)
        #expect(state.decide(refusal, now: 0) == .wait(starts: true))
        state.beginRefresh()
        #expect(state.decide(nil, now: 0) == .wait(starts: false))
        _ = state.refreshFailed(retryAfter: 60, jitter: 0, now: 0)
        state.endRefresh()
        guard case .use = state.decide(nil, now: 0) else { return #expect(Bool(false)) }
        #expect(state.living(now: 0)?.generation == 1)
    }

    @Test func refusedTokenNeedsALogin() {
        var state = state()
        state.refreshRefused("So it was.")
        #expect(state.decide(Refusal(generation: 1), now: 0) == .fail(.loginNeeded("So it was.")))
        // Until it expires it may still work.
        guard case .use = state.decide(nil, now: 3590 * Self.second) else {
            return #expect(Bool(false))
        }
        #expect(state.decide(nil, now: 3600 * Self.second) == .fail(.loginNeeded("So it was.")))
        publish(&state, makeToken("b"), life: 3600, now: 0)
        #expect(state.decide(Refusal(generation: 2), now: 0) == .wait(starts: true))
    }

    @Test func backOffGrowsAndHonoursRetryAfter() {
        var state = state()
        #expect(
            state.refreshFailed(retryAfter: nil, jitter: 1, now: 0) == .unavailable(retryAfter: 1, isUnreachable: false)
        )
        // A moment is waited for; more is not.
        #expect(state.decide(Refusal(generation: 1), now: 0) == .wait(starts: true, after: Self.second))
        #expect(state.decide(Refusal(generation: 1), now: 2 * Self.second) == .wait(starts: true))
        for _ in 0..<20 { _ = state.refreshFailed(retryAfter: nil, jitter: 1, now: 0) }
        #expect(
            state.decide(Refusal(generation: 1), now: 0) == .fail(.unavailable(retryAfter: 60, isUnreachable: false))
        )
        #expect(
            state.refreshFailed(retryAfter: nil, jitter: 1, now: 0)
                == .unavailable(retryAfter: 60, isUnreachable: false)
        )
        #expect(
            state.refreshFailed(retryAfter: 300, jitter: 0, now: 0)
                == .unavailable(retryAfter: 300, isUnreachable: false)
        )
    }

    /// A refresh ahead of expiry that fails does not stop a token that still lives.
    @Test func failedMarginRefresh() {
        var state = state()
        _ = state.refreshFailed(retryAfter: 300, jitter: 0, now: 3580 * Self.second)
        guard case .use = state.decide(nil, now: 3590 * Self.second) else {
            return #expect(Bool(false))
        }
        let failure = CredentialFailure.unavailable(retryAfter: 280, isUnreachable: false)
        #expect(state.decide(nil, now: 3600 * Self.second) == .fail(failure))
    }

    @Test func stormControl() {
        var state = state()
        let decide = { (state: CredentialState, path: UInt64, seconds: Int64) in
            state.decide(Refusal(generation: 1, path: path), now: seconds * Self.second)
        }
        state.wasNotCured(1, path: 7, now: 0)
        #expect(decide(state, 7, 0) == .fail(.paused(retryAfter: 30)))
        // One path's own refusals keep no other from a refresh.
        #expect(decide(state, 8, 0) == .wait(starts: true))
        #expect(decide(state, 7, 30) == .wait(starts: true))
        state.wasNotCured(1, path: 7, now: 30 * Self.second)
        #expect(decide(state, 7, 30) == .fail(.paused(retryAfter: 60)))
        #expect(decide(state, 8, 30) == .wait(starts: true))
        // A second one does.
        state.wasNotCured(1, path: 8, now: 31 * Self.second)
        for path in UInt64(7)...9 { #expect(decide(state, path, 31) == .fail(.paused(retryAfter: 120))) }
        for round in 1..<20 {
            state.wasNotCured(1, path: UInt64(round), now: Int64(round) * 1000 * Self.second)
        }
        #expect(decide(state, 1, 19_000) == .fail(.paused(retryAfter: 600)))
        // A path that accepts a token was not of the kind; when none is left, all is as it was.
        for path in UInt64(12)...18 { state.accepted(path: path) }
        #expect(decide(state, 3, 19_000) == .wait(starts: true))
        #expect(decide(state, 19, 19_000) == .fail(.paused(retryAfter: 600)))
        state.accepted(path: 19)
        #expect(!state.isStormy)
        #expect(decide(state, 19, 19_000) == .wait(starts: true))
    }

    @Test func skewedUpstreamGetsTheSameTokenLater() {
        let state = state()
        guard
            case .useAfter(let pause, let credential) = state.decide(
                Refusal(generation: 1, skew: 2 * Self.second),
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
        #expect(state.decide(Refusal(generation: 1), now: 0) == .fail(.notRefreshable))
    }
}
