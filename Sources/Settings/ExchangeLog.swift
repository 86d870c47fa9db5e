public import EventIO
public import Logging
import Platform
public import ReverseProxy
import Threads

/// Logs one line for each exchange, at `info`. Refusals, which any program on the machine can cause, are only counted
/// if they come too fast.
public struct ExchangeLog: ExchangeObserver {
    let style: LogStyle
    private let writer: LogWriter
    private let refusals = RefusalLimiter()
    public let detail: ExchangeDetail

    /// Nil if the level excludes exchanges.
    public init?(level: Logger.Level, style: LogStyle, writer: LogWriter = .standardError) {
        guard level <= .info else { return nil }
        self.style = style
        self.writer = writer
        detail =
            switch level {
            case .trace: .everything
            case .debug: .steps
            case .info, .notice, .warning, .error, .critical: .ends
            }
    }

    public func exchangeFinished(
        _ record: ExchangeRecord,
        method: Span<UInt8>,
        target: Span<UInt8>,
        requestID: Span<UInt8>,
        scratch line: ByteBuffer
    ) {
        if record.outcome == .local {
            guard let suppressed = refusals.admit(now: MonotonicClock.now()) else { return }
            if suppressed > 0 {
                style.write(
                    LogMessage(
                        .info,
                        event: "dropped",
                        "\(suppressed) refusals were not logged",
                        [("lines", .number(suppressed))]
                    ),
                    to: line
                )
                unsafe writer.write(line.readable)
            }
        }
        write(record, method, target, requestID, at: .now(), to: line)
        unsafe writer.write(line.readable)
    }

    public func tunnelOpened(
        _ record: ExchangeRecord,
        method: Span<UInt8>,
        target: Span<UInt8>,
        requestID: Span<UInt8>,
        scratch line: ByteBuffer
    ) {
        write(record, method, target, requestID, isOpening: true, at: .now(), to: line)
        unsafe writer.write(line.readable)
    }

    public func exchange(_ id: ExchangeID, _ step: ExchangeStep) {
        let line = ByteBuffer(capacity: 512)
        write(id, step, at: .now(), to: line)
        unsafe writer.write(line.readable)
    }

    /// `isOpening` is true for a WebSocket's 101: the exchange continues.
    func write(
        _ record: ExchangeRecord,
        _ method: Span<UInt8>,
        _ target: Span<UInt8>,
        _ requestID: Span<UInt8>,
        isOpening: Bool = false,
        at time: Timestamp,
        to line: ByteBuffer
    ) {
        style.begin(.info, isOpening ? "websocket" : "exchange", at: time, to: line)
        switch style.format {
        case .text: writeText(record, method, target, requestID, isOpening: isOpening, to: line)
        case .json: writeMembers(record, method, target, requestID, isOpening: isOpening, to: line)
        }
        style.end(line)
    }

    // MARK: For programs

    private func writeMembers(
        _ record: ExchangeRecord,
        _ method: Span<UInt8>,
        _ target: Span<UInt8>,
        _ requestID: Span<UInt8>,
        isOpening: Bool,
        to line: ByteBuffer
    ) {
        line.append(isOpening ? #","event":"websocket","id":""# : #","event":"exchange","id":""#)
        record.id.append(to: line)
        line.append(#"","method":"#)
        line.append(quoted: method)
        line.append(#","path":"#)
        line.append(quoted: target)
        line.append(#","status":"#)
        line.append(decimal: record.status)
        if !isOpening {
            line.append(#","outcome":""#)
            line.append(record.outcome.rawValue)
            line.append(#"","request_bytes":"#)
            line.append(decimal: record.requestBytes)
            line.append(#","response_bytes":"#)
            line.append(decimal: record.responseBytes)
        }
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
        if let wait = record.tokenNanoseconds {
            line.append(#","refresh_wait_ms":"#)
            line.append(milliseconds: wait)
        }
        if record.refresh != .none { line.append(#","led_refresh":true"#) }
        if record.needsLogin { line.append(#","login_needed":true"#) }
        if let first = record.firstStatus {
            line.append(#","first_status":"#)
            line.append(decimal: first)
        }
        if !requestID.isEmpty {
            line.append(#","request_id":"#)
            line.append(quoted: requestID)
        }
        if let problem = record.problem {
            line.append(#","code":"#)
            line.append(quoted: problem.code.rawValue)
            line.append(#","detail":"#)
            line.append(quoted: problem.explanation)
        }
    }

    // MARK: For people

    private func writeText(
        _ record: ExchangeRecord,
        _ method: Span<UInt8>,
        _ target: Span<UInt8>,
        _ requestID: Span<UInt8>,
        isOpening: Bool,
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
        // The result comes first, because a path may be long, and lines are cut or wrapped at their end.
        let hasNotes = writeNotes(record, isOpening: isOpening, to: line)
        if hasNotes { line.append("  ") }
        line.append(target)
        style.paint(.dim, in: line) {
            line.append("  [")
            record.id.append(to: line)
            line.append("]")
            // The identifier takes 36 of 80 columns, so a terminal shows it only for exchanges that somebody may ask
            // about.
            if !requestID.isEmpty, !style.isTerminal || hasNotes || record.status >= 400 || detail > .ends {
                line.append(" ")
                line.append(requestID)
            }
        }
        if let problem = record.problem {
            line.append(" ")
            line.append(ControlCharacters.escaped(problem.explanation))
        }
    }

    /// Writes what is unusual. False if nothing is.
    private func writeNotes(_ record: ExchangeRecord, isOpening: Bool, to line: ByteBuffer) -> Bool {
        let start = line.count
        func separate() {
            if line.count > start { line.append(", ") }
        }
        if isOpening { line.append("WebSocket open") }
        if let problem = record.problem { line.append(problem.code.rawValue) }
        switch record.outcome {
        case .complete, .local: break
        case .clientGone, .upstreamBroke, .shutDown:
            separate()
            line.append(record.outcome.rawValue)
        }
        if record.needsLogin {
            separate()
            line.append("login needed")
        }
        switch record.refresh {
        case .none: break
        case .brought:
            separate()
            style.paint(.cyan, in: line) { line.append("refreshed") }
        case .failed:
            separate()
            line.append("refresh failed")
        }
        if record.attempts > 1 {
            separate()
            style.paint(.cyan, in: line) { writeAttempts(record, to: line) }
        }
        if let wait = record.tokenNanoseconds, wait >= Self.shortestWait {
            separate()
            line.append("waited ")
            line.append(rounded: wait)
        }
        if record.requestBytes > 0 {
            separate()
            line.append("sent ")
            line.append(size: record.requestBytes)
        }
        guard let upstream = record.upstreamNanoseconds, line.count > start else { return line.count > start }
        // Without a note, all of the time was the upstream's.
        separate()
        line.append("upstream ")
        line.append(milliseconds: upstream)
        line.append(" ms")
        return true
    }

    /// A shorter wait, in nanoseconds, is not worth mentioning.
    private static let shortestWait: UInt64 = 1_000_000

    private func writeAttempts(_ record: ExchangeRecord, to line: ByteBuffer) {
        if record.attempts == 2 {
            line.append("sent twice")
        } else {
            line.append("sent ")
            line.append(decimal: record.attempts)
            line.append(" times")
        }
        if let first = record.firstStatus {
            line.append(" (first ")
            line.append(decimal: first)
            line.append(")")
        } else if !record.wasReplayed {
            line.append(" (the connection was lost)")
        }
    }
}

/// Limits the number of lines per second.
///
/// *Threading*: any thread.
final class RefusalLimiter: Sendable {
    static let linesPerSecond = 50
    private let counts = Guarded((second: UInt64(0), lines: 0, suppressed: 0))

    /// Nil if the line must be left out; otherwise the number of lines that were left out before it.
    func admit(now: UInt64) -> Int? {
        counts.with { counts in
            let current = now / 1_000_000_000
            if current != counts.second { (counts.second, counts.lines) = (current, 0) }
            guard counts.lines < Self.linesPerSecond else {
                counts.suppressed += 1
                return nil
            }
            counts.lines += 1
            defer { counts.suppressed = 0 }
            return counts.suppressed
        }
    }
}
