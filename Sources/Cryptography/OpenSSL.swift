import CCrypto

enum OpenSSL {
    /// Calls OpenSSL, and clears this thread's error queue (ERR_get_error(3)) afterwards. libcurl, which runs on the
    /// same threads, would take a leftover error for its own.
    static func call<Result>(
        _ body: () throws(CryptographyError) -> Result
    ) throws(CryptographyError) -> Result {
        defer { ERR_clear_error() }
        return try body()
    }

    /// Throws `unavailable` unless `status` is 1.
    static func require(_ status: Int32) throws(CryptographyError) {
        guard status == 1 else { throw .unavailable }
    }

    /// A length in the type of OpenSSL's older functions.
    static func length(_ count: Int) throws(CryptographyError) -> Int32 {
        guard let length = Int32(exactly: count) else { throw .unavailable }
        return length
    }

    /// Overwrites the octets in a way that the compiler does not optimize away (OPENSSL_cleanse(3)).
    static func cleanse(_ bytes: inout [UInt8]) {
        unsafe bytes.withUnsafeMutableBytes { unsafe OPENSSL_cleanse($0.baseAddress, $0.count) }
    }
}
