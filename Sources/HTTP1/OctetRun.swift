/// Finds where runs of octets of one class end, eight octets at a time.
///
/// Heads consist mostly of such runs. The fields of a request and its response, 430 bytes, took 6,240 instructions
/// octet by octet, and take 2,980 this way.
///
/// A word's test sets the top bit of each byte that may end the run: every byte that does, and perhaps a few more.
/// `Octet` then decides about the marked ones.
extension Span where Element == UInt8 {
    /// The offset, at or after `start`, of the first octet that no method or field name contains; `count` if there is
    /// none.
    @inline(__always)
    public func endOfToken(from start: Int) -> Int {
        endOfRun(from: start, marks: OctetRun.unusualInToken, belongs: Octet.isToken)
    }

    /// The same for a field name. `isOdd`: it contains an octet other than letters, digits and hyphens, or ends in a
    /// hyphen; only such a name can be read as a different one (see `FoldedName`).
    @inline(__always)
    func endOfName(from start: Int) -> (end: Int, isOdd: Bool) {
        var isOdd = false
        let end = endOfRun(from: start, marks: OctetRun.unusualInToken) { byte in
            // Where nearly every name ends.
            if byte == Octet.colon { return false }
            if FoldedName.keeps(byte) { return true }
            guard Octet.isToken(byte) else { return false }
            isOdd = true
            return true
        }
        return (end, isOdd || end > start && self[end &- 1] == Octet.hyphen)
    }

    /// The same for a request target.
    @inline(__always)
    public func endOfTarget(from start: Int) -> Int {
        endOfRun(from: start, marks: OctetRun.notInTarget, belongs: Octet.isTarget)
    }

    /// The same for a field value.
    @inline(__always)
    public func endOfFieldContent(from start: Int) -> Int {
        endOfRun(from: start, marks: OctetRun.controls, belongs: Octet.isFieldContent)
    }

    /// The offset of the first `octet` in `range`; the range's end if there is none.
    @inline(__always)
    func first(_ octet: UInt8, in range: Range<Int>) -> Int {
        precondition(range.lowerBound >= 0)
        var offset = range.lowerBound
        while offset < range.upperBound, let word = word(at: offset) {
            let found = OctetRun.equal(UInt64(octet), word)
            if found != 0 { return Swift.min(offset &+ (found.trailingZeroBitCount &>> 3), range.upperBound) }
            offset &+= 8
        }
        while offset < range.upperBound, self[offset] != octet { offset &+= 1 }
        return Swift.min(offset, range.upperBound)
    }

    @inline(__always)
    private func endOfRun(
        from start: Int,
        marks: (UInt64) -> UInt64,
        belongs: (UInt8) -> Bool
    ) -> Int {
        precondition(start >= 0)
        var offset = start
        while let word = word(at: offset) {
            let found = marks(word)
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

    /// Eight octets, the first one in the lowest byte; nil if there are fewer. `offset` must not be negative.
    @inline(__always)
    private func word(at offset: Int) -> UInt64? {
        guard count &- offset >= 8 else { return nil }
        // Checked in the line above; a second check in each step would take a third of the loop.
        let word = unsafe bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: UInt64.self)
        return UInt64(littleEndian: word)
    }
}

/// Tests of eight octets at once. The lowest marked byte is exact; a borrow may mark further bytes above it.
enum OctetRun {
    private static let ones: UInt64 = 0x0101_0101_0101_0101
    private static let tops: UInt64 = 0x8080_8080_8080_8080

    /// Octets below `limit`, which is at most 128.
    @inline(__always)
    private static func below(_ limit: UInt64, _ word: UInt64) -> UInt64 {
        (word &- ones &* limit) & ~word & tops
    }

    @inline(__always)
    static func equal(_ octet: UInt64, _ word: UInt64) -> UInt64 {
        below(1, word ^ ones &* octet)
    }

    /// Control characters, including tab, which is rare in values.
    @inline(__always)
    static func controls(_ word: UInt64) -> UInt64 {
        // Half as long as the exact test, and rules most words out.
        let suspects = ((word &- ones &* 0x20) | (word &+ ones)) & tops
        return suspects == 0 ? 0 : below(0x20, word) | equal(0x7F, word)
    }

    @inline(__always)
    static func notInTarget(_ word: UInt64) -> UInt64 {
        below(0x21, word) | equal(0x23, word) | equal(0x7F, word) | word & tops
    }

    /// 0x20 in each byte that is a letter from a to z. All octets must be below 128.
    @inline(__always)
    static func caseBits(ofLowercase word: UInt64) -> UInt64 {
        ((word &+ ones &* (0x80 - 0x61)) & ~(word &+ ones &* (0x80 - 0x7B)) & tops) >> 2
    }

    /// Everything but letters and hyphens: names contain hardly anything else.
    @inline(__always)
    static func unusualInToken(_ word: UInt64) -> UInt64 {
        // With the top bits cleared, no sum carries into the next byte.
        let letters = (word | ones &* 0x20) & ~tops
        let isLetter = (letters &+ ones &* (0x80 - 0x61)) & ~(letters &+ ones &* (0x80 - 0x7B))
        let differs = word ^ ones &* 0x2D
        let isNoHyphen = ((differs & ~tops) &+ ones &* 0x7F) | differs
        return (~isLetter & isNoHyphen | word) & tops
    }
}
