import EventIO
public import Logging
import Platform

/// `--log-format`.
public enum LogFormat: String, CaseIterable, Sendable {
    case text, json
}

/// The appearance of log lines: for people (aligned, coloured on a terminal) or programs (one JSON object per line).
public struct LogStyle: Sendable {
    public let format: LogFormat
    public let isColoured: Bool
    /// The log goes to a terminal, whose lines are short: long details of little use are left out.
    public let isTerminal: Bool
    /// The log goes to the journal, as text: it has its own timestamps, and takes each line's priority from its
    /// beginning.
    public let isJournal: Bool
    /// The current width of the terminal; nil if there is none, or if it is unknown.
    private let terminalColumns: @Sendable () -> Int?
    /// The proxy that the lines concern; nil if there is only one.
    private var proxy: String?
    /// The width of the column with the proxies' names; 0 if there is only one proxy.
    private var column = 0
    private let clock: LogClock

    public init(
        format: LogFormat,
        isColoured: Bool,
        isTerminal: Bool = false,
        isJournal: Bool = false,
        terminalColumns: @escaping @Sendable () -> Int? = { nil }
    ) {
        self.format = format
        self.isColoured = isColoured
        self.isTerminal = isTerminal
        self.isJournal = isJournal
        self.terminalColumns = terminalColumns
        clock = LogClock(format)
    }

    public static func forStandardError(_ format: LogFormat, environment: [String: String]) -> LogStyle {
        let isTerminal = isatty(2) == 1
        return LogStyle(
            format: format,
            isColoured: hasColours(isTerminal: isTerminal, environment: environment),
            isTerminal: isTerminal,
            isJournal: isJournal(environment),
            terminalColumns: { isTerminal ? Terminal.columns(2) : nil }
        )
    }

    /// Whether to use colours: on a terminal that supports them, unless NO_COLOR forbids it (no-color.org); elsewhere
    /// if CLICOLOR_FORCE demands it (bixense.com/clicolors).
    static func hasColours(isTerminal: Bool, environment: [String: String]) -> Bool {
        let value = { (name: String) in environment[name] ?? "" }
        if !value("NO_COLOR").isEmpty { return false }
        if !["", "0"].contains(value("CLICOLOR_FORCE")) { return true }
        return isTerminal && !["", "dumb"].contains(value("TERM"))
    }

    /// The same style for the lines of one proxy; if there are several, its name has a column of that width.
    public func of(proxy: String, column: Int) -> LogStyle {
        var style = self
        style.proxy = proxy
        style.column = column
        return style
    }

    enum Colour: Int {
        case red = 31, green = 32, yellow = 33, blue = 34, cyan = 36, dim = 2
    }

    /// Colours what `write` appends.
    func paint(_ colour: Colour, in line: ByteBuffer, _ write: () -> Void) {
        guard isColoured else { return write() }
        line.append("\u{1B}[")
        line.append(decimal: colour.rawValue)
        line.append("m")
        write()
        line.append("\u{1B}[0m")
    }

    /// Begins a line with the parts that all lines have. In JSON, append further members, each after a comma; in text,
    /// append anything. Then call `end`.
    func begin(_ level: Logger.Level, _ message: String, at time: Timestamp, to line: ByteBuffer) {
        line.clear()
        switch format {
        case .json:
            line.append(#"{"time":""#)
            clock.append(time, to: line)
            line.append(#"","level":""#)
            line.append(level.rawValue)
            if let proxy {
                line.append(#"","proxy":"#)
                line.append(quoted: proxy)
                line.append(#","message":"#)
            } else {
                line.append(#"","message":"#)
            }
            line.append(quoted: message)
        case .text:
            let colour: Colour =
                switch level {
                case .trace, .debug: .dim
                case .info, .notice: .blue
                case .warning: .yellow
                case .error, .critical: .red
                }
            if isJournal {
                line.append("<")
                line.append(decimal: Self.priority(level))
                line.append(">")
            } else {
                paint(.dim, in: line) { clock.append(time, to: line) }
                line.append(" ")
            }
            paint(colour, in: line) { line.append(width: 7) { line.append(level.rawValue) } }
            line.append(" ")
            if column > 0, let proxy {
                paint(.dim, in: line) { line.append(width: column) { line.append(proxy) } }
                line.append(" ")
            }
        }
    }

    /// Ends a line. On a terminal, folds a long line between words and indents the rest below the message, so that the
    /// beginnings of lines stand out.
    func end(_ line: ByteBuffer) {
        guard format == .text else { return line.append("}") }
        guard let columns = terminalColumns(), line.count > columns else { return }
        let text = unsafe String(decoding: line.readable, as: UTF8.self)
        let folded = MessageLines.hanging(text, at: Self.textColumn + (column > 0 ? column + 1 : 0), width: columns)
        line.clear()
        line.append(folded)
    }

    /// The column after `08:15:02.123 warning `.
    private static let textColumn = 21

    /// Appends a whole line with the message and, in JSON, its members.
    func write(_ message: LogMessage, at time: Timestamp = .now(), to line: ByteBuffer) {
        begin(message.level, message.text, at: time, to: line)
        switch format {
        case .json:
            for member in message.members {
                line.append(",")
                line.append(quoted: member.name)
                line.append(":")
                line.append(member.value)
            }
        case .text:
            line.append(LogMessage.shown(message.text))
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
        var message = LogMessage(event.level, "\(event.message)")
        message.members = [("event", .text("note"))] + all.map { ($0.key, .text("\($0.value)")) }
        // In text, the metadata follow the message.
        if style.format == .text { message.text += all.map { " \($0.key)=\($0.value)" }.joined() }
        let line = ByteBuffer(capacity: 1024)
        style.write(message, to: line)
        unsafe writer.write(line.readable)
    }
}
