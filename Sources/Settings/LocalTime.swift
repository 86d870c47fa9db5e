import Platform
import Support

/// Formats moments for people: in local time, as in the text log.
public enum LocalTime {
    /// `08:15:02`, or `2026-11-24 08:15:02` if the day differs from that of `now`. Both are in seconds since 1970.
    public static func text(_ moment: Int, now: Int) -> String {
        let (day, time) = parts(moment)
        return day == parts(now).day ? time : "\(day) \(time)"
    }

    private static func parts(_ moment: Int) -> (day: String, time: String) {
        var seconds = time_t(UTCTime.clamped(moment))
        var parts = unsafe tm()
        unsafe localtime_r(&seconds, &parts)
        let padded = { (number: Int32) in number < 10 ? "0\(number)" : "\(number)" }
        let time = unsafe [parts.tm_hour, parts.tm_min, parts.tm_sec].map(padded).joined(separator: ":")
        return (unsafe "\(Int(parts.tm_year) + 1900)-\(padded(parts.tm_mon + 1))-\(padded(parts.tm_mday))", time)
    }
}
