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
    @Test func claims() {
        let token = makeToken("a", life: 3600, notBefore: 5000, issuedAt: 1000)
        #expect(token.claims?.lifetime == 3600)  // exp - nbf, never exp - iat
        #expect(token.claims?.subject == "7")
        #expect(token.hasThreeSegments)
        #expect("\(token)" == "(token)" && String(reflecting: token) == "(token)")
        #expect(Mirror(reflecting: token).children.isEmpty)
    }

    @Test(arguments: ["", "a b", "a\r\nX: y", "ä", "a\u{7F}", String(repeating: "a", count: 17_000)])
    func refused(_ text: String) {
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

    @Test(arguments: [
        "abc", " abc\r\n", "\u{FEFF}abc", "Bearer abc", "bearer\t abc ", "\u{FEFF} BEARER abc\u{FEFF}",
        "\u{A0}abc\u{2003}",
    ])
    func pasted(_ text: String) throws {
        #expect(try Token(pasted: text) == Token("abc"))
    }

    @Test(
        arguments: [
            ("", "empty"), ("\u{FEFF} \n", "empty"), ("Bearer \n", "empty"), ("bearer", "empty"),
            ("\"abc\"", "jq needs -r"), ("'abc'", "quoted"),
            ("\u{201C}abc\u{201D}", "quotation mark"), ("abc def", "character 4 is a blank"), ("{\"token\":1}", "JSON"),
            ("<html>", "HTML"), ("\u{FFFD}\u{FFFD}a\0b\0", "UTF-16"), ("a\0", "zero byte"), ("ab\u{1B}[31m", "U+001B"),
            ("ab\u{E9}", "character 3 is U+00E9"), ("{\"a\"}", "JSON"),
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
