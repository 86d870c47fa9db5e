import CCrypto

/// Authenticated encryption with associated data by ChaCha20 and Poly1305 (RFC 8439 section 2.8). A sealed text is the
/// nonce (12 octets), the ciphertext and the tag (16 octets).
public enum ChaCha20Poly1305 {
    static let nonceCount = 12
    static let tagCount = 16
    /// How many octets a sealed text is longer than its plaintext.
    public static let overhead = nonceCount + tagCount
    public static let keyCount = 32

    /// Seals with a random nonce. `key` must have 32 octets.
    public static func seal(
        _ bytes: [UInt8],
        with key: SymmetricKey,
        authenticating data: [UInt8]
    ) throws(CryptographyError) -> [UInt8] {
        try seal(bytes, with: key, nonce: Random.bytes(nonceCount), authenticating: data)
    }

    /// Seals with that nonce, which must not have been used with this key before.
    static func seal(
        _ bytes: [UInt8],
        with key: SymmetricKey,
        nonce: [UInt8],
        authenticating data: [UInt8]
    ) throws(CryptographyError) -> [UInt8] {
        try OpenSSL.call { () throws(CryptographyError) in
            let context = try unsafe begin(key, nonce, encrypts: 1)
            defer { unsafe EVP_CIPHER_CTX_free(context) }
            try unsafe authenticate(data, context)
            let encrypted = try unsafe pass(bytes, context)
            try unsafe finish(context)
            var tag = [UInt8](repeating: 0, count: tagCount)
            try OpenSSL.require(unsafe EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, Int32(tagCount), &tag))
            return nonce + encrypted + tag
        }
    }

    /// The plaintext. Throws `forged` unless it was sealed with this key and these data.
    public static func open(
        _ sealed: [UInt8],
        with key: SymmetricKey,
        authenticating data: [UInt8]
    ) throws(CryptographyError) -> [UInt8] {
        guard sealed.count >= overhead else { throw .forged }
        return try OpenSSL.call { () throws(CryptographyError) in
            let context = try unsafe begin(key, Array(sealed.prefix(nonceCount)), encrypts: 0)
            defer { unsafe EVP_CIPHER_CTX_free(context) }
            var tag = Array(sealed.suffix(tagCount))
            try OpenSSL.require(unsafe EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, Int32(tagCount), &tag))
            try unsafe authenticate(data, context)
            var opened = try unsafe pass(Array(sealed.dropFirst(nonceCount).dropLast(tagCount)), context)
            do throws(CryptographyError) {
                try unsafe finish(context)
            } catch {
                // Unauthenticated plaintext must not remain in memory.
                OpenSSL.cleanse(&opened)
                throw .forged
            }
            return opened
        }
    }

    // MARK: Steps

    /// The caller frees the result.
    private static func begin(
        _ key: SymmetricKey,
        _ nonce: [UInt8],
        encrypts: Int32
    ) throws(CryptographyError) -> OpaquePointer {
        guard key.count == keyCount, nonce.count == nonceCount else { throw .unavailable }
        guard let context = unsafe EVP_CIPHER_CTX_new() else { throw .unavailable }
        let status = try unsafe key.withBytes { (key) throws(CryptographyError) in
            unsafe EVP_CipherInit_ex2(
                context,
                EVP_chacha20_poly1305(),
                key.assumingMemoryBound(to: UInt8.self).baseAddress,
                nonce,
                encrypts,
                nil
            )
        }
        guard status == 1 else {
            unsafe EVP_CIPHER_CTX_free(context)
            throw .unavailable
        }
        return unsafe context
    }

    private static func authenticate(_ data: [UInt8], _ context: OpaquePointer) throws(CryptographyError) {
        guard !data.isEmpty else { return }
        var count: Int32 = 0
        let length = try OpenSSL.length(data.count)
        try OpenSSL.require(unsafe EVP_CipherUpdate(context, nil, &count, data, length))
    }

    /// Encrypts or decrypts. The length stays the same, as with any stream cipher.
    private static func pass(_ bytes: [UInt8], _ context: OpaquePointer) throws(CryptographyError) -> [UInt8] {
        guard !bytes.isEmpty else { return [] }
        var result = [UInt8](repeating: 0, count: bytes.count)
        var count: Int32 = 0
        let length = try OpenSSL.length(bytes.count)
        try OpenSSL.require(unsafe EVP_CipherUpdate(context, &result, &count, bytes, length))
        guard count == length else { throw .unavailable }
        return result
    }

    /// Creates the tag, or compares it.
    private static func finish(_ context: OpaquePointer) throws(CryptographyError) {
        var count: Int32 = 0
        // Space for a final block, which a stream cipher never has.
        var rest = [UInt8](repeating: 0, count: 16)
        try OpenSSL.require(unsafe EVP_CipherFinal_ex(context, &rest, &count))
        guard count == 0 else { throw .unavailable }
    }
}
