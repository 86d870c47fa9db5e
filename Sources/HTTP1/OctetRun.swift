/// Where runs of octets of one class end, eight octets at a time.
///
/// Heads are little else than such runs. The fields of a request and its answer, 430 bytes, took 6,240 instructions
/// octet by octet, and take 2,980 this way.
///
/// A word's test marks, with the top bit of a byte, octets that may end the run: every octet that does, perhaps a few
/// more. What is marked is decided by the class itself, in `Octet`.
extension Span where Element == UInt8 {
    /// The offset, from `start` on, of the first octet that no method or field name has; `count` when there is none.
    @inline(__always)
    public func endOfToken(from start: Int) -> Int {
        endOfRun(from: start, marks: OctetRun.unusualInToken, belongs: Octet.isToken)
    }

    /// The same of a request target.
    @inline(__always)
    public func endOfTarget(from start: Int) -> Int {
        endOfRun(from: start, marks: OctetRun.notInTarget, belongs: Octet.isTarget)
    }

    /// The same of a field value.
    @inline(__always)
    public func endOfFieldContent(from start: Int) -> Int {
        endOfRun(from: start, marks: OctetRun.controls, belongs: Octet.isFieldContent)
    }

    @inline(__always)
    private func endOfRun(
        from start: Int,
        marks: (UInt64) -> UInt64,
        belongs: (UInt8) -> Bool
    ) -> Int {
        var offset = start
        while offset &+ 8 <= count {
            let word = unsafe bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self)
            let found = marks(UInt64(littleEndian: word))
            if found == 0 {
                offset &+= 8
                continue
            }
            offset &+= found.trailingZeroBitCount &>> 3
            guard belongs(self[offset]) else { return offset }
            offset &+= 1
        }
        while offset < count, belongs(self[offset]) { offset &+= 1 }
        return offset
    }
}

/// Tests of eight octets at once. Of the bytes that are marked, the lowest is exact; a borrow may mark ones above it.
enum OctetRun {
    private static let ones: UInt64 = 0x0101_0101_0101_0101
    private static let tops: UInt64 = 0x8080_8080_8080_8080

    /// Octets below `limit`, which is at most 128.
    @inline(__always)
    private static func below(_ limit: UInt64, _ word: UInt64) -> UInt64 {
        (word &- ones &* limit) & ~word & tops
    }

    @inline(__always)
    private static func equal(_ octet: UInt64, _ word: UInt64) -> UInt64 {
        below(1, word ^ ones &* octet)
    }

    /// Control characters, tab too, which is rare in a value.
    @inline(__always)
    static func controls(_ word: UInt64) -> UInt64 {
        below(0x20, word) | equal(0x7F, word)
    }

    @inline(__always)
    static func notInTarget(_ word: UInt64) -> UInt64 {
        below(0x21, word) | equal(0x23, word) | equal(0x7F, word) | word & tops
    }

    /// 0x20 where there is a letter from a to z. Octets are below 128.
    @inline(__always)
    static func caseBits(ofLowercase word: UInt64) -> UInt64 {
        ((word &+ ones &* (0x80 - 0x61)) & ~(word &+ ones &* (0x80 - 0x7B)) & tops) >> 2
    }

    /// All but letters and hyphens: names have hardly anything else.
    @inline(__always)
    static func unusualInToken(_ word: UInt64) -> UInt64 {
        // Without top bits no sum reaches the next byte.
        let letters = (word | ones &* 0x20) & ~tops
        let isLetter = (letters &+ ones &* (0x80 - 0x61)) & ~(letters &+ ones &* (0x80 - 0x7B))
        let differs = word ^ ones &* 0x2D
        let isNoHyphen = ((differs & ~tops) &+ ones &* 0x7F) | differs
        return (~isLetter & isNoHyphen | word) & tops
    }
}
