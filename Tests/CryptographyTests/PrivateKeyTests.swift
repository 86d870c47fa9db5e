import CCrypto
import Testing

@testable import Cryptography

/// What is no key that may sign. Those that may are tested with the tokens that they sign.
@Suite struct PrivateKeyTests {
    private func refuses(_ make: () throws -> PrivateKey, _ comment: Comment) {
        #expect(throws: CryptographyError.unusableKey, comment) { _ = try make() }
        #expect(ERR_peek_error() == 0, "libcurl would take what is left in the queue for its own")
    }

    @Test(arguments: OtherKeys.all.keys.sorted()) func otherKinds(_ name: String) {
        refuses({ try PrivateKey(pem: OtherKeys.all[name] ?? "") }, "\(name)")
    }

    @Test(arguments: ["", "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n", "\u{0}", "-----BEGIN "])
    func noPEM(_ text: String) {
        refuses({ try PrivateKey(pem: text) }, "\(text)")
    }

    /// Whatever the file was cut to or became, it is refused or signs as a whole one.
    @Test func damagedPEM() throws {
        let whole = Array(OtherKeys.p256.utf8)
        for index in stride(from: 0, to: whole.count, by: 5) {
            for damaged in [Array(whole[..<index]), Array(whole[..<index]) + [0x41] + Array(whole[(index + 1)...])] {
                guard let key = try? PrivateKey(pem: String(decoding: damaged, as: UTF8.self)) else { continue }
                #expect(key.verifies(try key.signature(of: [1]), of: [1]))
            }
            #expect(ERR_peek_error() == 0)
        }
    }

    @Test func scalarsOutsideOfTheCurve() throws {
        let order = bytes("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551")
        var last = order
        last[31] -= 1
        let most = [UInt8](repeating: 0xFF, count: 32)
        for scalar in [[UInt8](repeating: 0, count: 32), order, most, [], Array(last.dropLast()), [0] + last] {
            refuses({ try PrivateKey(p256: scalar) }, "\(scalar)")
        }
        let key = try PrivateKey(p256: last)
        #expect(key.verifies(try key.signature(of: [1]), of: [1]))
    }

    /// R and S keep their length, whatever they begin with, and no other signature is taken.
    @Test func signaturesHave64Octets() throws {
        let key = try PrivateKey(pem: OtherKeys.p256)
        var short = 0
        for number in 0..<600 {
            let message = Array("\(number)".utf8)
            let signature = try key.signature(of: message)
            #expect(signature.count == 64 && key.verifies(signature, of: message))
            short += signature[0] == 0 || signature[32] == 0 ? 1 : 0
            guard number % 100 == 0 else { continue }
            #expect(!key.verifies(signature, of: message + [0]))
            for wrong in [[], Array(signature.dropLast()), signature + [0], [UInt8](repeating: 0, count: 64)] {
                #expect(!key.verifies(wrong, of: message))
            }
            #expect(ERR_peek_error() == 0)
        }
        #expect(short > 0, "of 600, some 5 begin with a zero")
    }

    @Test func showsNothing() throws {
        let key = try PrivateKey(pem: OtherKeys.p256)
        let numbers = RSANumbers(modulus: [201], exponent: [202], privateExponent: [203])
        var dumped = ""
        dump(key, to: &dumped)
        dump(numbers, to: &dumped)
        #expect(!dumped.contains("0x") && !dumped.contains("20") && !"\(numbers)".contains("20"))
    }
}
