import HTTP1

/// Where bytes are cut: offsets that depend on the bytes alone, so that a failure can be repeated. Ascending; the last
/// is the end.
struct Cuts: Sequence, IteratorProtocol {
    private let count: Int
    private var state: UInt64
    private var offset = 0
    private var isDone = false

    init(_ bytes: [UInt8]) {
        count = bytes.count
        state = hash(bytes)
    }

    mutating func next() -> Int? {
        guard !isDone else { return nil }
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        // Mostly long pieces, sometimes runs of single bytes.
        offset += (state >> 60) < 6 ? 1 : Int((state >> 40) % 97) + 1
        guard offset >= count else { return offset }
        isDone = true
        return count
    }
}

/// FNV-1a.
func hash(_ bytes: [UInt8]) -> UInt64 {
    var state: UInt64 = 0xCBF2_9CE4_8422_2325
    for byte in bytes { state = (state ^ UInt64(byte)) &* 0x100_0000_01B3 }
    return state
}

extension Span where Element == UInt8 {
    func equals(_ range: ByteRange, _ other: Span<UInt8>, _ otherRange: ByteRange) -> Bool {
        guard range.count == otherRange.count else { return false }
        for index in 0..<range.count
        where self[Int(range.lowerBound) + index] != other[Int(otherRange.lowerBound) + index] {
            return false
        }
        return true
    }
}
