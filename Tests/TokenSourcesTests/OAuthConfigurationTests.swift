import Testing
import TokenSources

@Suite struct OAuthConfigurationTests {
    private static let key = OAuthConfiguration.AssertionSigning(key: .file("/key.pem"))

    @Test(
        "A grant that a person must begin spends, and no other",
        arguments: [
            (OAuthConfiguration.Grant.authorizationCode, true), (.deviceCode, true), (.clientCredentials, false),
            (.jwtBearer(.init(signing: key)), false), (.tokenExchange(.init(subjectToken: .file("/token"))), false),
        ] as [(OAuthConfiguration.Grant, Bool)]
    )
    func spends(_ grant: OAuthConfiguration.Grant, _ expected: Bool) {
        #expect(grant.spends == expected)
    }

    @Test(
        "An endpoint is https, or http to this machine",
        arguments: [
            ("https://login.example.com/token", "https://login.example.com/token"),
            ("HTTPS://Login.Example.com:443/a?b=secret", "https://login.example.com/a"),
            ("http://127.0.0.1:8901/o/token/", "http://127.0.0.1:8901/o/token/"), ("http://[::1]/t", "http://[::1]/t"),
            ("http://localhost", "http://localhost/"), ("http://login.example.com/token", nil), ("http://127.1/t", nil),
            ("https://user:secret@example.com/", nil), ("https://example.com/#part", nil), ("https:///token", nil),
            ("https://example.com/a b", nil), ("ftp://example.com/", nil), ("/token", nil), ("", nil),
            ("https://example.com:0/", nil), ("https://ex\u{E4}mple.com/", nil),
            ("https://example.com\\@evil.com/", nil),
        ] as [(String, String?)]
    )
    func endpoints(_ text: String, _ shown: String?) {
        #expect((try? EndpointURL(text))?.description == shown)
    }

    @Test(
        "A scope that lacks the word for a refresh token is found",
        arguments: [
            ("read offline", nil), ("read,offline", nil), ("offline", nil), ("read offline2", "offline"),
            (nil, "offline"), ("", "offline"),
        ] as [(String?, String?)]
    )
    func offlineScope(_ scope: String?, _ missing: String?) {
        var configuration = OAuthConfiguration()
        configuration.scope = scope
        #expect(configuration.missingScope == nil)
        configuration.offlineScope = "offline"
        #expect(configuration.missingScope == missing)
        configuration.grant = .clientCredentials
        #expect(configuration.missingScope == nil)
    }
}
