import CCrypto

/// Checks keys of the curve P-256, and converts their signatures.
enum EllipticCurve {
    private static let numberCount = 32

    /// Whether an `EVP_PKEY` of kind EC is on the named curve P-256, and its parts match.
    static func isUsable(_ key: OpaquePointer) -> Bool {
        // Explicit parameters could define a different curve that looks the same.
        guard unsafe text(OSSL_PKEY_PARAM_GROUP_NAME, of: key) == "prime256v1",
            unsafe text(OSSL_PKEY_PARAM_EC_ENCODING, of: key) == "named_curve",
            let context = unsafe EVP_PKEY_CTX_new_from_pkey(nil, key, nil)
        else { return false }
        defer { unsafe EVP_PKEY_CTX_free(context) }
        return unsafe EVP_PKEY_check(context) == 1
    }

    private static func text(_ name: String, of key: OpaquePointer) -> String? {
        var text = [CChar](repeating: 0, count: 80)
        guard unsafe EVP_PKEY_get_utf8_string_param(key, name, &text, text.count, nil) == 1 else { return nil }
        return String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    /// R and S, 32 octets each (RFC 7518 section 3.4), of a DER signature.
    static func numbers(of der: [UInt8]) throws(CryptographyError) -> [UInt8] {
        let parsed = unsafe der.withUnsafeBufferPointer { buffer in
            var start = buffer.baseAddress
            return unsafe d2i_ECDSA_SIG(nil, &start, buffer.count)
        }
        guard let parsed = unsafe parsed else { throw .unavailable }
        defer { unsafe ECDSA_SIG_free(parsed) }
        let numbers = unsafe [padded(ECDSA_SIG_get0_r(parsed)), padded(ECDSA_SIG_get0_s(parsed))].compactMap { $0 }
        guard numbers.count == 2 else { throw .unavailable }
        return numbers[0] + numbers[1]
    }

    private static func padded(_ number: OpaquePointer?) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: numberCount)
        let count = unsafe BN_bn2binpad(number, &bytes, Int32(numberCount))
        return count == Int32(numberCount) ? bytes : nil
    }

    /// The same signature in DER; nil if `numbers` is not one. Two integers (X.690 section 8.3), both with short
    /// lengths.
    static func encoded(_ numbers: [UInt8]) -> [UInt8]? {
        guard numbers.count == 2 * numberCount else { return nil }
        let integers = [numbers.prefix(numberCount), numbers.suffix(numberCount)].flatMap { number -> [UInt8] in
            var digits = Array(number.drop { $0 == 0 })
            // A positive integer has at least one octet, and no leading one bit.
            if digits.first.map({ $0 >= 0x80 }) ?? true { digits.insert(0, at: 0) }
            return [0x02, UInt8(digits.count)] + digits
        }
        return [0x30, UInt8(integers.count)] + integers
    }
}
