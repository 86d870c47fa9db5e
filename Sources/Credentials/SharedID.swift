import Platform

/// 128 random bits that identify a token set, a login, a claim or a write. In a record they are 32 hexadecimal digits.
public struct SharedID: Hashable, Sendable, CustomStringConvertible {
    private let high: UInt64
    private let low: UInt64

    /// Creates a new identifier that has never existed before.
    public static func random() -> SharedID {
        var random = SystemRandomNumberGenerator()
        return SharedID(high: random.next(), low: random.next())
    }

    private init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// Nil unless `text` is 32 hexadecimal digits in lower case.
    public init?(_ text: String) {
        let digits = text.utf8
        guard digits.count == 32,
            digits.allSatisfy({ (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }),
            let high = UInt64(text.prefix(16), radix: 16), let low = UInt64(text.suffix(16), radix: 16)
        else { return nil }
        self.init(high: high, low: low)
    }

    public var description: String { Hexadecimal.text(high) + Hexadecimal.text(low) }
}
