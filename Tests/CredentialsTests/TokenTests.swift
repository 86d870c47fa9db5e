import Support
import Testing

@testable import Credentials

/// A token whose claims are given; the signature means nothing.
func makeToken(_ identifier: String, life: Int = 3600, notBefore: Int = 1_000_000, issuedAt: Int? = nil) -> Token {
    let claims =
        #"{"iat":\#(issuedAt ?? notBefore),"exp":\#(notBefore + life),"nbf":\#(notBefore),"jti":"\#(identifier)","sub":"7"}"#
    let header = Base64URL.encode(Array(#"{"typ":"JWT","alg":"HS256"}"#.utf8))
    return Token("\(header).\(Base64URL.encode(Array(claims.utf8))).c2ln")!
}

@Suite struct TokenTests {
    @Test func anEndThatIsNotBelievedHasAReason() {
        #expect(TokenLife.doubt(of: 5, now: 5) == "which has passed")
        #expect(TokenLife.doubt(of: UTCTime.range.upperBound, now: 5) == "more than 10 years away")
        #expect(TokenLife.doubt(of: 6, now: 5) == "which does not fit its beginning")
    }

    @Test func claimsAreReadAndTheValueIsNeverShown() {
        let token = makeToken("a", life: 3600, notBefore: 5000, issuedAt: 1000)
        #expect(token.claims?.lifetime == 3600)  // exp - nbf, never exp - iat
        #expect(token.claims?.subject == "7")
        #expect(token.hasThreeSegments)
        #expect("\(token)" == "(token)" && String(reflecting: token) == "(token)")
        #expect(Mirror(reflecting: token).children.isEmpty)
    }

    private static func token(_ claims: String) throws -> Token {
        try #require(Token("e30.\(Base64URL.encode(Array(claims.utf8))).c2ln"))
    }

    /// Without `nbf`: some issuers leave `iat` at the first login, so that `exp - iat` grows.
    @Test(
        arguments: [
            (#""iat":1000000,"exp":1003600"#, 1_003_600), (#""iat":5,"exp":1000600"#, 1_000_600),
            (#""exp":1000600"#, 1_000_600),
            (#""iat":0,"exp":1000600"#, 1_000_600), (#""iat":1000000,"exp":1000000"#, nil), (#""exp":999999"#, nil),
            // This machine's clock is behind.
            (#""iat":2000000,"exp":2003600"#, 1_003_600), (#""iat":9,"nbf":2000000,"exp":2003600"#, 1_003_600),
            (#""iat":1e300,"exp":1e300"#, nil),
        ] as [(String, Int?)]
    )
    func lifeIsNeverExpMinusIatAlone(_ claims: String, _ end: Int?) throws {
        let token = try Self.token("{\(claims)}")
        var record = SessionRecord()
        record.put(TokenSet(accessToken: token), .refresh, now: 1_000_000)
        if claims.contains("e300") { return #expect((record.expiresAt ?? .max) > 1_000_000) }
        #expect(record.expiresAt == end)
        // By the issuer's clock, which its answer says.
        let dated = TokenSet(accessToken: token).dated(2_000_000)
        #expect(dated.expiresIn == (claims.contains("2003600") && !claims.contains("nbf") ? 3600 : nil))
    }

    @Test(arguments: [
        #""name":"Jo\ud83d","#,
        #""deep":\#(String(repeating: "[", count: 1900) + String(repeating: "]", count: 1900)),"#,
    ])
    func claimsBesideWhatIsBroken(_ odd: String) throws {
        let claims = try #require(Self.token(#"{\#(odd)"exp":2000,"nbf":1000,"sub":"42"}"#).claims)
        #expect(claims.subject == "42" && claims.lifetime == 1000)
    }

    @Test(arguments: ["", "a b", "a\r\nX: y", "ä", "a\u{7F}", String(repeating: "a", count: 17_000)])
    func textThatIsNotVisibleASCIIIsRefused(_ text: String) {
        #expect(Token(text) == nil)
    }

    /// Salesforce, Amazon and eBay issue such ones.
    @Test(arguments: ["00D!abc", "Atza|x", "v^1.1#i^1#p^3", "a,b:c;d%e&f"])
    func visibleCharactersAreTaken(_ text: String) throws {
        #expect(Token(text)?.value == text)
        #expect(try Token(pasted: text).value == text && Token(issued: text).value == text)
    }

    @Test(arguments: ["abc\n", "abc\r", " abc", "Bearer abc", "a\0c", "\u{FEFF}abc", "", "ab\u{80}"])
    func whatIssuersMustNotWrite(_ text: String) {
        #expect(throws: TokenProblem.self) { try Token(issued: text) }
    }

    @Test(arguments: ["'", "\"", "`", "\\", "$"])
    func whatIssuedTokensDoNotHold(_ character: String) throws {
        let text = "abc\(character)def"
        #expect(try Token(pasted: text).value == text)
        let problem = #expect(throws: TokenProblem.self) { try Token(issued: text) }
        #expect(problem?.description.contains("character 4") == true)
    }

    /// Microsoft's for personal accounts end with `$$`.
    @Test(arguments: ["M.C500_BAY.0.U.-Cabc!def*ghi$$", "a'b\"c`d\\e", "<r>", "{r}"])
    func whatRefreshesMayHoldAnyVisibleCharacter(_ text: String) throws {
        #expect(try Token(issuedToRefresh: text).value == text)
        #expect(throws: TokenProblem.self) { try Token(issued: text) }
        var record = SessionRecord()
        record.putRefreshToken(try Token(issuedToRefresh: text), now: 1_000_000)
        #expect(SessionRecord(parsing: record.serialized())?.refreshToken?.value == text)
    }

    @Test(arguments: ["", "a b", "a\n", "a\u{7F}", "\u{80}", " a", String(repeating: "a", count: 17_000)])
    func whatRefreshesMustNotHold(_ text: String) {
        #expect(throws: TokenProblem.self) { try Token(issuedToRefresh: text) }
    }

    @Test(arguments: ["<html>", "{token}", "[a]"])
    func whatIsInBracketsIsNoIssuedToken(_ text: String) {
        let problem = #expect(throws: TokenProblem.self) { try Token(issued: text) }
        #expect(problem?.description.contains("character 1") == true)
    }

    @Test(arguments: [
        "abc", " abc\r\n", "\u{FEFF}abc", "Bearer abc", "bearer\t abc ", "\u{FEFF} BEARER abc\u{FEFF}",
        "\u{A0}abc\u{2003}",
    ])
    func pastedTextLosesItsSurroundings(_ text: String) throws {
        #expect(try Token(pasted: text) == Token("abc"))
    }

    @Test(
        arguments: [
            ("", "empty"), ("\u{FEFF} \n", "empty"), ("Bearer \n", "empty"), ("bearer", "empty"),
            ("\"abc\"", "jq needs -r"), ("'abc'", "quoted"),
            ("\u{201C}abc\u{201D}", "quotation mark"), ("abc def", "character 4 is a blank"), ("{\"token\":1}", "JSON"),
            ("<html>", "HTML"), ("\u{FFFD}\u{FFFD}a\0b\0", "UTF-16"), ("a\0", "zero byte"), ("ab\u{1B}[31m", "U+001B"),
            ("ab\u{E9}", "character 3 is U+00E9"), (" \u{301}abc", "character 1 is U+0301"), ("{\"a\"}", "JSON"),
            (String(repeating: "a", count: 20_000), "16 KiB"),
        ]
    )
    func whatIsWrongIsNamed(_ text: String, _ words: String) {
        let problem = #expect(throws: TokenProblem.self) { try Token(pasted: text) }
        let description = problem?.description ?? ""
        #expect(description.contains(words))
        #expect(description.unicodeScalars.allSatisfy { ("\u{20}"..."~").contains($0) })
    }

    @Test func base64() {
        for count in 0..<50 {
            let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 * 37) }
            #expect(Base64URL.decode(Base64URL.encode(bytes)) == bytes)
        }
        #expect(Base64URL.decode("a!") == nil)
    }
}
