import Testing

@testable import ReverseProxy

@Suite struct SecretFieldTests {
    @Test(
        arguments: [
            "Authorization", "proxy-authorization", "Cookie", "SET-COOKIE", "X-API-Key", "X-Squire-Key", "X-My-App-Key",
            "X-API-Authorization", "DLC-Authorization", "X-Auth-Token", "X_Auth_Token", "Client-Secret", "ApiKey",
            "X-Session", "X-Hub-Signature", "X-Amz-Credential",
        ]
    )
    func holdSecrets(_ name: String) { #expect(SecretField.isNamed(name)) }

    @Test(
        arguments: [
            "WWW-Authenticate", "X-Request-ID", "Idempotency-Key", "Application", "Api-Version", "Device-UUID", "Host",
            "Accept", "X-Key", "Key", "", "-", "X-Author", "Sec-WebSocket-Key",
        ]
    )
    func holdNone(_ name: String) { #expect(!SecretField.isNamed(name)) }
}
