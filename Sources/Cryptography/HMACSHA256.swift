import CCrypto

/// HMAC with SHA-256 (RFC 2104).
public enum HMACSHA256 {
    /// The 32-octet authentication code of a message.
    public static func code(of message: [UInt8], by key: SymmetricKey) throws(CryptographyError) -> [UInt8] {
        try OpenSSL.call { () throws(CryptographyError) in
            try unsafe key.withBytes { (key) throws(CryptographyError) in
                var code = [UInt8](repeating: 0, count: SHA256.count)
                var count = 0
                guard
                    unsafe EVP_Q_mac(
                        nil,
                        "HMAC",
                        nil,
                        "SHA256",
                        nil,
                        key.baseAddress,
                        key.count,
                        message,
                        message.count,
                        &code,
                        code.count,
                        &count
                    ) != nil, count == SHA256.count
                else { throw .unavailable }
                return code
            }
        }
    }
}

/// Derives keys from a key: HKDF with SHA-256 (RFC 5869).
public enum HKDFSHA256 {
    /// A key of 32 octets, which is one block of the expansion.
    public static func key(
        from secret: SymmetricKey,
        salt: [UInt8],
        info: [UInt8]
    ) throws(CryptographyError) -> SymmetricKey {
        // A missing salt counts as zeros (section 2.2), as HMAC treats an empty key.
        let salt = SymmetricKey(salt.isEmpty ? [UInt8](repeating: 0, count: SHA256.count) : salt)
        var extracted = try unsafe secret.withBytes { (secret) throws(CryptographyError) in
            try HMACSHA256.code(of: unsafe Array(secret), by: salt)
        }
        defer { OpenSSL.cleanse(&extracted) }
        var block = try HMACSHA256.code(of: info + [1], by: SymmetricKey(extracted))
        defer { OpenSSL.cleanse(&block) }
        return SymmetricKey(block)
    }
}
