import HTTP1

/// The path of the upstream's URL, `/v1` in `https://api.example.com/v1`: it is prepended to each target, and removed
/// again from the upstream's locations. Pure; queries allocate nothing.
public struct BasePath: Sendable, Equatable {
    /// Begins with a slash, and does not end with one.
    let octets: [UInt8]

    /// Nil if `text` is empty.
    public init?(_ text: String) {
        guard !text.isEmpty else { return nil }
        octets = Array(text.utf8)
    }

    /// Why a text is not a base path: the rest of a sentence about it; nil if it is one, or is empty.
    public static func problem(_ text: String) -> String? {
        guard !text.isEmpty else { return nil }
        for segment in text.utf8.dropFirst().split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false) {
            if segment.isEmpty { return "has an empty segment in its path, which servers may leave out" }
            let written = Array(segment)
            let decoded = PathReadings.decoded(written) ?? written
            guard decoded.count == written.count - 2 * written.count(where: { $0 == UInt8(ascii: "%") }) else {
                return "has a % in its path that is not followed by two hexadecimal digits"
            }
            if decoded == [0x2E] || decoded == [0x2E, 0x2E] { return "has a . or .. segment in its path" }
            guard decoded.allSatisfy({ $0 >= 0x20 && $0 != 0x7F && !"%;\\/?#".utf8.contains($0) }),
                written.allSatisfy({ isPlain($0) })
            else {
                return "holds a character in its path that servers read in different ways"
            }
        }
        return nil
    }

    /// `pchar` (RFC 3986 section 3.3) without the semicolon.
    private static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
        default: "-._~%!$&'()*+,=:@".utf8.contains(byte)
        }
    }

    /// Whether `path`, with or without a query, begins with the base path, up to the end of a segment.
    func begins(_ path: UnsafeRawBufferPointer) -> Bool {
        guard path.count >= octets.count else { return false }
        for index in octets.indices where path[index] != octets[index] { return false }
        guard path.count > octets.count else { return true }
        return path[octets.count] == UInt8(ascii: "/") || path[octets.count] == UInt8(ascii: "?")
            || path[octets.count] == UInt8(ascii: "#")
    }

    /// Whether some server would resolve `path`, which is below the base path, to one above it: because of `..`, or of
    /// text that reads as `..` when `%2e`, `%2f` and `%5c` are decoded once or twice, when `\` counts as a slash, or
    /// without the dots and blanks at its end. If there are several readings, the worst one counts.
    static func climbs(_ path: UnsafeRawBufferPointer) -> Bool {
        if PathReadings.isPlain(path) { return false }
        return withUnsafeTemporaryAllocation(byteCount: path.count, alignment: 1) { text in
            text.copyMemory(from: path)
            var count = decode(text, path.count)
            count = decode(text, count)
            count = shorten(text, count)
            return climbs(decoded: UnsafeRawBufferPointer(rebasing: text[..<count]))
        }
    }

    /// Removes one layer of percent-encoding in place, and returns the new length. An encoded slash becomes a
    /// backslash, because both may or may not separate segments.
    private static func decode(_ text: UnsafeMutableRawBufferPointer, _ count: Int) -> Int {
        var (read, written) = (0, 0)
        while read < count {
            var byte = text[read]
            read += 1
            if byte == UInt8(ascii: "%"), read + 1 < count, let high = Octet.hexadecimal(text[read]),
                let low = Octet.hexadecimal(text[read + 1])
            {
                byte = UInt8(high << 4 | low)
                if byte == UInt8(ascii: "/") { byte = UInt8(ascii: "\\") }
                read += 2
            }
            text[written] = byte
            written += 1
        }
        return written
    }

    /// Replaces dots, slashes and backslashes in overlong encodings of two or three octets, which UTF-8 forbids (RFC
    /// 3629 section 3) but some servers accept. Returns the new length.
    private static func shorten(_ text: UnsafeMutableRawBufferPointer, _ count: Int) -> Int {
        var (read, written) = (0, 0)
        while read < count {
            var byte = text[read]
            let lead = byte == 0xE0 && read + 2 < count && text[read + 1] & 0xFE == 0x80 ? 1 : 0
            let high = lead == 1 ? 0xC0 | text[read + 1] & 1 : byte
            if high & 0xFE == 0xC0, read + lead + 1 < count, text[read + lead + 1] & 0xC0 == 0x80 {
                let value = (high & 1) << 6 | text[read + lead + 1] & 0x3F
                byte = value == UInt8(ascii: "/") ? UInt8(ascii: "\\") : value
                read += lead + 1
            }
            read += 1
            text[written] = byte
            written += 1
        }
        return written
    }

    private static func climbs(decoded path: UnsafeRawBufferPointer) -> Bool {
        var depth = 0
        /// Part of this segment, up to the next slash, counts as a step down.
        var isBelow = false
        var start = 0
        for index in 0...path.count {
            let isSlash = index == path.count || path[index] == UInt8(ascii: "/")
            guard isSlash || path[index] == UInt8(ascii: "\\") else { continue }
            switch kind(path, start, index) {
            case .up:
                depth -= 1
                if depth < 0 { return true }
            case .down where !isBelow:
                depth += 1
                isBelow = true
            case .down, .stays: break
            }
            if isSlash { isBelow = false }
            start = index + 1
        }
        return false
    }

    private enum Segment {
        case down, stays, up
    }

    /// The segment's name ends where servers may end it: at a parameter, or at an encoded NUL, `?` or `#`. Dots and blanks
    /// behind the first dots may be dropped.
    private static func kind(_ path: UnsafeRawBufferPointer, _ start: Int, _ end: Int) -> Segment {
        var length = 0
        counting: while start + length < end {
            switch path[start + length] {
            case 0, UInt8(ascii: ";"), UInt8(ascii: "?"), UInt8(ascii: "#"): break counting
            default: length += 1
            }
        }
        var dots = 0
        for offset in 0..<length {
            let byte = path[start + offset]
            guard PathReadings.isFill(byte) else { return .down }
            if byte == UInt8(ascii: "."), dots == offset { dots += 1 }
        }
        return dots >= 2 ? .up : .stays
    }
}
