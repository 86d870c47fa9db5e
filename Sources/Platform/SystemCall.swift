/// System calls with this program's conventions: repeated when a signal interrupts them (EINTR), and until all bytes
/// are moved.
///
/// The descriptors are borrowed. `FileDescriptor` owns one.
public enum SystemCall {
    /// Repeats `call` as long as signals interrupt it. `errno` is that of the last try.
    @inlinable @inline(__always)
    public static func retrying<Count: SignedInteger>(_ call: () -> Count) -> Count {
        while true {
            let result = call()
            if result >= 0 || errno != EINTR { return result }
        }
    }

    /// Reads once: the number of bytes, 0 at the end, or -1 with `errno`.
    public static func read(_ descriptor: Int32, into buffer: UnsafeMutableRawBufferPointer) -> Int {
        retrying { unsafe Platform.read(descriptor, buffer.baseAddress, buffer.count) }
    }

    /// Writes once: the number of bytes, or -1 with `errno`.
    public static func write(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer) -> Int {
        retrying { unsafe Platform.write(descriptor, bytes.baseAddress, bytes.count) }
    }

    /// Writes all of `bytes` to a blocking descriptor. False, with `errno`, if the rest cannot be written.
    public static func writeAll(_ descriptor: Int32, _ bytes: some Collection<UInt8>) -> Bool {
        let isWhole = bytes.withContiguousStorageIfAvailable { unsafe all($0) { unsafe write(descriptor, $0) } }
        return unsafe isWhole ?? Array(bytes).withUnsafeBytes { unsafe all($0) { unsafe write(descriptor, $0) } }
    }

    /// Writes all of `bytes`, starting at `offset` of the file. False, with `errno`, if the rest cannot be written.
    public static func writeAll(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer, at offset: Int) -> Bool {
        var place = offset
        return unsafe all(bytes) { rest in
            let count = retrying { unsafe pwrite(descriptor, rest.baseAddress, rest.count, off_t(place)) }
            if count > 0 { place += count }
            return count
        }
    }

    /// Moves all of `bytes` by repeated calls of `move`, which returns how many bytes it moved.
    private static func all(_ bytes: UnsafeRawBufferPointer, _ move: (UnsafeRawBufferPointer) -> Int) -> Bool {
        var rest = unsafe bytes
        while unsafe !rest.isEmpty {
            let count = unsafe move(rest)
            guard count > 0 else { return false }
            unsafe rest = UnsafeRawBufferPointer(rebasing: rest[count...])
        }
        return true
    }

    private static func all(_ bytes: UnsafeBufferPointer<UInt8>, _ move: (UnsafeRawBufferPointer) -> Int) -> Bool {
        unsafe all(UnsafeRawBufferPointer(bytes), move)
    }

    /// Reads to the end of the file. `tooLarge` if that is more than `limit` bytes.
    public static func readAll(_ descriptor: Int32, limit: Int) -> ReadResult {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 16 * 1024)
        while true {
            let count = unsafe chunk.withUnsafeMutableBytes { unsafe read(descriptor, into: $0) }
            if count < 0 { return .failed(errno) }
            if count == 0 { return .bytes(bytes) }
            bytes += chunk[..<count]
            if bytes.count > limit { return .tooLarge }
        }
    }

    /// The result of `readAll`.
    public enum ReadResult: Equatable, Sendable {
        case bytes([UInt8])
        case tooLarge
        /// The value is `errno`.
        case failed(Int32)
    }
}
