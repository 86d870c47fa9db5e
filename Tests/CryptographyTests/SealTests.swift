import CCrypto
import Testing

@testable import Cryptography

@Suite struct SealTests {
    /// RFC 8439 section 2.8.2.
    private static let key = SymmetricKey(Array(0x80...0x9F))
    private static let nonce = bytes("070000004041424344454647")
    private static let data = bytes("50515253c0c1c2c3c4c5c6c7")
    private static let text = Array(
        ("Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would "
            + "be it.").utf8
    )
    private static let sealed =
        nonce
        + bytes(
            """
            d31a8d34648e60db7b86afbc53ef7ec2 a4aded51296e08fea9e2b5a736ee62d6 3dbea45e8ca9671282fafb69da92728b
            1a71de0a9e060b2905d6a5b67ecd3b36 92ddbd7f2d778b8c9803aee328091b58 fab324e4fad675945585808b4831d7bc
            3ff4def08e4b7a9de576d26586cec64b 6116 1ae10b594f09e26a7e902ecbd0600691
            """
        )

    @Test func theVectorOfRFC8439SealsAndOpens() throws {
        let made = try ChaCha20Poly1305.seal(
            Self.text,
            with: Self.key,
            nonce: Self.nonce,
            authenticating: Self.data
        )
        #expect(made == Self.sealed)
        #expect(try ChaCha20Poly1305.open(Self.sealed, with: Self.key, authenticating: Self.data) == Self.text)
    }

    @Test(arguments: [0, 1, 15, 16, 17, 64, 100_000])
    func anyLength(_ count: Int) throws {
        let text = [UInt8](repeating: 7, count: count)
        for data in [[], Self.data] {
            let sealed = try ChaCha20Poly1305.seal(text, with: Self.key, authenticating: data)
            #expect(sealed.count == count + ChaCha20Poly1305.overhead)
            #expect(try ChaCha20Poly1305.open(sealed, with: Self.key, authenticating: data) == text)
            let again = try ChaCha20Poly1305.seal(text, with: Self.key, authenticating: data)
            #expect(again != sealed, "a nonce came twice")
        }
    }

    @Test func whatIsChangedIsForged() {
        let open = { (sealed: [UInt8], key: SymmetricKey, data: [UInt8]) in
            #expect(throws: CryptographyError.forged) {
                try ChaCha20Poly1305.open(sealed, with: key, authenticating: data)
            }
            #expect(ERR_peek_error() == 0)
        }
        for index in Self.sealed.indices {
            var changed = Self.sealed
            changed[index] ^= 1
            open(changed, Self.key, Self.data)
        }
        for count in 0..<Self.sealed.count { open(Array(Self.sealed.prefix(count)), Self.key, Self.data) }
        open(Self.sealed + [0], Self.key, Self.data)
        open(Self.sealed, SymmetricKey(Array(0x81...0xA0)), Self.data)
        open(Self.sealed, Self.key, Array(Self.data.dropLast()))
        open(Self.sealed, Self.key, [])
    }

    @Test(arguments: [0, 16, 31, 33]) func keysOfAnotherLengthSealNothing(_ count: Int) {
        let key = SymmetricKey([UInt8](repeating: 1, count: count))
        #expect(throws: CryptographyError.unavailable) {
            try ChaCha20Poly1305.seal(Self.text, with: key, authenticating: [])
        }
        #expect(throws: CryptographyError.unavailable) {
            try ChaCha20Poly1305.open(Self.sealed, with: key, authenticating: Self.data)
        }
    }
}
