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
    public static func text(_ seconds: Int) -> String {
        var moment = time_t(seconds)
        var parts = tm()
        guard gmtime_r(&moment, &parts) != nil else { return "an unknown time" }
        var text = [CChar](repeating: 0, count: 64)
        let count = strftime(&text, text.count, "%Y-%m-%d %H:%M:%S UTC", &parts)
        return String(decoding: text.prefix(count).map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}
