import Credentials
import HTTP1
public import Support

/// Reads a token's lifetime from a response, in the spellings that APIs use. Pure.
///
/// | value | as a span (`expires-in`) | as a moment (`expires-at`) |
/// |---|---|---|
/// | a number, or its digits as text | so many of the unit | seconds since 1970; from 1e11 on, milliseconds |
/// | `h:mm:ss`, `mm:ss` | a span | a span from now |
/// | a date (RFC 3339), without a zone in UTC | unknown | that moment |
///
/// Anything else is unknown: zero and negative numbers, moments in the past, and more than ten years.
public enum ExpiryReader {
    /// The unit of a number.
    public enum Unit: String, CaseIterable, Sendable {
        case milliseconds, seconds, minutes, hours

        fileprivate var inSeconds: Double {
            switch self {
            case .milliseconds: 0.001
            case .seconds: 1
            case .minutes: 60
            case .hours: 3600
            }
        }
    }

    /// The place of a span in a response.
    public struct Place: Equatable, Sendable, ExpressibleByStringLiteral {
        /// A JSON Pointer (RFC 6901).
        public var pointer: String
        public var unit: Unit

        public init(_ pointer: String, unit: Unit = .seconds) {
            self.pointer = pointer
            self.unit = unit
        }

        public init(stringLiteral pointer: String) {
            self.init(pointer)
        }
    }

    /// The longest plausible lifetime in seconds.
    public static let longest = TokenLife.longest

    /// The remaining lifetime in seconds; nil if the response contains none, or an implausible one. `expiresIn` takes
    /// precedence. `wall` is the current time, in seconds since 1970.
    public static func lifetime(in json: JSONValue, expiresIn: Place?, expiresAt: String?, wall: Int) -> Int? {
        if let expiresIn, let seconds = span(json.value(at: expiresIn.pointer), unit: expiresIn.unit) { return seconds }
        return expiresAt.flatMap { remaining(json.value(at: $0), wall: wall) }
    }

    /// The length of a span in seconds; nil if it is implausible (`TokenLife`).
    public static func span(_ value: JSONValue?, unit: Unit = .seconds) -> Int? {
        if case .string(let text) = value, let seconds = clockSpan(Octet.trimmed(text)) {
            return usable(Double(seconds))
        }
        return number(value).flatMap { usable($0 * unit.inSeconds) }
    }

    /// The seconds until a moment; nil if they are implausible. `wall` is the current time, in seconds since 1970.
    public static func remaining(_ value: JSONValue?, wall: Int) -> Int? {
        if case .string(let text) = value {
            let text = Octet.trimmed(text)
            if let seconds = clockSpan(text) { return usable(Double(seconds)) }
            if let moment = date(text) { return usable(Double(moment) - Double(wall)) }
        }
        return number(value).flatMap { usable(($0 >= 1e11 ? $0 / 1000 : $0) - Double(wall)) }
    }

    private static func usable(_ seconds: Double) -> Int? {
        seconds.isFinite && seconds >= 1 && seconds <= Double(longest) ? Int(seconds) : nil
    }

    /// A number, or a text of digits, possibly with a fraction.
    private static func number(_ value: JSONValue?) -> Double? {
        switch value {
        case .number(let text): return Double(text)
        case .string(let text):
            let text = Octet.trimmed(text)
            let parts = text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
            guard (1...2).contains(parts.count), parts.allSatisfy({ !$0.isEmpty && $0.allSatisfy(Octet.isDigit) })
            else { return nil }
            return Double(text)
        case .null, .bool, .array, .object, nil: return nil
        }
    }

    /// `h:mm:ss` or `mm:ss`, in seconds.
    private static func clockSpan(_ text: String) -> Int? {
        let parts = text.utf8.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
        guard (2...3).contains(parts.count) else { return nil }
        var seconds = 0
        for (index, part) in parts.enumerated() {
            let digits = index == 0 ? 1...6 : 2...2
            guard digits.contains(part.count), part.allSatisfy(Octet.isDigit), let number = Int(Substring(part)),
                index == 0 || number < 60
            else { return nil }
            seconds = seconds * 60 + number
        }
        return seconds
    }

    /// Seconds since 1970 of a date such as `2026-11-24T10:02:11.5+01:00` (RFC 3339). A blank may replace `T`; a date
    /// without a zone is in UTC.
    static func date(_ text: String) -> Int? {
        var rest = DigitReader(text)
        guard let year = rest.number(4), rest.take("-"), let month = rest.number(2), rest.take("-"),
            let day = rest.number(2), rest.takeAny("Tt "), let hour = rest.number(2), rest.take(":"),
            let minute = rest.number(2), rest.take(":"), let second = rest.number(2),
            hour < 24, minute < 60, second <= 60
        else { return nil }
        if rest.takeAny(".,") { guard rest.skipDigits() else { return nil } }
        guard let offset = rest.zone(), rest.isAtEnd else { return nil }
        let secondOfDay = hour * 3600 + minute * 60 + second
        return UTCTime.seconds(year: year, month: month, day: day, secondOfDay: secondOfDay).map { $0 - offset }
    }
}

/// Reads numbers with a fixed count of digits from a text.
private struct DigitReader {
    private var rest: Substring.UTF8View

    init(_ text: String) {
        rest = Substring(text).utf8
    }

    var isAtEnd: Bool { rest.isEmpty }

    mutating func number(_ count: Int) -> Int? {
        let digits = rest.prefix(count)
        guard digits.count == count, digits.allSatisfy(Octet.isDigit) else { return nil }
        rest = rest.dropFirst(count)
        return Int(Substring(digits))
    }

    mutating func take(_ mark: Unicode.Scalar) -> Bool {
        guard rest.first == UInt8(ascii: mark) else { return false }
        rest = rest.dropFirst()
        return true
    }

    mutating func takeAny(_ marks: String) -> Bool {
        guard let first = rest.first, marks.utf8.contains(first) else { return false }
        rest = rest.dropFirst()
        return true
    }

    mutating func skipDigits() -> Bool {
        let digits = rest.prefix(while: Octet.isDigit)
        rest = rest[digits.endIndex...]
        return !digits.isEmpty
    }

    /// The zone's offset from UTC in seconds: `Z`, `+01:00`, `-0130`, `+02`, or nothing for UTC.
    mutating func zone() -> Int? {
        if isAtEnd || takeAny("Zz") { return 0 }
        let sign: Int
        if take("+") { sign = 1 } else if take("-") { sign = -1 } else { return nil }
        guard let hours = number(2), hours < 24 else { return nil }
        if isAtEnd { return sign * hours * 3600 }
        _ = take(":")
        guard let minutes = number(2), minutes < 60 else { return nil }
        return sign * (hours * 3600 + minutes * 60)
    }
}
