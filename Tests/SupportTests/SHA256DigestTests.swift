import Testing

@testable import Support

@Suite struct SHA256DigestTests {
    /// FIPS 180-4's own examples, and one of each count of octets around a block.
    @Test(arguments: [
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        ),
        (
            String(repeating: "a", count: 1_000_000),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
        ),
    ]) func examples(_ text: String, _ hash: String) {
        let digits = SHA256Digest.of(text).map { String(String(Int($0) + 256, radix: 16).dropFirst()) }.joined()
        #expect(digits == hash)
    }
}
