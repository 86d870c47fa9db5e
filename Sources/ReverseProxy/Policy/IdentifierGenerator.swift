public import EventIO
import Platform

/// Generates UUIDs and identifiers. Not for secrets: it is seeded once and then only calculates. Belongs to one loop.
public struct IdentifierGenerator {
    private var state: UInt64

    public init(seed: UInt64 = .random(in: .min ... .max)) {
        state = seed
    }

    /// SplitMix64.
    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }

    /// A random UUID (RFC 9562 version 4), lower case.
    public mutating func appendUUID(to buffer: ByteBuffer) {
        let high = next() & 0xFFFF_FFFF_FFFF_0FFF | 0x4000
        let low = next() & 0x3FFF_FFFF_FFFF_FFFF | 0x8000_0000_0000_0000
        // Appending it in one piece saves a third.
        withUnsafeTemporaryAllocation(byteCount: 36, alignment: 1) { text in
            var place = 0
            for index in 0..<16 {
                if index == 4 || index == 6 || index == 8 || index == 10 {
                    text[place] = 0x2D
                    place &+= 1
                }
                let byte = UInt8(truncatingIfNeeded: (index < 8 ? high : low) >> UInt64(56 &- index % 8 &* 8))
                text[place] = Hexadecimal.digit(byte >> 4)
                text[place &+ 1] = Hexadecimal.digit(byte & 15)
                place &+= 2
            }
            buffer.append(UnsafeRawBufferPointer(text))
        }
    }

    /// The same, as a string.
    public mutating func uuid() -> String {
        let buffer = ByteBuffer(capacity: 36)
        appendUUID(to: buffer)
        return String(decoding: buffer.readable, as: UTF8.self)
    }
}
