import Credentials
import Testing
import TokenSources

@testable import ReverseProxy

extension TokenFinder {
    /// Only the tokens.
    fileprivate func find(in body: [UInt8], date: String?, wall: Int) -> TokenSet? {
        guard case .tokens(let tokens) = look(in: body, date: date, wall: wall) else { return nil }
        return tokens
    }
}

@Suite struct TokenFinderTests {
    private func find(_ body: String) -> TokenSet? {
        var recipe = SessionConfiguration.Refresh(method: "POST", path: "/", token: "/t")
        recipe.expiresIn = "/in"
        recipe.expiresAt = "/at"
        return TokenFinder(recipe).find(in: Array(body.utf8), date: nil, wall: 1000)
    }

    @Test(
        arguments: [
            (#""in":3600"#, 3600), (#""in":"3600""#, 3600), (#""in":3600.5"#, 3600), (#""in":null"#, nil),
            (#""in":0"#, nil),
            (#""in":-1"#, nil), (#""in":"zzz""#, nil), (#""in":false"#, nil), (#""in":{}"#, nil), (#""at":1500"#, 500),
            (#""at":900"#, nil), (#""in":1e300"#, nil), (#""in":1e999"#, nil),
        ] as [(String, Int?)]
    )
    func lifetimeIsReadFromEitherMember(_ member: String, _ expected: Int?) throws {
        let found = try #require(find(#"{"t":"abc",\#(member)}"#))
        #expect(found.accessToken == Token("abc") && found.expiresIn == expected)
    }

    @Test(
        "A token that cannot be used is told from none",
        arguments: [
            (#"{"t":"two words"}"#, "the token at /t cannot be used: character 4"), (#"{"t":7}"#, "the token at /t"),
            (#"{"t":"ok"}"#, nil), (#"{"t":""}"#, nil), (#"{"x":"ok"}"#, nil), ("", nil), ("<html>", nil),
        ]
    )
    func tokensThatAreNone(_ body: String, _ expected: String?) {
        let recipe = SessionConfiguration.Refresh(method: "POST", path: "/", token: "/t")
        var problem: String?
        let finding = TokenFinder(recipe).look(in: Array(body.utf8), date: nil, wall: 0)
        if case .unusable(let reason, _) = finding { problem = reason }
        #expect(problem?.hasPrefix(expected ?? "?") ?? (expected == nil))
        #expect(problem?.contains("two words") != true)
    }

    @Test func spansMayBeMinutesAndClockTimes() throws {
        var recipe = SessionConfiguration.Refresh(method: "POST", path: "/", token: "/t")
        recipe.expiresIn = .init("/in", unit: .minutes)
        let find = { (body: String) in TokenFinder(recipe).find(in: Array(body.utf8), date: nil, wall: 1000)?.expiresIn
        }
        #expect(find(#"{"t":"abc","in":10}"#) == 600)
        #expect(find(#"{"t":"abc","in":"1:00:00"}"#) == 3600)
    }

    @Test func refreshTokenThatCannotBeKeptMakesTheAnswerUseless() {
        var recipe = SessionConfiguration.Refresh(method: "POST", path: "/", token: "/t")
        recipe.refreshToken = "/r"
        let find = { (body: String) in TokenFinder(recipe).find(in: Array(body.utf8), date: nil, wall: 1000) }
        #expect(find(#"{"t":"abc","r":"next"}"#)?.refreshToken == Token("next"))
        #expect(find(#"{"t":"abc","r":""}"#)?.accessToken == Token("abc"))
        #expect(find(#"{"t":"abc","r":null}"#)?.accessToken == Token("abc"))
        for value in [#""a b""#, "7", "false", "[]", #"{"value":"next"}"#] {
            #expect(find(#"{"t":"abc","r":\#(value)}"#) == nil, "\(value)")
        }
    }

    @Test func otherBodiesHoldNoToken() {
        for body in ["", "{}", #"{"t":1}"#, #"{"t":"a b"}"#, #"{"error":"invalid_grant"}"#] {
            #expect(find(body) == nil)
        }
    }

    private static let jwt = "e30.e30.c2ln"

    @Test(
        arguments: [
            (#"{"token":"\#(jwt)"}"#, jwt), (#"{"access_token":"abc","id_token":"x"}"#, "abc"),
            (#"{"token":"opaque","data":{"token":{"value":"abc"}}}"#, "abc"), (#"{"session":{"jwt":"\#(jwt)"}}"#, jwt),
            (#"{"data":{"accessToken":"\#(jwt)"},"token":null}"#, jwt), (#"{"token":"a challenge's"}"#, nil),
            (#"{"token":"challenge"}"#, nil),
        ]
    )
    func withoutARecipeTheUsualPlacesAreLookedAt(_ body: String, _ token: String?) {
        let found = TokenFinder(nil).find(in: Array(body.utf8), date: nil, wall: 1000)
        #expect(found?.accessToken == token.flatMap { Token($0) })
    }

    @Test func withARecipeNoOtherPlaceIs() { #expect(find(#"{"token":"abc"}"#) == nil) }
}

@Suite struct TokenPlacesTests {
    @Test func aRecipeSaysWhereTokensAre() {
        var session = SessionConfiguration()
        #expect(session.tokenPlaces == TokenPlaces())
        var recipe = SessionConfiguration.Refresh(method: "POST", path: "/renew?t={token}&x=1", token: "/session/jwt")
        recipe.refreshToken = "/session/renew"
        recipe.body = #"{"a":{"r/n":["x","{refresh-token}"]},"id":"{uuid}"}"#
        session.refresh = recipe
        #expect(session.tokenPlaces.pointers == ["/session/jwt", "/session/renew", "/a/r~1n/1"])
        #expect(session.tokenPlaces.parameters == ["t"])
        recipe.body = "grant=x&renew={refresh-token}"
        session.refresh = recipe
        #expect(session.tokenPlaces.pointers == ["/session/jwt", "/session/renew"])
        #expect(session.tokenPlaces.parameters == ["t", "renew"])
    }
}
