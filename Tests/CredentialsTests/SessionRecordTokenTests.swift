import Credentials
import Testing

@Suite struct SessionRecordTokenTests {
    /// Whatever an issuer gives for a token, the record has it as it was given.
    @Test(arguments: [
        "Bearer", "bearer", "BEARER.", "a", "Bearer:x", "~", String(repeating: "x", count: Token.maxBytes),
    ])
    func holdsAnIssuersTokenAsItCame(_ text: String) throws {
        let token = try Token(issued: text)
        var record = SessionRecord()
        record.put(TokenSet(accessToken: token), .refresh, now: 1_800_000_000)
        #expect(record.token == token)
    }
}
