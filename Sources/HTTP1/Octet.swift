/// A part of a buffer, as a pair of offsets. Small, so that the index of a head stays within a few cache lines.
public struct ByteRange: Equatable, Sendable {
    public var lowerBound: Int32
    public var upperBound: Int32

    @inline(__always)
    public init(_ lower: Int, _ upper: Int) {
        lowerBound = Int32(truncatingIfNeeded: lower)
        upperBound = Int32(truncatingIfNeeded: upper)
    }

    public static let empty = ByteRange(0, 0)

    @inline(__always)
    public var count: Int { Int(upperBound &- lowerBound) }
    @inline(__always)
    public var isEmpty: Bool { lowerBound == upperBound }
    @inline(__always)
    public var range: Range<Int> { Int(lowerBound)..<Int(upperBound) }
}

/// Classes of octets in HTTP/1.1 (RFC 9110 section 5.6, RFC 9112).
public enum Octet {
    public static let carriageReturn: UInt8 = 0x0D
    public static let lineFeed: UInt8 = 0x0A
    public static let space: UInt8 = 0x20
    public static let tab: UInt8 = 0x09
    public static let colon: UInt8 = 0x3A
    static let hyphen: UInt8 = 0x2D

    /// `tchar`: the octets of method and field names.
    @inline(__always)
    public static func isToken(_ byte: UInt8) -> Bool {
        // One bit for each of the 128 ASCII characters.
        let low: UInt64 = 0x03FF_6CFA_0000_0000
        let high: UInt64 = 0x57FF_FFFF_C7FF_FFFE
        if byte < 64 { return low &>> UInt64(byte) & 1 == 1 }
        if byte < 128 { return high &>> UInt64(byte &- 64) & 1 == 1 }
        return false
    }

    /// The octets of a field value: everything but control characters, of which only tab is allowed.
    @inline(__always)
    public static func isFieldContent(_ byte: UInt8) -> Bool {
        (byte >= 0x20 && byte != 0x7F) || byte == tab
    }

    /// The octets that are accepted in a request target: visible ASCII without the fragment's `#`. RFC 3986 allows
    /// fewer, but real clients send raw `|`, `;` and `{`, and they are forwarded unchanged.
    @inline(__always)
    public static func isTarget(_ byte: UInt8) -> Bool {
        byte > 0x20 && byte < 0x7F && byte != 0x23
    }

    @inline(__always)
    public static func isBlank(_ byte: UInt8) -> Bool { byte == space || byte == tab }

    /// `text` without blanks at both ends.
    public static func trimmed(_ text: String) -> String {
        let octets = text.utf8
        guard let first = octets.firstIndex(where: { !isBlank($0) }),
            let last = octets.lastIndex(where: { !isBlank($0) })
        else { return "" }
        return first == octets.startIndex && octets.index(after: last) == octets.endIndex
            ? text : String(text[first...last])
    }

    @inline(__always)
    public static func isDigit(_ byte: UInt8) -> Bool { byte &- 0x30 < 10 }

    @inline(__always)
    public static func lowercase(_ byte: UInt8) -> UInt8 { byte &- 0x41 < 26 ? byte | 0x20 : byte }

    /// The value of a hexadecimal digit, or nil.
    @inline(__always)
    public static func hexadecimal(_ byte: UInt8) -> Int? {
        switch byte {
        case 0x30...0x39: Int(byte &- 0x30)
        case 0x41...0x46: Int(byte &- 0x37)
        case 0x61...0x66: Int(byte &- 0x57)
        default: nil
        }
    }
}

extension Span where Element == UInt8 {
    /// Whether the bytes of `range` equal `lowercase`, ignoring case.
    @inline(__always)
    public func matches(_ range: ByteRange, _ lowercase: StaticString) -> Bool {
        let length = range.count
        guard length == lowercase.utf8CodeUnitCount else { return false }
        var index = 0
        // Compares eight octets at a time, and the last eight once more: the known names are long.
        while length >= 8 {
            let place = Swift.min(index, length &- 8)
            let word = unsafe bytes.unsafeLoadUnaligned(
                fromByteOffset: Int(range.lowerBound) &+ place,
                as: UInt64.self
            )
            let wanted = unsafe UnsafeRawPointer(lowercase.utf8Start)
                .loadUnaligned(fromByteOffset: place, as: UInt64.self)
            // An octet may differ in the case bit only, and only if the expected one is a letter.
            guard (word ^ wanted) & ~OctetRun.caseBits(ofLowercase: wanted) == 0 else { return false }
            index = place &+ 8
            if index == length { return true }
        }
        // The same with four.
        while length >= 4 {
            let place = Swift.min(index, length &- 4)
            let word = unsafe bytes.unsafeLoadUnaligned(
                fromByteOffset: Int(range.lowerBound) &+ place,
                as: UInt32.self
            )
            let wanted = unsafe UnsafeRawPointer(lowercase.utf8Start)
                .loadUnaligned(fromByteOffset: place, as: UInt32.self)
            let caseBits = UInt32(truncatingIfNeeded: OctetRun.caseBits(ofLowercase: UInt64(wanted)))
            guard (word ^ wanted) & ~caseBits == 0 else { return false }
            index = place &+ 4
            if index == length { return true }
        }
        while index < length {
            guard unsafe Octet.lowercase(self[Int(range.lowerBound) &+ index]) == lowercase.utf8Start[index] else {
                return false
            }
            index &+= 1
        }
        return true
    }

    /// Whether the bytes at `offset` are `text`, in the same case.
    @inline(__always)
    func holds(_ text: StaticString, at offset: Int) -> Bool {
        guard count &- offset >= text.utf8CodeUnitCount else { return false }
        for index in 0..<text.utf8CodeUnitCount where unsafe self[offset &+ index] != text.utf8Start[index] {
            return false
        }
        return true
    }

    /// Whether the bytes of `range` equal `lowercase`, ignoring case.
    public func matches(_ range: ByteRange, _ lowercase: [UInt8]) -> Bool {
        guard range.count == lowercase.count else { return false }
        for index in 0..<lowercase.count
        where Octet.lowercase(self[Int(range.lowerBound) + index]) != lowercase[index] {
            return false
        }
        return true
    }

    /// Whether the bytes contain `lowercase`, ignoring case.
    public func contains(_ lowercase: StaticString) -> Bool {
        let length = lowercase.utf8CodeUnitCount
        guard length <= count else { return false }
        return (0...(count - length)).contains { matches(ByteRange($0, $0 + length), lowercase) }
    }

    /// `range` without leading and trailing blanks.
    @inline(__always)
    public func trimmed(_ range: ByteRange) -> ByteRange {
        var lower = Int(range.lowerBound)
        var upper = Int(range.upperBound)
        while lower < upper, Octet.isBlank(self[lower]) { lower &+= 1 }
        while upper > lower, Octet.isBlank(self[upper &- 1]) { upper &-= 1 }
        return ByteRange(lower, upper)
    }

    /// The elements of a comma-separated list, trimmed, without empty ones (RFC 9110 section 5.6.1).
    public func listElements(_ range: ByteRange, _ body: (ByteRange) -> Void) {
        var start = Int(range.lowerBound)
        let end = Int(range.upperBound)
        while start < end {
            var comma = start
            while comma < end, self[comma] != 0x2C { comma &+= 1 }
            let element = trimmed(ByteRange(start, comma))
            if !element.isEmpty { body(element) }
            start = comma &+ 1
        }
    }

    func contains(_ byte: UInt8) -> Bool {
        for offset in 0..<count where self[offset] == byte { return true }
        return false
    }

    /// The bytes of `range` as text.
    public func text(_ range: ByteRange) -> String {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(range.count)
        for offset in range.range { bytes.append(self[offset]) }
        return String(decoding: bytes, as: UTF8.self)
    }
}
