import CCrypto

/// The numbers of an RSA key (RFC 7518 section 6.3), big-endian. A secret.
public struct RSANumbers: Sendable, CustomStringConvertible, CustomReflectable {
    public var modulus: [UInt8]
    public var exponent: [UInt8]
    public var privateExponent: [UInt8]

    public init(modulus: [UInt8], exponent: [UInt8], privateExponent: [UInt8]) {
        (self.modulus, self.exponent, self.privateExponent) = (modulus, exponent, privateExponent)
    }

    public var description: String { "(RSA key)" }
    public var customMirror: Mirror { Mirror(self, children: []) }

    // MARK: Bounds

    private static let bits: ClosedRange<Int32> = 2048...8192
    /// Larger exponents make verifying slow, and are not used in practice.
    private static let exponentBits: ClosedRange<Int32> = 2...33

    /// OpenSSL's names for them (EVP_PKEY-RSA(7)).
    private static let names: [StaticString] = [
        "n", "e", "d", "rsa-factor1", "rsa-factor2", "rsa-exponent1", "rsa-exponent2", "rsa-coefficient1",
    ]

    /// Whether the numbers of an `EVP_PKEY` of kind RSA have supported sizes, so that signing takes a bounded time.
    /// Whether they match is tested by signing.
    static func areUsable(_ key: OpaquePointer) -> Bool {
        guard let n = unsafe Number(key, names[0]), let e = unsafe Number(key, names[1]),
            let d = unsafe Number(key, names[2]), bits.contains(n.bits), n.isOdd,
            exponentBits.contains(e.bits), e.isOdd, d.bits > 0, d < n
        else { return false }
        for name in names[3...] {
            if let number = unsafe Number(key, name), number.bits > n.bits { return false }
        }
        // Keys of more than two primes (RFC 8017 section 3) are not supported.
        return unsafe Number(key, "rsa-factor3") == nil
    }

    /// One number of a key.
    @safe
    private struct Number: ~Copyable {
        /// A `BIGNUM`, overwritten and freed with this object.
        private let value: OpaquePointer

        /// Nil if the key does not have it.
        init?(_ key: OpaquePointer, _ name: StaticString) {
            var number: OpaquePointer?
            guard unsafe EVP_PKEY_get_bn_param(key, RSANumbers.pointer(name), &number) == 1, let number = unsafe number
            else { return nil }
            unsafe value = number
        }

        deinit {
            unsafe BN_clear_free(value)
        }

        var bits: Int32 { unsafe BN_num_bits(value) }
        var isOdd: Bool { unsafe BN_is_odd(value) == 1 }
        static func < (one: borrowing Number, other: borrowing Number) -> Bool {
            unsafe BN_cmp(one.value, other.value) < 0
        }
    }

    private static func pointer(_ name: StaticString) -> UnsafePointer<CChar> {
        unsafe UnsafeRawPointer(name.utf8Start).assumingMemoryBound(to: CChar.self)
    }

    // MARK: A key

    /// An `EVP_PKEY` of these numbers, which the caller frees. Checks only their lengths.
    func makeKey() throws(CryptographyError) -> OpaquePointer {
        let numbers = [modulus, exponent, privateExponent]
        guard numbers.allSatisfy({ !$0.isEmpty && $0.count <= Int(Self.bits.upperBound) / 8 + 1 }) else {
            throw .unusableKey
        }
        // In this machine's byte order (OSSL_PARAM(3)).
        #if _endian(little)
        var octets = numbers.flatMap { $0.reversed() }
        #else
        var octets = numbers.flatMap(\.self)
        #endif
        defer { OpenSSL.cleanse(&octets) }
        let counts = numbers.map(\.count)
        let key = unsafe octets.withUnsafeMutableBytes { (buffer) -> OpaquePointer? in
            var parameters = unsafe [OSSL_PARAM]()
            var start = 0
            for (name, count) in zip(Self.names, counts) {
                let octets = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[start..<start + count])
                let place = unsafe octets.assumingMemoryBound(to: UInt8.self).baseAddress
                unsafe parameters.append(OSSL_PARAM_construct_BN(Self.pointer(name), place, count))
                start += count
            }
            unsafe parameters.append(OSSL_PARAM_construct_end())
            guard let context = unsafe EVP_PKEY_CTX_new_from_name(nil, "RSA", nil) else { return nil }
            defer { unsafe EVP_PKEY_CTX_free(context) }
            var key: OpaquePointer?
            guard unsafe EVP_PKEY_fromdata_init(context) == 1,
                unsafe EVP_PKEY_fromdata(context, &key, ccrypto_key_pair(), &parameters) == 1
            else { return nil }
            return unsafe key
        }
        guard let key = unsafe key else { throw .unusableKey }
        return unsafe key
    }
}
