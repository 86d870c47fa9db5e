public import EventIO
public import Logging

/// A log line that does not concern a single exchange: a sentence for people, and the same data as members for
/// programs.
public struct LogMessage: Sendable {
    public enum Value: Sendable {
        case text(String)
        case list([String])
        case number(Int)
        case count(UInt64)
    }

    public var level: Logger.Level
    public var text: String
    /// For JSON only: the text contains all of it.
    public internal(set) var members: [(name: String, value: Value)] = []

    /// A sentence without members.
    public init(_ level: Logger.Level, _ text: String) {
        self.level = level
        self.text = text
    }

    /// `event` is its name for programs; members with nil values are left out.
    public init(
        _ level: Logger.Level,
        event: String,
        _ text: String,
        _ members: [(String, Value?)] = []
    ) {
        self.init(level, text)
        self.members = [("event", .text(event))] + members.compactMap { name, value in value.map { (name, $0) } }
    }

    /// Escapes untrusted text: on one line, without control characters.
    static func shown(_ text: String) -> String {
        guard text.utf8.contains(UInt8(ascii: "\n")) else { return ControlCharacters.escaped(text) }
        return text.split(separator: "\n").map { ControlCharacters.escaped(String($0)) }.joined(separator: "; ")
    }
}

extension ByteBuffer {
    /// As JSON.
    func append(_ value: LogMessage.Value) {
        switch value {
        case .text(let text): append(quoted: text)
        case .number(let number):
            if number < 0 { append("-") }
            append(decimal: UInt64(number.magnitude))
        case .count(let count): append(decimal: count)
        case .list(let list):
            append("[")
            for (index, text) in list.enumerated() {
                if index > 0 { append(",") }
                append(quoted: text)
            }
            append("]")
        }
    }
}

/// Writes messages. *Threading*: any thread.
public struct MessageLog: Sendable {
    private let level: Logger.Level
    private let style: LogStyle
    private let writer: LogWriter

    public init(level: Logger.Level, style: LogStyle, writer: LogWriter = .standardError) {
        self.level = level
        self.style = style
        self.writer = writer
    }

    public func write(_ message: LogMessage) {
        guard let line = line(message) else { return }
        unsafe writer.write(line.readable)
    }

    /// The line without its line end; nil if the level excludes it.
    public func line(_ message: LogMessage, at time: Timestamp = .now()) -> ByteBuffer? {
        guard message.level >= level else { return nil }
        let line = ByteBuffer(capacity: 512)
        style.write(message, at: time, to: line)
        return line
    }
}
