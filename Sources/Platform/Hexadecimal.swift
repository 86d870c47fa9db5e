/// Hexadecimal digits, in lower case.
public enum Hexadecimal {
    /// The digit of `value`, which is less than 16.
    @inlinable @inline(__always)
    public static func digit(_ value: UInt8) -> UInt8 { value < 10 ? 0x30 &+ value : 0x57 &+ value }

    /// Two digits for each byte.
    public static func text(_ bytes: some Sequence<UInt8>) -> String {
        var digits: [UInt8] = []
        digits.reserveCapacity(2 * bytes.underestimatedCount)
        for byte in bytes {
            digits.append(digit(byte >> 4))
            digits.append(digit(byte & 15))
        }
        return String(decoding: digits, as: UTF8.self)
    }

    /// All 16 digits of `number`.
    public static func text(_ number: UInt64) -> String {
        unsafe withUnsafeBytes(of: number.bigEndian) { unsafe text($0) }
    }
}
