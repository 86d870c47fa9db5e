import EventIO
public import Logging
import Platform

/// `--log-format`.
public enum LogFormat: String, CaseIterable, Sendable {
    case text, json
}

/// How lines look: for people (aligned, coloured on a terminal) or machines (one JSON object a line).
public struct LogStyle: Sendable {
    public let format: LogFormat
    public let isColoured: Bool
    private let clock: LogClock

    public init(format: LogFormat, isColoured: Bool) {
        self.format = format
        self.isColoured = isColoured
        clock = LogClock(format)
    }

    /// Colours on a terminal only, and not when NO_COLOR asks for none (no-color.org) or the terminal has none.
    public static func forStandardError(_ format: LogFormat, environment: [String: String]) -> LogStyle {
        let wantsNone = environment["NO_COLOR"].map { !$0.isEmpty } ?? false
        let isAble = environment["TERM"].map { !$0.isEmpty && $0 != "dumb" } ?? false
        return LogStyle(format: format, isColoured: isatty(2) == 1 && isAble && !wantsNone)
    }

    enum Colour: Int {
        case red = 31, green = 32, yellow = 33, blue = 34, cyan = 36, dim = 2
    }

    /// What `write` appends, in that colour.
    func paint(_ colour: Colour, in line: ByteBuffer, _ write: () -> Void) {
        guard isColoured else { return write() }
        line.append("\u{1B}[")
        line.append(decimal: colour.rawValue)
        line.append("m")
        write()
        line.append("\u{1B}[0m")
    }

    /// Begins a line with what every line has. In JSON its other members follow, each behind a comma, then `end`; as
    /// text, anything.
    func begin(_ level: Logger.Level, _ message: String, at time: Timestamp, to line: ByteBuffer) {
        line.clear()
        switch format {
        case .json:
            line.append(#"{"time":""#)
            clock.append(time, to: line)
            line.append(#"","level":""#)
            line.append(level.rawValue)
            line.append(#"","message":"#)
            line.append(quoted: message)
        case .text:
            let colour: Colour =
                switch level {
                case .trace, .debug: .dim
                case .info, .notice: .blue
                case .warning: .yellow
                case .error, .critical: .red
                }
            paint(.dim, in: line) { clock.append(time, to: line) }
            line.append(" ")
            paint(colour, in: line) { line.append(width: 7) { line.append(level.rawValue) } }
            line.append(" ")
        }
    }

    func end(_ line: ByteBuffer) {
        if format == .json { line.append("}") }
    }

    /// A whole line: a message, and names and values.
    func write(
        _ level: Logger.Level,
        _ message: String,
        _ fields: [(name: String, value: String)] = [],
        at time: Timestamp = .now(),
        to line: ByteBuffer
    ) {
        begin(level, message, at: time, to: line)
        switch format {
        case .json:
            for field in fields {
                line.append(",")
                line.append(quoted: field.name)
                line.append(":")
                line.append(quoted: field.value)
            }
        case .text:
            line.append(message)
            for field in fields { line.append(" \(field.name)=\(field.value)") }
        }
        end(line)
    }
}

/// swift-log's backend.
public struct LogBackend: LogHandler {
    public var logLevel: Logger.Level
    public var metadata: Logger.Metadata = [:]
    private let style: LogStyle
    private let writer: LogWriter

    public init(level: Logger.Level, style: LogStyle, writer: LogWriter = .standardError) {
        logLevel = level
        self.style = style
        self.writer = writer
    }

    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    public func log(event: LogEvent) {
        let all = metadata.merging(event.metadata ?? [:]) { $1 }.sorted { $0.key < $1.key }
        let line = ByteBuffer(capacity: 1024)
        // What it says may come from an API, and go to a terminal: one line, and nothing that acts on it.
        let lines = "\(event.message)".split(separator: "\n").map { ControlCharacters.escaped(String($0)) }
        style.write(event.level, lines.joined(separator: "; "), all.map { ($0.key, "\($0.value)") }, to: line)
        writer.write(line.readable)
    }
}
