import Logging
import Platform
import Settings

/// How the process logs.
struct Logging: Sendable {
    let level: Logger.Level
    private(set) var style: LogStyle
    /// When logging began, which is the time of the first line.
    let begun = Timestamp.now()

    /// The same for one of the process's proxies.
    func of(proxy: String, column: Int) -> Logging {
        var result = self
        result.style = style.of(proxy: ControlCharacters.escaped(proxy), column: column)
        return result
    }

    var messages: MessageLog { MessageLog(level: level, style: style) }

    func logger() -> Logger {
        Logger(label: "squire") { _ in LogBackend(level: level, style: style) }
    }
}
