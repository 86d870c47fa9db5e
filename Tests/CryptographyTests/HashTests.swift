import Testing

@testable import Cryptography

@Suite struct HashTests {
    /// The examples that NIST gives for FIPS 180-4.
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
    ])
    func sha256(_ text: String, _ hash: String) throws {
        #expect(try SHA256.hash(Array(text.utf8)) == bytes(hash))
        // The same in pieces, none among them.
        for size in [1, 63, 64, 65, 1000] where text.utf8.count / size < 20_000 {
            let running = try SHA256()
            var rest = Array(text.utf8)[...]
            while !rest.isEmpty {
                try rest.prefix(size).withUnsafeBytes { try running.update($0) }
                rest = rest.dropFirst(size)
            }
            try running.update(UnsafeRawBufferPointer(start: nil, count: 0))
            #expect(try running.finish() == bytes(hash))
        }
    }

    @Test func whatIsFinishedIsNotFinishedAgain() throws {
        let running = try SHA256()
        _ = try running.finish()
        #expect(throws: CryptographyError.unavailable) {
            try running.update(UnsafeRawBufferPointer(start: nil, count: 0))
        }
        #expect(throws: CryptographyError.unavailable) { try running.finish() }
    }

    /// RFC 4231 sections 4.2, 4.3 and 4.7.
    @Test(arguments: [
        (
            bytes(String(repeating: "0b", count: 20)), "Hi There",
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
        ),
        (
            Array("Jefe".utf8), "what do ya want for nothing?",
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        ),
        (
            bytes(String(repeating: "aa", count: 131)), "Test Using Larger Than Block-Size Key - Hash Key First",
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        ),
    ])
    func hmac(_ key: [UInt8], _ text: String, _ code: String) throws {
        #expect(try HMACSHA256.code(of: Array(text.utf8), by: SymmetricKey(key)) == bytes(code))
    }

    /// RFC 5869 appendix A.1 to A.3, the first 32 octets.
    @Test(
        arguments: [
            (
                [UInt8](repeating: 0x0B, count: 22), Array(0x00...0x0C), Array(0xF0...0xF9),
                "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"
            ),
            (
                Array(0x00...0x4F), Array(0x60...0xAF), Array(0xB0...0xFF),
                "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c"
            ),
            (
                [UInt8](repeating: 0x0B, count: 22), [], [],
                "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"
            ),
        ] as [([UInt8], [UInt8], [UInt8], String)]
    )
    func hkdf(_ secret: [UInt8], _ salt: [UInt8], _ info: [UInt8], _ key: String) throws {
        let derived = try HKDFSHA256.key(from: SymmetricKey(secret), salt: salt, info: info)
        #expect(try derived.withBytes { Array($0) } == bytes(key))
    }

    @Test func keysShowNothing() {
        let key = SymmetricKey(Array("secret".utf8))
        var dumped = ""
        dump(key, to: &dumped)
        for text in ["\(key)", String(reflecting: key), dumped] {
            #expect(!text.contains("secret") && !text.contains("115"))
        }
        #expect(SymmetricKey(randomCount: 32).count == 32)
    }
}
