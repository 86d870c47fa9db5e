import Credentials
import ReverseProxy
import Testing

@Suite struct CredentialApplicationTests {
    @Test(
        arguments: [
            ("Authorization: Bearer {token}", "Authorization", "Bearer ", ""),
            ("X-Api-Token:{token}", "X-Api-Token", "", ""),
            ("Authorization: Zoho-oauthtoken {token}", "Authorization", "Zoho-oauthtoken ", ""),
            ("authorization:\t Token token=\"{token}\" ", "authorization", "Token token=\"", "\""),
            ("x_key: a{token}b", "x_key", "a", "b"),
        ]
    )
    func aFieldLineIsRead(_ text: String, _ field: String, _ prefix: String, _ suffix: String) throws {
        let application = try CredentialApplication(parsing: text)
        #expect(application == CredentialApplication(field: field, prefix: prefix, suffix: suffix))
        let token = try #require(Token("a!{token}|b"))
        #expect(application.value(token) == prefix + "a!{token}|b" + suffix)
    }

    @Test(arguments: [
        "", "{token}", "Bearer {token}", "X-Token", "X-Token:", "X-Token: x", "X-Token: {token} {token}",
        "X Token: {token}",
        ": {token}", "{token}: {token}", "X-Token: {token} {uuid}", "X-Token: }{token}", "X-Token: {token}\r\nX: y",
        "X-Token: é{token}", "Host: {token}", "Cookie: {token}", "Set-Cookie: {token}", "Content-Length: {token}",
        "content_type: {token}", "Transfer-Encoding: {token}", "Connection: {token}", "TE: {token}", "Upgrade: {token}",
        "X-Squire-Key: {token}", "x_squire_other: {token}", "Proxy-Authorization: {token}", "Authorization_: {token}",
        "Via: {token}", "Expect: {token}", "Keep-Alive: {token}", "Host_: {token}",
    ])
    func whatIsNoneIsRefused(_ text: String) {
        #expect(throws: CredentialApplication.Malformed.self) { try CredentialApplication(parsing: text) }
    }

    @Test func itIsASecretUnderEachOfItsNames() {
        var session = SessionConfiguration()
        session.apply = CredentialApplication(field: "X-Ticket", prefix: "", suffix: "")
        for name in ["X-Ticket", "x_ticket", "X-TICKET-", "Authorization", "Cookie"] {
            #expect(session.isSecret(field: name), "\(name)")
        }
        #expect(!session.isSecret(field: "X-Ticket-Id"))
    }
}
