import Credentials
import ReverseProxy
import Testing

@Suite struct TokenFinderTests {
    private func find(_ body: String) -> TokenSet? {
        var recipe = SessionConfiguration.Refresh(method: "POST", path: "/", token: "/t")
        recipe.expiresIn = "/in"
        recipe.expiresAt = "/at"
        return TokenFinder(recipe).find(in: Array(body.utf8), wall: 1000)
    }

    @Test(
        arguments: [
            (#""in":3600"#, 3600), (#""in":"3600""#, 3600), (#""in":3600.5"#, 3600), (#""in":null"#, nil),
            (#""in":0"#, nil),
            (#""in":-1"#, nil), (#""in":"zzz""#, nil), (#""in":false"#, nil), (#""in":{}"#, nil), (#""at":1500"#, 500),
            (#""at":900"#, nil), (#""in":1e300"#, 100_000_000_000), (#""in":1e999"#, nil),
        ] as [(String, Int?)]
    )
    func lifetimeIsReadFromEitherMember(_ member: String, _ expected: Int?) throws {
        let found = try #require(find(#"{"t":"abc",\#(member)}"#))
        #expect(found.accessToken == Token("abc") && found.expiresIn == expected)
    }

    @Test func otherBodiesHoldNoToken() {
        for body in ["", "{}", #"{"t":1}"#, #"{"t":"a b"}"#, #"{"error":"invalid_grant"}"#] {
            #expect(find(body) == nil)
        }
    }
}
