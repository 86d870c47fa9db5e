import CCrypto

/// SHA-256 (FIPS 180-4), for input in several parts. Not for concurrent use.
@safe
public final class SHA256 {
    /// The length of a hash in octets.
    public static let count = 32

    /// An `EVP_MD_CTX`, freed with this object.
    private let context: OpaquePointer
    private var isFinished = false

    public init() throws(CryptographyError) {
        unsafe context = try unsafe OpenSSL.call { () throws(CryptographyError) in
            guard let context = unsafe EVP_MD_CTX_new() else { throw .unavailable }
            guard unsafe EVP_DigestInit_ex2(context, EVP_sha256(), nil) == 1 else {
                unsafe EVP_MD_CTX_free(context)
                throw .unavailable
            }
            return unsafe context
        }
    }

    deinit {
        unsafe EVP_MD_CTX_free(context)
    }

    public func update(_ bytes: UnsafeRawBufferPointer) throws(CryptographyError) {
        guard !isFinished else { throw .unavailable }
        try OpenSSL.call { () throws(CryptographyError) in
            try OpenSSL.require(unsafe EVP_DigestUpdate(context, bytes.baseAddress, bytes.count))
        }
    }

    /// The hash of the whole input. Call once, last.
    public func finish() throws(CryptographyError) -> [UInt8] {
        guard !isFinished else { throw .unavailable }
        isFinished = true
        return try OpenSSL.call { () throws(CryptographyError) in
            var hash = [UInt8](repeating: 0, count: Self.count)
            try OpenSSL.require(unsafe EVP_DigestFinal_ex(context, &hash, nil))
            return hash
        }
    }

    public static func hash(_ bytes: [UInt8]) throws(CryptographyError) -> [UInt8] {
        try OpenSSL.call { () throws(CryptographyError) in
            var hash = [UInt8](repeating: 0, count: count)
            try OpenSSL.require(unsafe EVP_Digest(bytes, bytes.count, &hash, nil, EVP_sha256(), nil))
            return hash
        }
    }
}
