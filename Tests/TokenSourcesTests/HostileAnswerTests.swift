import Credentials
import Testing
import Upstream

@testable import TokenSources

/// Whatever a server answers: nothing traps, no secret is said, and what is believed lies within bounds.
@Suite struct HostileAnswerTests {
    private static let pieces = [
        "{", "}", "[", "]", ":", ",", "\"", "\"access_token\":", "\"error\":", "\"refresh_token\":", "\"expires_in\":",
        "\"expires_at\":", "\"error_description\":", "\"secret-refresh\"", "\"secret-access\"", "\"invalid_grant\"",
        "\"invalid_client\"", "1e999", "-1", "3600", "\"2026-11-24T10:02:11Z\"", "\"1:2:3\"", "null", "true",
        "\"a'b\"", "\"\\u0000\"", "access_token=", "error=", "&", "%", "%73ecret-refresh", "c2VjcmV0LXJlZnJlc2g",
        "\u{202E}", "<html>", "\u{FEFF}", "\"token_type\":\"DPoP\"", "\"interval\":5",
    ]

    @Test(arguments: 0..<8)
    func anything(_ seed: UInt64) {
        var random = Generator(state: seed &* 0x9E37_79B9_7F4A_7C15 | 1)
        let held = HeldTokens(accessToken: Token("secret-access")!, refreshToken: Token("secret-refresh")!)
        for _ in 0..<400 {
            let count = Int.random(in: 0..<14, using: &random)
            var body = (0..<count).flatMap { _ in Array(Self.pieces.randomElement(using: &random)!.utf8) }
            if count % 5 == 0, !body.isEmpty {
                body[Int.random(in: 0..<body.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            let status = [200, 200, 400, 401, 403, 500, 302].randomElement(using: &random)!
            let location = ["https://a.example/secret-refresh", "//x", "http://b", ""].randomElement(using: &random)!
            let response = BlockingRequest.Response(status: status, fields: [("Location", location)], body: body)
            var configuration = OAuthConfiguration()
            configuration.authentication = .secret(.plain("x"), form: nil)
            let answer = TokenAnswer(response, configuration, hiding: ["secret-access", "secret-refresh"])
            for purpose in [TokenPurpose.spend, .mint] {
                let reply = answer.reply(for: purpose, held: held, wall: Int.random(in: .min ... .max, using: &random))
                let said = reply.outcome.reason + (reply.error ?? "")
                let isSecret = ["secret-refresh", "secret-access", "%73ecret-refresh", "c2VjcmV0LXJlZnJlc2g"]
                    .filter { said.contains($0) }
                #expect(isSecret.isEmpty, "\(said)")
                #expect(
                    said.utf8.count < 700 && said.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x202E }
                )
                if case .obtained(let tokens, _) = reply.outcome {
                    #expect((1...ExpiryReader.longest).contains(tokens.expiresIn ?? 1))
                    #expect(status == 200)
                }
            }
        }
    }

    private struct Generator: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return state
        }
    }
}
