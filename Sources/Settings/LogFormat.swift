import Credentials
package import Logging

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// `--log-format`.
package enum LogFormat: String, CaseIterable, Sendable {
    case text, json
}

/// How lines look: for people (aligned, coloured on a terminal) or machines (one JSON object a line).
package struct LogStyle: Sendable {
    package var format: LogFormat
    package var isColoured: Bool

    package init(format: LogFormat, isColoured: Bool) {
        self.format = format
        self.isColoured = isColoured
    }

    /// Colours on a terminal only, and not when NO_COLOR asks for none (no-color.org).
    package static func forStandardError(_ format: LogFormat, environment: [String: String]) -> LogStyle {
        let wantsNone = environment["NO_COLOR"].map { !$0.isEmpty } ?? false
        return LogStyle(format: format, isColoured: isatty(2) == 1 && !wantsNone)
    }

    enum Colour: Int {
        case red = 31, green = 32, yellow = 33, blue = 34, cyan = 36, dim = 2
    }

    func paint(_ text: String, _ colour: Colour) -> String {
        isColoured ? "\u{1B}[\(colour.rawValue)m\(text)\u{1B}[0m" : text
    }

    /// A line of text, or a JSON object with `fields` behind the usual members.
    func line(
        level: Logger.Level,
        message: String,
        at time: Timestamp = .now(),
        fields: @autoclosure () -> [JSONValue.Member],
        text: @autoclosure () -> String
    ) -> String {
        switch format {
        case .json:
            let usual: [JSONValue.Member] = [
                .init("time", .string(time.iso)), .init("level", .string(level.rawValue)),
                .init("message", .string(message)),
            ]
            return JSONValue.object(usual + fields()).serialized()
        case .text:
            let name = level.rawValue + String(repeating: " ", count: max(0, 7 - level.rawValue.count))
            let colour: Colour =
                switch level {
                case .trace, .debug: .dim
                case .info, .notice: .blue
                case .warning: .yellow
                case .error, .critical: .red
                }
            return "\(paint(time.clock, .dim)) \(paint(name, colour)) \(text())"
        }
    }
}

/// The time of a log line.
struct Timestamp {
    let seconds: Int
    let milliseconds: Int

    static func now() -> Timestamp {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(seconds: time.tv_sec, milliseconds: Int(time.tv_nsec) / 1_000_000)
    }

    /// `2026-11-24T08:15:02.123Z`
    var iso: String {
        var parts = tm()
        var time = time_t(seconds)
        gmtime_r(&time, &parts)
        return "\(Int(parts.tm_year) + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday))T\(hours(parts))Z"
    }

    /// `08:15:02.123`, local.
    var clock: String {
        var parts = tm()
        var time = time_t(seconds)
        localtime_r(&time, &parts)
        return hours(parts)
    }

    private func hours(_ parts: tm) -> String {
        let fraction = String(milliseconds)
        return "\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec))."
            + String(repeating: "0", count: 3 - fraction.count) + fraction
    }

    private func two(_ value: Int32) -> String { value < 10 ? "0\(value)" : "\(value)" }
}

/// swift-log's backend.
package struct LogBackend: LogHandler {
    package var logLevel: Logger.Level
    package var metadata: Logger.Metadata = [:]
    private let style: LogStyle
    private let writer: LogWriter

    package init(level: Logger.Level, style: LogStyle, writer: LogWriter = .standardError) {
        logLevel = level
        self.style = style
        self.writer = writer
    }

    package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    package func log(event: LogEvent) {
        let all = metadata.merging(event.metadata ?? [:]) { $1 }.sorted { $0.key < $1.key }
        let text = "\(event.message)" + all.map { " \($0.key)=\($0.value)" }.joined()
        writer.write(
            style.line(
                level: event.level,
                message: "\(event.message)",
                fields: all.map { .init($0.key, .string("\($0.value)")) },
                text: text
            )
        )
    }
}
