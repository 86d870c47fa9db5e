package import Credentials
import EventIO
package import Logging
package import ReverseProxy
import Threads

/// One line for each exchange, at `info`. Refusals, which anything on the machine can cause, are counted instead when they come fast.
package struct ExchangeLog: ExchangeObserver {
    private let style: LogStyle
    private let writer: LogWriter
    private let refusals = RefusalLimiter()

    /// Nil when the level leaves exchanges out.
    package init?(level: Logger.Level, style: LogStyle, writer: LogWriter = .standardError) {
        guard level <= .info else { return nil }
        self.style = style
        self.writer = writer
    }

    package func exchangeFinished(_ record: ExchangeRecord) {
        if record.outcome == .refused {
            guard let suppressed = refusals.admit(now: MonotonicClock.now()) else { return }
            if suppressed > 0 {
                let message = "\(suppressed) refusals were not logged"
                writer.write(style.line(level: .info, message: message, fields: [], text: message))
            }
        }
        writer.write(line(record, at: .now()))
    }

    func line(_ record: ExchangeRecord, at time: Timestamp) -> String {
        style.line(level: .info, message: "exchange", at: time, fields: fields(record), text: text(record))
    }

    private func fields(_ record: ExchangeRecord) -> [JSONValue.Member] {
        var result: [JSONValue.Member] = [
            .init("id", .string(record.id)), .init("method", .string(record.method)),
            .init("path", .string(record.target)), .init("status", .integer(record.status)),
            .init("outcome", .string(record.outcome.rawValue)),
            .init("request_bytes", .number("\(record.requestBytes)")),
            .init("response_bytes", .number("\(record.responseBytes)")),
            .init("total_ms", .number(Self.milliseconds(record.totalNanoseconds))),
            .init("attempts", .integer(record.attempts)), .init("generation", .number("\(record.generation)")),
            .init("replayed", .bool(record.wasReplayed)),
        ]
        if let upstream = record.upstreamNanoseconds {
            result.append(.init("upstream_ms", .number(Self.milliseconds(upstream))))
        }
        if let code = record.code { result.append(.init("code", .string(code))) }
        return result
    }

    private func text(_ record: ExchangeRecord) -> String {
        let colour: LogStyle.Colour =
            switch record.status {
            case ..<300: .green
            case ..<400: .cyan
            case ..<500: .yellow
            default: .red
            }
        var line = Self.padded(record.method, 6) + " " + style.paint("\(record.status)", colour)
        line += " " + Self.leading(Self.milliseconds(record.totalNanoseconds) + " ms", 11)
        line += " " + Self.leading(Self.size(record.responseBytes), 9) + "  \(record.target)"
        var notes: [String] = []
        if let code = record.code { notes.append(code) }
        if record.outcome == .clientGone || record.outcome == .upstreamBroke { notes.append(record.outcome.rawValue) }
        if record.requestBytes > 0 { notes.append("sent \(Self.size(record.requestBytes))") }
        if record.wasReplayed { notes.append(style.paint("token refreshed, request sent again", .cyan)) }
        if record.attempts > 1 { notes.append("\(record.attempts) attempts") }
        if let upstream = record.upstreamNanoseconds { notes.append("upstream \(Self.milliseconds(upstream)) ms") }
        if record.generation > 0 { notes.append("generation \(record.generation)") }
        return line + style.paint("  [\(record.id)] ", .dim) + notes.joined(separator: ", ")
    }

    private static func milliseconds(_ nanoseconds: UInt64) -> String {
        let tenths = nanoseconds / 100_000
        return "\(tenths / 10).\(tenths % 10)"
    }

    static func size(_ bytes: UInt64) -> String {
        if bytes < 1024 { return "\(bytes) B" }
        let units = ["KiB", "MiB", "GiB", "TiB"]
        var value = Double(bytes) / 1024
        var unit = 0
        while value >= 1024, unit < units.count - 1 {
            value /= 1024
            unit += 1
        }
        let tenths = Int(value * 10)
        return "\(tenths / 10).\(tenths % 10) \(units[unit])"
    }

    private static func padded(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }

    private static func leading(_ text: String, _ width: Int) -> String {
        String(repeating: " ", count: max(0, width - text.count)) + text
    }
}

/// Lets some lines a second through.
///
/// *Threading*: any thread.
final class RefusalLimiter: @unchecked Sendable {
    // `@unchecked`: the counts are protected by `lock`.
    private static let linesPerSecond = 50
    private let lock = Lock()
    private var second: UInt64 = 0
    private var lines = 0
    private var suppressed = 0

    /// Nil when the line is to be left out; else how many were left out before it.
    func admit(now: UInt64) -> Int? {
        lock.withLock {
            let current = now / 1_000_000_000
            if current != second { (second, lines) = (current, 0) }
            guard lines < Self.linesPerSecond else {
                suppressed += 1
                return nil
            }
            lines += 1
            defer { suppressed = 0 }
            return suppressed
        }
    }
}

/// Words for what happens to the session.
package enum SessionLog {
    package static func log(_ event: SessionEvent, to logger: Logger) {
        switch event {
        case .refreshed(let cause, let generation, let expiresIn):
            let life = expiresIn.map { ", good for \($0) s" } ?? ""
            logger.notice("token refreshed (\(cause.rawValue)): generation \(generation)\(life)")
        case .adopted(let generation):
            logger.notice("another process changed the session: generation \(generation)")
        case .refreshFailed(let cause, let reason, .loginNeeded):
            logger.error("token not refreshed (\(cause.rawValue)): \(reason) Run: squire login")
        case .refreshFailed(let cause, let reason, let failure):
            var pause = ""
            if case .unavailable(let seconds, _) = failure { pause = "; next try in \(seconds) s" }
            logger.warning("token not refreshed (\(cause.rawValue)): \(reason)\(pause)")
        case .recovered:
            logger.notice("a token was recovered that a squire which was killed had not put in place yet")
        case .fileUnreadable(let reason):
            logger.error("the session file cannot be used; what is in memory goes on being used: \(reason)")
        case .loggedIn(let generation):
            logger.notice("logged in: generation \(generation)")
        case .loggedOut:
            logger.notice("logged out")
        case .saved:
            logger.notice("the token is saved now")
        case .notSaved(let reason):
            logger.error("the new token is in use but NOT SAVED, and the old one is dead: \(reason)")
        }
    }
}
