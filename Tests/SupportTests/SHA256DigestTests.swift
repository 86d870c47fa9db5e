import Testing

@testable import Support

@Suite struct SHA256DigestTests {
    /// FIPS 180-4's own examples, and many blocks.
    @Test(arguments: [
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        ),
        (
            String(repeating: "a", count: 1000),
            "41edece42d63e8d9bf515a9ba6932e1c20cbc9f5a5d134645adb5db1b9737ea3"
        ),
    ]) func examples(_ text: String, _ hash: String) {
        let digits = SHA256Digest.of(text).map { String(String(Int($0) + 256, radix: 16).dropFirst()) }.joined()
        #expect(digits == hash)
    }
}
