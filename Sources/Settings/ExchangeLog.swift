public import Credentials
public import EventIO
public import Logging
import Platform
public import ReverseProxy
import Threads

/// One line for each exchange, at `info`. Refusals, which anything on the machine can cause, are counted instead when
/// they come fast.
public struct ExchangeLog: ExchangeObserver {
    private let style: LogStyle
    private let writer: LogWriter
    private let refusals = RefusalLimiter()

    /// Nil when the level leaves exchanges out.
    public init?(level: Logger.Level, style: LogStyle, writer: LogWriter = .standardError) {
        guard level <= .info else { return nil }
        self.style = style
        self.writer = writer
    }

    public func exchangeFinished(
        _ record: ExchangeRecord,
        method: Span<UInt8>,
        target: Span<UInt8>,
        scratch line: ByteBuffer
    ) {
        if record.outcome == .local {
            guard let suppressed = refusals.admit(now: MonotonicClock.now()) else { return }
            if suppressed > 0 {
                style.write(.info, "\(suppressed) refusals were not logged", to: line)
                writer.write(line.readable)
            }
        }
        write(record, method, target, at: .now(), to: line)
        writer.write(line.readable)
    }

    func write(
        _ record: ExchangeRecord,
        _ method: Span<UInt8>,
        _ target: Span<UInt8>,
        at time: Timestamp,
        to line: ByteBuffer
    ) {
        style.begin(.info, "exchange", at: time, to: line)
        switch style.format {
        case .text: writeText(record, method, target, to: line)
        case .json: writeMembers(record, method, target, to: line)
        }
        style.end(line)
    }

    private func writeMembers(
        _ record: ExchangeRecord,
        _ method: Span<UInt8>,
        _ target: Span<UInt8>,
        to line: ByteBuffer
    ) {
        line.append(#","id":""#)
        record.id.append(to: line)
        line.append(#"","method":"#)
        line.append(quoted: method)
        line.append(#","path":"#)
        line.append(quoted: target)
        line.append(#","status":"#)
        line.append(decimal: record.status)
        line.append(#","outcome":""#)
        line.append(record.outcome.rawValue)
        line.append(#"","request_bytes":"#)
        line.append(decimal: record.requestBytes)
        line.append(#","response_bytes":"#)
        line.append(decimal: record.responseBytes)
        line.append(#","total_ms":"#)
        line.append(milliseconds: record.totalNanoseconds)
        line.append(#","attempts":"#)
        line.append(decimal: record.attempts)
        line.append(#","generation":"#)
        line.append(decimal: record.generation)
        line.append(#","replayed":"#)
        line.append(record.wasReplayed ? "true" : "false")
        if let upstream = record.upstreamNanoseconds {
            line.append(#","upstream_ms":"#)
            line.append(milliseconds: upstream)
        }
        if let code = record.code {
            line.append(#","code":"#)
            line.append(quoted: code.rawValue)
        }
    }

    private func writeText(
        _ record: ExchangeRecord,
        _ method: Span<UInt8>,
        _ target: Span<UInt8>,
        to line: ByteBuffer
    ) {
        let colour: LogStyle.Colour =
            switch record.status {
            case ..<300: .green
            case ..<400: .cyan
            case ..<500: .yellow
            default: .red
            }
        line.append(width: 6) { line.append(method) }
        line.append(" ")
        style.paint(colour, in: line) { line.append(decimal: record.status) }
        line.append(" ")
        line.append(width: 11, isRightAligned: true) {
            line.append(milliseconds: record.totalNanoseconds)
            line.append(" ms")
        }
        line.append(" ")
        line.append(width: 9, isRightAligned: true) { line.append(size: record.responseBytes) }
        line.append("  ")
        line.append(target)
        style.paint(.dim, in: line) {
            line.append("  [")
            record.id.append(to: line)
            line.append("] ")
        }
        writeNotes(record, to: line)
    }

    /// What is out of the ordinary, and what the upstream took.
    private func writeNotes(_ record: ExchangeRecord, to line: ByteBuffer) {
        let start = line.count
        func separate() {
            if line.count > start { line.append(", ") }
        }
        if let code = record.code { line.append(code.rawValue) }
        switch record.outcome {
        case .complete, .local: break
        case .clientGone, .upstreamBroke, .shutDown:
            separate()
            line.append(record.outcome.rawValue)
        }
        if record.requestBytes > 0 {
            separate()
            line.append("sent ")
            line.append(size: record.requestBytes)
        }
        if record.wasReplayed {
            separate()
            style.paint(.cyan, in: line) { line.append("token refreshed, request sent again") }
        }
        if record.attempts > 1 {
            separate()
            line.append(decimal: record.attempts)
            line.append(" attempts")
        }
        if let upstream = record.upstreamNanoseconds {
            separate()
            line.append("upstream ")
            line.append(milliseconds: upstream)
            line.append(" ms")
        }
        if record.generation > 0 {
            separate()
            line.append("generation ")
            line.append(decimal: record.generation)
        }
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
public enum SessionLog {
    public static func log(_ event: SessionEvent, to logger: Logger, login: String = "squire login") {
        switch event {
        case .refreshed(let cause, let generation, let expiresIn):
            let life = expiresIn.map { ", good for \($0) s" } ?? ""
            logger.notice("token refreshed (\(cause.rawValue)): generation \(generation)\(life)")
        case .adopted(let generation):
            logger.notice("another process changed the session: generation \(generation)")
        case .unchanged(let cause, let seconds):
            let life = seconds.map { ", good for \($0) s" } ?? ""
            logger.notice("token not changed (\(cause.rawValue)): the API gave the same token again\(life)")
        case .refreshFailed(let cause, let reason, .loginNeeded):
            logger.error("token not refreshed (\(cause.rawValue)): \(reason) Run: \(login)")
        case .refreshFailed(let cause, let reason, let failure):
            var pause = ""
            if case .unavailable(let seconds, _) = failure { pause = "; next try in \(seconds) s" }
            logger.warning("token not refreshed (\(cause.rawValue)): \(reason)\(pause)")
        case .recovered:
            logger.notice("recovered a token written by a squire process that was killed")
        case .fileUnreadable(let reason):
            logger.error("session file unusable, continuing with the token in memory: \(reason)")
        case .loggedIn(let generation):
            logger.notice("logged in: generation \(generation)")
        case .replaced(let session):
            let who = session.subject.map { " of customer \($0)" } ?? ""
            let life = session.expiresIn.map { $0 > 0 ? ", good for \($0) s" : "" } ?? ""
            let fate = session.keptIn.map { "it is kept in \($0)" } ?? "it could not be kept"
            logger.notice("a login replaced the session\(who)\(life); \(fate)")
        case .loginIgnored(let reason):
            logger.error("a sign-in was not taken over: \(reason). To replace it: \(login) --replace")
        case .loggedOut:
            logger.notice("logged out")
        case .saved:
            logger.notice("the token is saved now")
        case .notSaved(let reason):
            logger.error("the new token is in use but NOT SAVED, and the old one is dead: \(reason)")
        }
    }
}
