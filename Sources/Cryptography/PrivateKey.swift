import CCrypto

/// A private key that signs with SHA-256, as JSON Web Signatures require (RFC 7518 sections 3.3 and 3.4): RSA (RS256),
/// or the curve P-256 (ES256). Its descriptions show nothing of it; OpenSSL overwrites it when the last reference is
/// released.
///
/// Keys are checked when they are read: an RSA key must have 2048 to 8192 bits and verify its own signature; a P-256
/// key must be on the curve and match its public key.
@safe
public final class PrivateKey: Sendable, CustomStringConvertible, CustomReflectable {
    public enum Kind: Equatable, Sendable {
        case rsa
        case p256
    }

    public let kind: Kind
    /// An `EVP_PKEY`, freed with this object. Never changed, so that several threads can sign with it at once
    /// (openssl-threads(7)).
    private nonisolated(unsafe) let key: OpaquePointer

    /// Takes ownership of the key.
    private init(_ key: OpaquePointer, _ kind: Kind) throws(CryptographyError) {
        unsafe self.key = key
        self.kind = kind
        // From here on `deinit` frees it, even after an error.
        switch kind {
        case .rsa:
            guard unsafe RSANumbers.areUsable(key) else { throw .unusableKey }
            let message = [UInt8]("squire".utf8)
            guard let signature = try? signature(of: message), verifies(signature, of: message) else {
                throw .unusableKey
            }
        case .p256:
            guard unsafe EllipticCurve.isUsable(key) else { throw .unusableKey }
        }
    }

    deinit {
        unsafe EVP_PKEY_free(key)
    }

    /// Reads PEM in the form of PKCS #1, PKCS #8 (RFC 5958) or SEC 1 (RFC 5915), without a pass phrase.
    public convenience init(pem: String) throws(CryptographyError) {
        let bytes = Array(pem.utf8)
        try unsafe self.init { () throws(CryptographyError) in
            if let key = unsafe Self.decode(bytes, "PEM", "EC") { return unsafe (key, .p256) }
            if let key = unsafe Self.decode(bytes, "PEM", "RSA") { return unsafe (key, .rsa) }
            throw .unusableKey
        }
    }

    /// `scalar` is `d` of a P-256 JSON Web Key (RFC 7518 section 6.2.2.1), 32 octets. The public key is computed.
    public convenience init(p256 scalar: [UInt8]) throws(CryptographyError) {
        guard scalar.count == 32 else { throw .unusableKey }
        // ECPrivateKey of RFC 5915: version 1, the scalar, and the name of the curve.
        var der: [UInt8] = [0x30, 0x31, 0x02, 0x01, 0x01, 0x04, 0x20] + scalar
        der += [0xA0, 0x0A, 0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07]
        defer { OpenSSL.cleanse(&der) }
        try unsafe self.init { () throws(CryptographyError) in
            guard let key = unsafe Self.decode(der, "DER", "EC") else { throw .unusableKey }
            return unsafe (key, .p256)
        }
    }

    /// The numbers of an RSA JSON Web Key (RFC 7518 section 6.3).
    public convenience init(rsa numbers: RSANumbers) throws(CryptographyError) {
        try unsafe self.init { () throws(CryptographyError) in unsafe (try numbers.makeKey(), .rsa) }
    }

    private convenience init(
        _ make: () throws(CryptographyError) -> (OpaquePointer, Kind)
    ) throws(CryptographyError) {
        defer { ERR_clear_error() }
        let (key, kind) = try unsafe make()
        try unsafe self.init(key, kind)
    }

    /// Nil if the octets are not a key of `kind`. The caller frees the key. Never asks for a pass phrase.
    private static func decode(_ bytes: [UInt8], _ form: String, _ kind: String) -> OpaquePointer? {
        var key: OpaquePointer?
        let pair = ccrypto_key_pair()
        guard let decoder = unsafe OSSL_DECODER_CTX_new_for_pkey(&key, form, nil, kind, pair, nil, nil) else {
            return nil
        }
        defer { unsafe OSSL_DECODER_CTX_free(decoder) }
        let status = unsafe bytes.withUnsafeBufferPointer { buffer in
            var start = buffer.baseAddress
            var count = buffer.count
            return unsafe OSSL_DECODER_from_data(decoder, &start, &count)
        }
        guard status == 1 else {
            unsafe EVP_PKEY_free(key)
            return nil
        }
        return unsafe key
    }

    // MARK: Signing

    /// Signs a message. An RSA signature (PKCS #1 v1.5) is as long as the modulus; a P-256 signature is R and S, 32
    /// octets each.
    public func signature(of message: [UInt8]) throws(CryptographyError) -> [UInt8] {
        try OpenSSL.call { () throws(CryptographyError) in
            guard let context = unsafe EVP_MD_CTX_new() else { throw .unavailable }
            defer { unsafe EVP_MD_CTX_free(context) }
            try OpenSSL.require(unsafe EVP_DigestSignInit(context, nil, EVP_sha256(), nil, key))
            var count = 0
            try OpenSSL.require(unsafe EVP_DigestSign(context, nil, &count, message, message.count))
            var signature = [UInt8](repeating: 0, count: count)
            try OpenSSL.require(unsafe EVP_DigestSign(context, &signature, &count, message, message.count))
            guard count <= signature.count else { throw .unavailable }
            signature.removeLast(signature.count - count)
            return kind == .rsa ? signature : try EllipticCurve.numbers(of: signature)
        }
    }

    /// Whether `signature` is this key's signature of the message.
    public func verifies(_ signature: [UInt8], of message: [UInt8]) -> Bool {
        defer { ERR_clear_error() }
        guard let encoded = kind == .rsa ? signature : EllipticCurve.encoded(signature),
            let context = unsafe EVP_MD_CTX_new()
        else { return false }
        defer { unsafe EVP_MD_CTX_free(context) }
        guard unsafe EVP_DigestVerifyInit(context, nil, EVP_sha256(), nil, key) == 1 else { return false }
        return unsafe EVP_DigestVerify(context, encoded, encoded.count, message, message.count) == 1
    }

    public var description: String { "(private key)" }
    public var customMirror: Mirror { Mirror(self, children: []) }
}
