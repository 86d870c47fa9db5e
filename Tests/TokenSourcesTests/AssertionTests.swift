import Credentials
import Cryptography
import Support
import Testing

@testable import TokenSources

@Suite struct AssertionTests {
    private static let good = FakeServer.Answer.json(#"{"access_token":"new","expires_in":3600}"#)
    private static let type = "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer"

    private struct Parsed {
        var header = JSONValue.null
        var claims = JSONValue.null
        var isValid = false
        private static let ec = try? PrivateKey(pem: Keys.ec)
        private static let rsa = try? PrivateKey(pem: Keys.rsa)

        init(_ assertion: String?) {
            let parts = (assertion ?? "").split(separator: ".").map(String.init)
            guard parts.count == 3, let signature = Base64URL.decode(parts[2]) else { return }
            header = Base64URL.decode(parts[0]).flatMap { JSONValue(parsing: $0) } ?? .null
            claims = Base64URL.decode(parts[1]).flatMap { JSONValue(parsing: $0) } ?? .null
            let input = Array("\(parts[0]).\(parts[1])".utf8)
            switch header["alg"]?.string {
            case "ES256": isValid = Self.ec?.verifies(signature, of: input) ?? false
            case "RS256": isValid = Self.rsa?.verifies(signature, of: input) ?? false
            default: break
            }
        }
    }

    @Test(
        "A key is read in each of its forms",
        arguments: [
            (Keys.ec, "ES256"), (Keys.ecSEC1, "ES256"), (Keys.rsaPKCS1, "RS256"), (Keys.rsa, "RS256"),
            (Keys.jwk, "ES256"), (Keys.serviceAccount, "RS256"), (Keys.rsaJWK(["n", "e", "d"]), "RS256"),
            (Keys.rsaJWK(["n", "e", "d", "p", "q"]), "RS256"),
            (Keys.rsaJWK(["n", "e", "d", "p", "q", "dp", "dq", "qi"]), "RS256"),
            ("-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n" + Keys.ec, "ES256"),
            (Keys.ec.replacingAll("\n", with: "\r\n"), "ES256"),
        ] as [(String, String)]
    )
    func forms(_ text: String, _ algorithm: String) throws {
        #expect(try SigningKey(text).algorithm.rawValue == algorithm)
    }

    @Test(
        "What is no such key is refused with the reason, and nothing of it",
        arguments: [
            ("", "no private key"), ("secret", "no private key"), ("{", "not JSON"), ("{}", "no private key"),
            ("-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n", "cut"),
            ("-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----", "neither"),
            ("-----BEGIN ENCRYPTED PRIVATE KEY-----\nc2VjcmV0\n-----END ENCRYPTED PRIVATE KEY-----", "pass phrase"),
            (Keys.ec384, "neither"), (Keys.shortRSA, "neither"),
            (#"{"kty":"RSA","n":"AQAB","e":"AQAB"}"#, "missing"),
            (#"{"kty":"EC","crv":"P-384","d":"c2VjcmV0"}"#, "neither"),
            (#"{"kty":"oct","k":"c2VjcmV0"}"#, "no private"),
            (#"{"kty":"RSA","n":"AQAB","e":"AQAB","d":"AQAB"}"#, "neither"),
        ] as [(String, String)]
    )
    func refusals(_ text: String, _ part: String) {
        do {
            _ = try SigningKey(text)
            Issue.record("read")
        } catch {
            #expect("\(error)".contains(part), "\(error)")
            #expect(!"\(error)".contains("c2Vjc"))
        }
    }

    /// Made by swift-crypto, which signed before.
    @Test("RS256 is what it was, whatever form the key has")
    func known() throws {
        let assertion = ClientAssertion(
            issuer: "svc",
            subject: "svc",
            audience: "https://login.example.com/token",
            scope: "read",
            keyID: "k1",
            lifetime: 180
        )
        let expected =
            "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6ImsxIn0.eyJpc3MiOiJzdmMiLCJzdWIiOiJzdmMiLCJhdWQiOiJo"
            + "dHRwczovL2xvZ2luLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNzk1NTE0NDAwLCJleHAiOjE3OTU1MTQ1ODAsImp0aSI6"
            + "IkFBQUFBQUFBQUFBQUFBQUFBQUFBQUEiLCJzY29wZSI6InJlYWQifQ.HKER0QOPKOIdha2yWWr1svy78XXf4w4hsnmeBPJZn"
            + "1t7tdjOi98k1NrzfUuH1HMRawg7c45y1T0bh0MuZ8KommxI8-WsZcx26Nsy23nq442FsAYxsUGN7fURD1rPQFL0ZBloLmXfE"
            + "SF_Om7U2SMPc5UTuRK2PGBNCwkdjgNUi_nZGksIMVHpmwX1RHe2gZss0qaUZVWvxN6Xs3HiSJUfWIcmIuu_-mtP5LDT9jjGx"
            + "wmcpF650OjJZAUuGhzHUZHMiPKr8fK-BULe8qKyE52xF_ih54x86PRvu3KC4-4wNEeG1pA3xIwIC1kbWXcC0kaRXzyIffOJE"
            + "CMt8Pykhpnb4A"
        for text in [Keys.rsa, Keys.rsaPKCS1, Keys.rsaJWK(["n", "e", "d"])] {
            let identifier = String(repeating: "A", count: 22)
            #expect(
                try assertion.signed(with: try SigningKey(text), now: 1_795_514_400, identifier: identifier) == expected
            )
        }
    }

    @Test(
        "private-key-jwt is signed anew for each request",
        arguments: [
            (Keys.ec, "ES256", nil), (Keys.rsa, "RS256", nil), (Keys.jwk, "ES256", "k1"),
        ] as [(String, String, String?)]
    )
    func privateKeyJWT(_ key: String, _ algorithm: String, _ keyID: String?) {
        let server = FakeServer(["/token": [Self.good]])
        let source = OAuthSource(
            server.endpoint {
                $0.grant = .clientCredentials
                $0.authentication = .privateKeyJWT(.init(key: .plain(key)))
            }
        )
        for _ in 0..<2 { #expect(source.get(HeldTokens()).word != "misconfigured") }
        #expect(server.asked[0]["client_assertion_type"] == Self.type)
        #expect(server.asked[0]["client_id"] == "svc")
        let assertions = server.asked.map { Parsed($0["client_assertion"]) }
        for assertion in assertions {
            #expect(assertion.isValid)
            #expect(assertion.header["alg"]?.string == algorithm && assertion.header["kid"]?.string == keyID)
            #expect(assertion.claims["iss"]?.string == "svc" && assertion.claims["sub"]?.string == "svc")
            #expect(assertion.claims["aud"]?.string == "https://login.example.com/token")
            #expect(assertion.claims["iat"]?.integer == 1_795_514_400)
            #expect(assertion.claims["exp"]?.integer == 1_795_514_400 + 180)
        }
        #expect(Set(assertions.compactMap { $0.claims["jti"]?.string }).count == 2)
    }

    @Test("An assertion says what is configured; a service account knows its name")
    func bearer() {
        let server = FakeServer(["/token": [Self.good]])
        let source = { (change: (inout OAuthConfiguration.JWTBearer) -> Void) in
            OAuthSource(
                server.endpoint {
                    var bearer = OAuthConfiguration.JWTBearer(signing: .init(key: .plain(Keys.serviceAccount)))
                    change(&bearer)
                    $0.grant = .jwtBearer(bearer)
                    $0.clientID = nil
                    $0.scope = "drive"
                }
            )
        }
        #expect(source { _ in }.get(HeldTokens()).accessToken == "new")
        let plain = Parsed(server.asked[0]["assertion"])
        #expect(plain.isValid && plain.header["kid"]?.string == "k2")
        #expect(plain.claims["iss"]?.string == "a@b.example" && plain.claims["sub"] == nil)
        #expect(plain.claims["scope"]?.string == "drive" && server.asked[0]["scope"] == "drive")
        #expect(server.asked[0]["grant_type"] == "urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer")
        #expect(server.asked[0]["client_id"] == nil)
        _ = source {
            $0.issuer = "me"
            $0.subject = "you"
            $0.signing.audience = "them"
            $0.signing.keyID = "k3"
            $0.signing.lifetime = .seconds(60)
        }.get(HeldTokens())
        let full = Parsed(server.asked[1]["assertion"])
        #expect(full.claims["iss"]?.string == "me" && full.claims["sub"]?.string == "you")
        #expect(full.claims["aud"]?.string == "them" && full.header["kid"]?.string == "k3")
        #expect((full.claims["exp"]?.integer ?? 0) - (full.claims["iat"]?.integer ?? 0) == 60)
    }

    @Test("A key that is none, or for another algorithm, is said and nothing is sent")
    func wrongKey() {
        let server = FakeServer(["/token": [Self.good]])
        for (text, algorithm) in [("secret", nil), (Keys.ec, OAuthConfiguration.Algorithm.rs256)] {
            var signing = OAuthConfiguration.AssertionSigning(key: .plain(text))
            signing.algorithm = algorithm
            let source = OAuthSource(server.endpoint { $0.grant = .jwtBearer(.init(signing: signing)) })
            let outcome = source.get(HeldTokens())
            #expect(outcome.word == "misconfigured" && outcome.reason.contains("session.oauth.private-key"))
        }
        #expect(server.asked.isEmpty)
    }

    // MARK: The clock

    private static let ahead = ["Date": "Tue, 24 Nov 2026 10:02:00 GMT"]

    private static func source(_ server: FakeServer) -> OAuthSource {
        OAuthSource(
            server.endpoint { $0.grant = .jwtBearer(.init(signing: .init(key: .plain(Keys.ec)))) }
        )
    }

    @Test("A refusal corrects the clock once, with a new assertion")
    func clock() {
        let refused = FakeServer.Answer.status(400, #"{"error":"invalid_grant"}"#, Self.ahead)
        let server = FakeServer(["/token": [refused, .json(#"{"access_token":"new"}"#, Self.ahead), Self.good]])
        let source = Self.source(server)
        #expect(source.get(HeldTokens()).accessToken == "new")
        let claims = server.asked.map { Parsed($0["assertion"]).claims }
        #expect(claims.map { $0["iat"]?.integer } == [1_795_514_400, 1_795_514_520])
        #expect(claims[0]["jti"] != claims[1]["jti"])
        #expect(source.endpoint.clockSkew == 120 && source.clockSkew == 120)
        _ = source.get(HeldTokens())
        #expect(Parsed(server.asked[2]["assertion"]).claims["iat"]?.integer == 1_795_514_520)
    }

    @Test("What the clock does not explain is asked once")
    func notTheClock() {
        let same = ["Date": "Tue, 24 Nov 2026 10:00:01 GMT"]
        for fields in [same, [:], ["Date": "yesterday"]] {
            let server = FakeServer(["/token": [.status(400, #"{"error":"invalid_grant"}"#, fields)]])
            let source = Self.source(server)
            let outcome = source.get(HeldTokens())
            #expect(server.asked.count == 1)
            #expect(source.clockSkew == nil)
            #expect(outcome.word == "unavailable" && outcome.reason.contains("clock"))
        }
        // Corrected already: twice at most.
        let server = FakeServer(["/token": [.status(400, #"{"error":"invalid_grant"}"#, Self.ahead)]])
        let source = Self.source(server)
        _ = source.get(HeldTokens())
        #expect(server.asked.count == 2)
        _ = source.get(HeldTokens())
        #expect(server.asked.count == 3)
    }
}
