import Credentials
import EventIO
import Platform
import Support

/// Appends the parts of log lines. Allocates nothing.
extension ByteBuffer {
    func append(_ octets: Span<UInt8>) {
        unsafe octets.withUnsafeBytes { unsafe append($0) }
    }

    /// A JSON string.
    func append(quoted text: UnsafeRawBufferPointer) {
        append("\"")
        unsafe JSONValue.escape(text) { unsafe append($0) }
        append("\"")
    }

    func append(quoted octets: Span<UInt8>) {
        unsafe octets.withUnsafeBytes { unsafe append(quoted: $0) }
    }

    func append(quoted text: String) {
        var text = text
        text.withUTF8 { unsafe append(quoted: UnsafeRawBufferPointer($0)) }
    }

    /// With leading zeros.
    func append(_ number: Int, digits: Int) {
        var unit = 1
        for _ in 1..<digits { unit *= 10 }
        while unit > 0 {
            append(UInt8(0x30 + number / unit % 10))
            unit /= 10
        }
    }

    /// Whole tenths, rounded down.
    private func append(tenths: UInt64) {
        append(decimal: tenths / 10)
        append(".")
        append(decimal: tenths % 10)
    }

    /// `12.3`
    func append(milliseconds nanoseconds: UInt64) {
        append(tenths: nanoseconds / 100_000)
    }

    /// `300 ms`, and short ones as `1.3 ms`
    func append(rounded nanoseconds: UInt64) {
        if nanoseconds < 10_000_000 {
            append(milliseconds: nanoseconds)
        } else {
            append(decimal: nanoseconds / 1_000_000)
        }
        append(" ms")
    }

    /// `498 B`, `1.5 MiB`
    func append(size bytes: UInt64) {
        guard bytes >= 1024 else {
            append(decimal: bytes)
            return append(" B")
        }
        var value = Double(bytes) / 1024
        var unit = 0
        while value >= 1024, unit < binaryUnits.count - 1 {
            value /= 1024
            unit += 1
        }
        append(tenths: UInt64(value * 10))
        append(binaryUnits[unit])
    }

    /// Pads what `write` appends with blanks to `width` octets, on the right or the left.
    func append(width: Int, isRightAligned: Bool = false, _ write: () -> Void) {
        let start = count
        write()
        let length = count - start
        guard length < width else { return }
        for _ in length..<width { append(0x20) }
        guard isRightAligned else { return }
        let field = unsafe UnsafeMutableRawBufferPointer(rebasing: mutableReadable[start...]).baseAddress!
        unsafe memmove(field + width - length, field, length)
        unsafe memset(field, 0x20, width - length)
    }
}

private let binaryUnits: [StaticString] = [" KiB", " MiB", " GiB", " TiB"]
