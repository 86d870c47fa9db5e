import EventIO
import Platform
import Support
import Threads

/// The moment of a log line.
public struct Timestamp: Sendable {
    /// Seconds since 1970.
    var seconds: Int
    var milliseconds: Int

    public static func now() -> Timestamp {
        // Clamped, so that the year has four digits.
        let time = WallClock.now()
        return Timestamp(seconds: UTCTime.clamped(time.seconds), milliseconds: time.nanoseconds / 1_000_000)
    }
}

/// Formats the moments of log lines: `08:15:02.123` in local time as text, `2026-11-24T08:15:02.123Z` in JSON. Formats
/// everything but the milliseconds only once a second.
///
/// *Threading*: any thread.
final class LogClock: @unchecked Sendable {
    // `@unchecked`: `second` and `text` are protected by `lock`.
    private let format: LogFormat
    private let lock = Lock()
    private var second = Int.min
    private let text = ByteBuffer(capacity: 64)

    init(_ format: LogFormat) {
        self.format = format
    }

    func append(_ time: Timestamp, to line: ByteBuffer) {
        lock.withLock {
            if time.seconds != second { write(time.seconds) }
            unsafe line.append(text.readable)
        }
        line.append(".")
        line.append(time.milliseconds, digits: 3)
        if format == .json { line.append("Z") }
    }

    private func write(_ seconds: Int) {
        second = seconds
        var moment = time_t(seconds)
        var parts = unsafe tm()
        text.clear()
        switch format {
        case .text:
            unsafe localtime_r(&moment, &parts)
        case .json:
            unsafe gmtime_r(&moment, &parts)
            unsafe text.append(Int(parts.tm_year) + 1900, digits: 4)
            text.append("-")
            unsafe text.append(Int(parts.tm_mon) + 1, digits: 2)
            text.append("-")
            unsafe text.append(Int(parts.tm_mday), digits: 2)
            text.append("T")
        }
        unsafe text.append(Int(parts.tm_hour), digits: 2)
        text.append(":")
        unsafe text.append(Int(parts.tm_min), digits: 2)
        text.append(":")
        unsafe text.append(Int(parts.tm_sec), digits: 2)
    }
}
