import Cryptography
import Support
import Testing

@testable import TokenSources

@Suite struct SigningKeyTests {
    private static let payload =
        ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"

    /// RFC 7515 appendix A.2. There is one signature only, whatever a key says of its primes.
    @Test(arguments: [
        Keys.rsa, Keys.rsaPKCS1, Keys.rsaWithWrongExponent, Keys.rsaJWK(["n", "e", "d"]),
        Keys.rsaJWK(["n", "e", "d", "p", "q"]),
        Keys.rsaJWK(["n", "e", "d", "p", "q", "dp", "dq", "qi"]), Keys.serviceAccount,
        Keys.rsaJWK(["n", "e", "d", "p", "q", "dp", "dq", "qi"], with: ["dp": "AQAB"]),
        Keys.rsaJWK(["n", "e", "d", "p", "q", "dp", "dq", "qi"], with: ["p": odd(5000)]),
    ])
    func rs256(_ text: String) throws {
        let signature =
            "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujG"
            + "bds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K"
            + "0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6"
            + "LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
        let made = try SigningKey(text).signature(of: Array("eyJhbGciOiJSUzI1NiJ9\(Self.payload)".utf8))
        #expect(Base64URL.encode(made) == signature)
    }

    /// RFC 7515 appendix A.3. Each signature is another one.
    @Test(arguments: [Keys.ec, Keys.ecSEC1, Keys.jwk]) func es256(_ text: String) throws {
        let key = try SigningKey(text)
        let message = Array("eyJhbGciOiJFUzI1NiJ9\(Self.payload)".utf8)
        let known = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
        #expect(key.key.verifies(try #require(Base64URL.decode(known)), of: message))
        let made = try key.signature(of: message)
        #expect(Base64URL.encode(made) != known)
        #expect(try PrivateKey(pem: Keys.ec).verifies(made, of: message))
    }

    /// Numbers that make no key, or one that takes minutes to sign with.
    @Test(arguments: [
        ["n": ""], ["n": "AQAB"], ["n": even(256)], ["n": odd(128)], ["n": odd(1026)], ["n": odd(2048)],
        ["n": odd(256)],
        ["e": ""], ["e": "AQ"], ["e": "AQAA"], ["e": "AwADAAMAAw"], ["e": odd(255)], ["e": odd(4096)],
        ["d": ""], ["d": "AA"], ["d": "AQAB"], ["d": odd(257)], ["d": odd(4096)],
    ])
    func hostileNumbers(_ changed: [String: String]) {
        for names in [["n", "e", "d"], ["n", "e", "d", "p", "q", "dp", "dq", "qi"]] as [Set<String>] {
            let error = #expect(throws: SigningKey.Problem.self) {
                try SigningKey(Keys.rsaJWK(names, with: changed))
            }
            #expect(error?.description.contains("AQAB") == false)
        }
    }

    private static func odd(_ count: Int) -> String { Base64URL.encode([UInt8](repeating: 0xFF, count: count)) }
    private static func even(_ count: Int) -> String {
        Base64URL.encode([UInt8](repeating: 0xFF, count: count - 1) + [0xFE])
    }
}
