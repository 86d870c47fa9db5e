/// A JSON number (RFC 8259 section 6) by its value: `124`, `124.0` and `1.24e2` are the same. Exact, however many digits
/// there are.
public struct DecimalNumber: Equatable, Sendable {
    private let isNegative: Bool
    /// From the first to the last that is not zero; empty for zero.
    private let digits: [UInt8]
    /// The power of ten that the last digit counts.
    private let exponent: Int

    /// Beyond it, either way, an exponent says nothing that anybody means.
    private static let maxExponent = 1_000_000

    /// Nil if `text` is no JSON number.
    public init?(_ text: some Collection<UInt8>) {
        var rest = Array(text)[...]
        let isNegative = rest.first == UInt8(ascii: "-")
        if isNegative { rest = rest.dropFirst() }
        var digits = Self.takeDigits(&rest)
        guard !digits.isEmpty, digits.count == 1 || digits[0] != 0 else { return nil }
        var exponent = 0
        if rest.first == UInt8(ascii: ".") {
            rest = rest.dropFirst()
            let fraction = Self.takeDigits(&rest)
            guard !fraction.isEmpty else { return nil }
            digits += fraction
            exponent = -fraction.count
        }
        if let mark = rest.first, mark | 0x20 == UInt8(ascii: "e") {
            rest = rest.dropFirst()
            let sign = rest.first
            if sign == UInt8(ascii: "-") || sign == UInt8(ascii: "+") { rest = rest.dropFirst() }
            let power = Self.takeDigits(&rest)
            guard !power.isEmpty else { return nil }
            let amount = power.reduce(0) { min($0 * 10 + Int($1), Self.maxExponent) }
            exponent += sign == UInt8(ascii: "-") ? -amount : amount
        }
        guard rest.isEmpty else { return nil }
        while digits.last == 0 {
            digits.removeLast()
            exponent += 1
        }
        self.digits = Array(digits.drop { $0 == 0 })
        let isZero = self.digits.isEmpty
        self.isNegative = isNegative && !isZero
        self.exponent = isZero ? 0 : exponent
    }

    private static func takeDigits(_ rest: inout ArraySlice<UInt8>) -> [UInt8] {
        let taken = rest.prefix { $0 &- 0x30 < 10 }
        rest = rest.dropFirst(taken.count)
        return taken.map { $0 - 0x30 }
    }
}
