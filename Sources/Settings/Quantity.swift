/// Parses and formats durations and sizes as people write them.
public enum Quantity {
    /// Longest duration: 100 years. The nanoseconds of two of them fit into 64 bits.
    public static let maximumDuration = Duration.seconds(100 * 365 * 86_400)
    /// Largest size: 1 TiB.
    public static let maximumSize = 1 << 40

    private static let durationUnits: [(name: String, milliseconds: Int64)] = [
        ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1),
    ]
    private static let sizeUnits: [(name: String, bytes: Int)] = [
        ("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1),
    ]

    /// `500ms`, `30s`, `24m`, `2h`, `30d`, or `0`. Nil if `text` is none of these, or longer than `maximumDuration`.
    public static func duration(_ text: String) -> Duration? {
        if text == "0" { return .zero }
        guard let (number, unit) = split(text), let factor = durationUnits.first(where: { $0.name == unit }) else {
            return nil
        }
        let milliseconds = number * Double(factor.milliseconds)
        guard milliseconds <= Double(maximumDuration.components.seconds) * 1000 else { return nil }
        return .milliseconds(Int64(milliseconds))
    }

    /// Bytes: `64KiB`, `1MiB`, `2GiB`, `512B`, `512`. Nil if `text` is none of these, or more than `maximumSize`.
    public static func size(_ text: String) -> Int? {
        if let bytes = Int(text) { return (0...maximumSize).contains(bytes) ? bytes : nil }
        guard let (number, unit) = split(text), let factor = sizeUnits.first(where: { $0.name == unit }) else {
            return nil
        }
        let bytes = number * Double(factor.bytes)
        return bytes <= Double(maximumSize) ? Int(bytes) : nil
    }

    /// A duration as `duration` reads it, in the largest unit that says it exactly.
    public static func text(_ duration: Duration) -> String {
        let (seconds, attoseconds) = duration.components
        let milliseconds = seconds * 1000 + attoseconds / 1_000_000_000_000_000
        guard milliseconds != 0 else { return "0" }
        let unit = durationUnits.first { milliseconds % $0.milliseconds == 0 } ?? ("ms", 1)
        return "\(milliseconds / unit.milliseconds)\(unit.name)"
    }

    /// A size as `size` reads it, in the largest unit that says it exactly.
    public static func text(bytes: Int) -> String {
        guard bytes != 0 else { return "0" }
        let unit = sizeUnits.first { bytes % $0.bytes == 0 } ?? ("B", 1)
        return "\(bytes / unit.bytes)\(unit.name)"
    }

    /// A span of time for people: `45 s`, `52 min`, `7 h`, `30 days`. Rounded down.
    public static func words(seconds: Int) -> String {
        switch seconds {
        case ..<120: "\(max(0, seconds)) s"
        case ..<7_200: "\(seconds / 60) min"
        case ..<172_800: "\(seconds / 3_600) h"
        default: "\(seconds / 86_400) days"
        }
    }

    /// Splits a decimal number from its unit.
    private static func split(_ text: String) -> (Double, String)? {
        let digits = text.utf8.prefix { (0x30...0x39).contains($0) || $0 == UInt8(ascii: ".") }
        guard digits.first.map({ $0 != UInt8(ascii: ".") }) == true, let spelled = String(digits),
            let number = Double(spelled), number.isFinite, let unit = String(text.utf8[digits.endIndex...])
        else { return nil }
        return (number, unit)
    }
}
