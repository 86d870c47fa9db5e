import CCrypto

/// A key that seals and opens, or authenticates. Its octets are overwritten when the last reference is released, and no
/// description shows them.
@safe
public final class SymmetricKey: Sendable, CustomStringConvertible, CustomReflectable {
    /// Overwritten and freed with this object; never changed before.
    private nonisolated(unsafe) let storage: UnsafeMutableRawBufferPointer

    public init(_ bytes: [UInt8]) {
        unsafe storage = .allocate(byteCount: bytes.count, alignment: 1)
        unsafe storage.copyBytes(from: bytes)
    }

    /// A new random key (getrandom(2)).
    public convenience init(randomCount count: Int) {
        var bytes = Random.bytes(count)
        self.init(bytes)
        OpenSSL.cleanse(&bytes)
    }

    deinit {
        unsafe OPENSSL_cleanse(storage.baseAddress, storage.count)
        unsafe storage.deallocate()
    }

    var count: Int { unsafe storage.count }

    /// The octets are valid until `body` returns.
    func withBytes<Result>(
        _ body: (UnsafeRawBufferPointer) throws(CryptographyError) -> Result
    ) throws(CryptographyError) -> Result {
        try unsafe body(UnsafeRawBufferPointer(storage))
    }

    public var description: String { "(key)" }
    public var customMirror: Mirror { Mirror(self, children: []) }
}

/// Random octets of the system (getrandom(2)).
public enum Random {
    public static func bytes(_ count: Int) -> [UInt8] {
        var generator = SystemRandomNumberGenerator()
        return (0..<count).map { _ in generator.next() }
    }
}
