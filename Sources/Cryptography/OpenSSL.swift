import CCrypto

enum OpenSSL {
    /// Runs what calls OpenSSL, and leaves nothing in this thread's queue of errors (ERR_get_error(3)): libcurl, whose
    /// connections are driven by the same threads, would take what it finds there for an error of its own.
    static func call<Result>(
        _ body: () throws(CryptographyError) -> Result
    ) throws(CryptographyError) -> Result {
        defer { ERR_clear_error() }
        return try body()
    }

    /// Throws `unavailable` unless OpenSSL said 1.
    static func require(_ status: Int32) throws(CryptographyError) {
        guard status == 1 else { throw .unavailable }
    }

    /// The length of something as OpenSSL's older functions want it.
    static func length(_ count: Int) throws(CryptographyError) -> Int32 {
        guard let length = Int32(exactly: count) else { throw .unavailable }
        return length
    }

    /// Overwrites octets in a way that the compiler does not leave out (OPENSSL_cleanse(3)).
    static func cleanse(_ bytes: inout [UInt8]) {
        unsafe bytes.withUnsafeMutableBytes { unsafe OPENSSL_cleanse($0.baseAddress, $0.count) }
    }
}
