#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Moments as people read them.
public enum UTCTime {
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
