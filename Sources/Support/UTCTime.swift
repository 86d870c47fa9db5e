import Platform

/// Moments in seconds since 1970, and their text for people.
public enum UTCTime {
    /// From 1970 to the end of the year 9999. Every moment from outside is clamped to it, so that sums of moments
    /// cannot overflow.
    public static let range = 0...253_402_300_799

    /// The moment in `range` that is nearest to `seconds`.
    public static func clamped(_ seconds: Int) -> Int {
        min(max(seconds, range.lowerBound), range.upperBound)
    }

    /// `2026-11-24 10:02:11 UTC`. `seconds` since 1970.
    public static func text(_ seconds: Int) -> String { text(seconds, format: "%Y-%m-%d %H:%M:%S UTC") }

    /// `2026-11-24T10:02:11.000Z` (RFC 3339). `seconds` since 1970.
    public static func rfc3339(_ seconds: Int) -> String { text(seconds, format: "%Y-%m-%dT%H:%M:%S.000Z") }

    /// The same, to the millisecond. `milliseconds` since 1970.
    public static func rfc3339(milliseconds: Int64) -> String {
        let milliseconds = min(max(milliseconds, 0), Int64(range.upperBound) * 1000)
        let rest = String(milliseconds % 1000)
        let zeros = String(repeating: "0", count: 3 - rest.utf8.count)
        return text(Int(milliseconds / 1000), format: "%Y-%m-%dT%H:%M:%S.") + zeros + rest + "Z"
    }

    private static func text(_ seconds: Int, format: String) -> String {
        var moment = time_t(seconds)
        var parts = unsafe tm()
        guard unsafe gmtime_r(&moment, &parts) != nil else { return "an unknown time" }
        var text = [CChar](repeating: 0, count: 64)
        let count = unsafe strftime(&text, text.count, format, &parts)
        return String(decoding: text.prefix(count).map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    /// Seconds since 1970 of a moment in the proleptic Gregorian calendar; nil when there is no such day.
    public static func seconds(year: Int, month: Int, day: Int, secondOfDay: Int) -> Int? {
        guard (0...9999).contains(year), (1...12).contains(month), (1...31).contains(day),
            (0...86_400).contains(secondOfDay)
        else { return nil }
        var parts = unsafe tm()
        unsafe parts.tm_year = Int32(year - 1900)
        unsafe parts.tm_mon = Int32(month - 1)
        unsafe parts.tm_mday = Int32(day)
        let start = unsafe timegm(&parts)
        // The 31st of a month that has 30 days became the first of the next.
        guard unsafe parts.tm_mday == Int32(day) else { return nil }
        return Int(start) + secondOfDay
    }
}
