import EventIO
import Logging
import Platform
import Testing

@testable import ReverseProxy
@testable import Settings

/// What a line looks like, octet by octet: people read it and programs parse it.
@Suite struct ExchangeLogTests {
    @Test func aLineOfTextHasColumns() {
        #expect(line(.text) == "\(clock) info    GET    200      1.2 ms     498 B  /api/x  [00a7-12] 69da3547-204b")
    }

    /// In 80 columns an identifier is shown where somebody may want to ask about it.
    @Test func onATerminalTextIsShort() {
        #expect(
            line(.text, isTerminal: true) == "\(clock) info    GET    200      1.2 ms     498 B  /api/x  [00a7-12]"
        )
        #expect(line(.text, isTerminal: true) { $0.status = 404 }.hasSuffix("[00a7-12] 69da3547-204b"))
        #expect(line(.text, isTerminal: true) { $0.attempts = 2 }.hasSuffix("[00a7-12] 69da3547-204b"))
        #expect(line(.text, isTerminal: true, level: .debug).hasSuffix("[00a7-12] 69da3547-204b"))
    }

    /// A narrow terminal would break it within a word, and begin the rest below the time.
    @Test func aTerminalGetsNoLineThatIsTooLong() {
        let blanks = String(repeating: " ", count: 21)
        #expect(
            line(.text, isTerminal: true, columns: 80, "GET", "/api/customer-accounts/me") { $0.attempts = 2 }
                == """
                \(clock) info    GET    200      1.2 ms     498 B  sent twice (the
                \(blanks)connection was lost), upstream 0.8 ms
                \(blanks)/api/customer-accounts/me  [00a7-12] 69da3547-204b
                """
        )
        let short = line(.text, isTerminal: true, columns: 80)
        #expect(short == line(.text, isTerminal: true))
        #expect(line(.json, isTerminal: true, columns: 80) == line(.json))
        for width in [80, 100, 132] {
            let lines = line(.text, isTerminal: true, columns: width, level: .debug, change: everything)
                .split(separator: "\n")
            #expect(lines.count > 1 && lines.allSatisfy { $0.count <= width }, "\(lines)")
        }
    }

    @Test func messagesGoOnBelowWhatTheySay() {
        let style = LogStyle(format: .text, isColoured: false, isTerminal: true, terminalColumns: { 80 })
            .of(proxy: "menu", column: 6)
        let log = MessageLog(level: .info, style: style)
        let text = "There is no session. Run: squire login --config /home/somebody/menu.yaml --email"
        let line = log.line(LogMessage(.warning, text), at: time)!
        #expect(
            String(decoding: line.readable, as: UTF8.self)
                == """
                \(clock) warning menu   There is no session. Run:
                                          squire login --config /home/somebody/menu.yaml --email
                """
        )
    }

    @Test func aLineOfJSONHasMembers() {
        #expect(
            line(.json)
                == #"{"time":"2026-11-24T08:15:02.007Z","level":"info","message":"exchange","event":"exchange","#
                + #""id":"00a7-12","method":"GET","path":"/api/x","status":200,"outcome":"complete","#
                + #""request_bytes":0,"response_bytes":498,"total_ms":1.2,"attempts":1,"generation":1,"#
                + #""replayed":false,"upstream_ms":0.8,"request_id":"69da3547-204b"}"#
        )
    }

    /// Everything that a line can say.
    private func everything(_ record: inout ExchangeRecord) {
        record.status = 502
        record.outcome = .upstreamBroke
        record.problem = Problem(.upstreamProtocol, detail: "It is \"no\" HTTP.")
        record.requestBytes = 5 << 20
        record.responseBytes = 1024
        record.totalNanoseconds = 61_000_000_000
        record.upstreamNanoseconds = 0
        record.tokenNanoseconds = 299_900_000
        record.refresh = .brought
        record.firstStatus = 401
        record.attempts = 3
        record.generation = 18_446_744_073_709_551_615
        record.wasReplayed = true
    }

    /// What happened stands before the path, which may be cut.
    @Test func everythingAsText() {
        #expect(
            line(.text, "OPTIONS", "/a?token=x&b", change: everything)
                == "\(clock) info    OPTIONS 502  61000.0 ms   1.0 KiB  upstream_protocol, upstream-broke, refreshed, "
                + "sent 3 times (first 401), waited 299 ms, sent 5.0 MiB, upstream 0.0 ms  /a?token=…&b  [00a7-12] "
                + "69da3547-204b It is \"no\" HTTP."
        )
    }

    @Test func everythingColoured() {
        #expect(
            line(.text, isColoured: true, "OPTIONS", "/a?token=x&b", change: everything)
                == "\u{1B}[2m\(clock)\u{1B}[0m \u{1B}[34minfo   \u{1B}[0m OPTIONS \u{1B}[31m502\u{1B}[0m  61000.0 ms"
                + "   1.0 KiB  upstream_protocol, upstream-broke, \u{1B}[36mrefreshed\u{1B}[0m, "
                + "\u{1B}[36msent 3 times (first 401)\u{1B}[0m, waited 299 ms, sent 5.0 MiB, upstream 0.0 ms  "
                + "/a?token=…&b\u{1B}[2m  [00a7-12] 69da3547-204b\u{1B}[0m It is \"no\" HTTP."
        )
    }

    @Test func everythingAsJSON() {
        #expect(
            line(.json, "OPTIONS", "/a?token=x&b", change: everything)
                == #"{"time":"2026-11-24T08:15:02.007Z","level":"info","message":"exchange","event":"exchange","#
                + #""id":"00a7-12","method":"OPTIONS","path":"/a?token=…&b","status":502,"#
                + #""outcome":"upstream-broke","request_bytes":5242880,"response_bytes":1024,"#
                + #""total_ms":61000.0,"attempts":3,"generation":18446744073709551615,"replayed":true,"#
                + #""upstream_ms":0.0,"refresh_wait_ms":299.9,"led_refresh":true,"first_status":401,"#
                + #""request_id":"69da3547-204b","code":"upstream_protocol","detail":"It is \"no\" HTTP."}"#
        )
    }

    /// A refusal: nothing was asked of the upstream. What led to it is said first, and nothing of it acts on a terminal.
    private func refusal(_ record: inout ExchangeRecord) {
        record.status = 421
        record.outcome = .local
        record.problem = .misdirected
        record.problem?.evidence = "Host evil\u{202E}.example"
        record.responseBytes = 268
        record.totalNanoseconds = 99_999
        record.upstreamNanoseconds = nil
        record.attempts = 0
        record.generation = 0
    }

    @Test func refusalAsText() {
        #expect(
            line(.text, "-", "-", requestID: "", change: refusal)
                == "\(clock) info    -      421      0.0 ms     268 B  misdirected_request  -  [00a7-12] "
                + "Host evil\\u{202E}.example: \(Problem.misdirected.detail)"
        )
    }

    @Test func refusalAsJSON() {
        #expect(
            line(.json, "-", "-", requestID: "", change: refusal)
                == #"{"time":"2026-11-24T08:15:02.007Z","level":"info","message":"exchange","event":"exchange","#
                + #""id":"00a7-12","method":"-","path":"-","status":421,"outcome":"refused","request_bytes":0,"#
                + #""response_bytes":268,"total_ms":0.0,"attempts":0,"generation":0,"replayed":false,"#
                + #""code":"misdirected_request","detail":"Host evil\#u{202E}.example: "#
                + Problem.misdirected.detail + #""}"#
        )
    }

    /// Of the requests that waited for one refresh, the line says which one led, and how long each waited.
    @Test func aReplayIsToldInPlainWords() {
        let follower = line(.text, requestID: "") {
            $0.attempts = 2
            $0.wasReplayed = true
            $0.firstStatus = 401
            $0.tokenNanoseconds = 300_000_000
            $0.upstreamNanoseconds = 612_000_000
        }
        #expect(follower.hasSuffix(" B  sent twice (first 401), waited 300 ms, upstream 612.0 ms  /api/x  [00a7-12]"))
        let retried = line(.text, requestID: "") { $0.attempts = 2 }
        #expect(retried.hasSuffix(" 498 B  sent twice (the connection was lost), upstream 0.8 ms  /api/x  [00a7-12]"))
        let brief = line(.text, requestID: "") { $0.tokenNanoseconds = 1_300_000 }
        #expect(brief.hasSuffix(" 498 B  waited 1.3 ms, upstream 0.8 ms  /api/x  [00a7-12]"))
        // It was there, as good as.
        #expect(line(.text, requestID: "") { $0.tokenNanoseconds = 999_999 }.hasSuffix(" 498 B  /api/x  [00a7-12]"))
    }

    @Test(arguments: [ExchangeRecord.Outcome.clientGone, .upstreamBroke, .shutDown])
    func textNamesEndsThatLeftAResponseIncomplete(_ outcome: ExchangeRecord.Outcome) {
        #expect(line(.text) { $0.outcome = outcome }.contains(" B  \(outcome.rawValue), upstream 0.8 ms  /api/x"))
    }

    @Test func clientGoneWithoutNotes() {
        let text = line(.text, isColoured: true, requestID: "") {
            $0.status = 0
            $0.outcome = .clientGone
            $0.upstreamNanoseconds = nil
            $0.generation = 0
        }
        #expect(
            text.hasSuffix(
                " GET    \u{1B}[32m0\u{1B}[0m      1.2 ms     498 B  client-gone  /api/x\u{1B}[2m  [00a7-12]\u{1B}[0m"
            )
        )
    }

    /// A WebSocket has a line when it opens, which is no end.
    @Test func aWebSocketHasALineWhenItOpens() {
        #expect(
            line(.text, requestID: "", isOpening: true) { $0.status = 101 }
                .hasSuffix(" GET    101      1.2 ms     498 B  WebSocket open, upstream 0.8 ms  /api/x  [00a7-12]")
        )
        let json = line(.json, requestID: "", isOpening: true) { $0.status = 101 }
        #expect(json.contains(#""message":"websocket","event":"websocket","id":"00a7-12""#))
        #expect(!json.contains("outcome") && !json.contains("response_bytes"))
    }

    /// Several proxies: a column; one: none. Programs are told always.
    @Test func severalProxiesHaveAColumn() {
        let style = LogStyle(format: .text, isColoured: false)
        #expect(message(.init(.notice, "x"), style.of(proxy: "ab", column: 4)) == "\(clock) notice  ab   x")
        #expect(message(.init(.notice, "x"), style.of(proxy: "ab", column: 0)) == "\(clock) notice  x")
        let json = LogStyle(format: .json, isColoured: false).of(proxy: "a\"b", column: 0)
        #expect(
            message(.init(.notice, "x"), json)
                == #"{"time":"2026-11-24T08:15:02.007Z","level":"notice","proxy":"a\"b","message":"x"}"#
        )
    }

    @Test(
        arguments: [
            (true, [:], false), (true, ["TERM": "dumb"], false), (true, ["TERM": ""], false),
            (true, ["TERM": "xterm"], true), (false, ["TERM": "xterm"], false),
            (true, ["TERM": "xterm", "NO_COLOR": "1"], false), (true, ["TERM": "xterm", "NO_COLOR": ""], true),
            (false, ["CLICOLOR_FORCE": "1"], true), (false, ["CLICOLOR_FORCE": "0"], false),
            (true, ["TERM": "dumb", "CLICOLOR_FORCE": "1"], true),
            (true, ["TERM": "xterm", "CLICOLOR_FORCE": "1", "NO_COLOR": "1"], false),
        ] as [(Bool, [String: String], Bool)]
    )
    func coloursAreForTerminalsThatKnowThem(_ isTerminal: Bool, _ environment: [String: String], _ expected: Bool) {
        #expect(LogStyle.hasColours(isTerminal: isTerminal, environment: environment) == expected)
    }

    @Test(arguments: [(200, 32), (304, 36), (401, 33), (500, 31)]) func theStatusHasAColour(
        _ status: Int,
        _ colour: Int
    ) {
        let text = line(.text, isColoured: true) { $0.status = status }
        #expect(text.contains(" \u{1B}[\(colour)m\(status)\u{1B}[0m "))
    }

    @Test(
        arguments: [
            (0, "    0 B"), (1023, " 1023 B"), (1024, "1.0 KiB"), (1_048_575, "1023.9 KiB"), (1_048_576, "1.0 MiB"),
            (1_610_612_736, "1.5 GiB"), (.max, "16777216.0 TiB"),
        ] as [(UInt64, String)]
    )
    func sizesHaveFixedWidth(_ bytes: UInt64, _ shown: String) {
        let text = line(.text, requestID: "") {
            $0.responseBytes = bytes
            $0.requestBytes = bytes
        }
        let padding = String(repeating: " ", count: max(0, 9 - shown.utf8.count))
        let note = bytes == 0 ? "" : "sent \(shown.drop { $0 == " " }), upstream 0.8 ms  "
        #expect(text.hasSuffix(" ms " + padding + shown + "  \(note)/api/x  [00a7-12]"))
    }

    /// What is printable and yet means something in JSON.
    @Test func whatMeansSomethingInJSONIsEscaped() {
        #expect(line(.json, "GET", #"/"\/é"#).contains(#","path":"/\"\\/é","status""#))
        #expect(line(.json, "GET", "/\u{7F}\n").contains(#","path":"/\\x7f\\xa","status""#))
        #expect(line(.text, "GET", #"/"\/é"#).contains(#"  /"\/é  ["#))
    }

    @Test func longTargetIsCut() {
        let text = line(.text, "GET", "/" + String(repeating: "é", count: 600))
        #expect(text.contains("  /" + String(repeating: "é", count: 511) + "…  ["))
    }

    @Test func theLongestIdentifierFits() {
        #expect(
            line(.text) { $0.id = ExchangeID(prefix: 0xFFFF, number: .max) }.contains("[ffff-18446744073709551615]")
        )
    }

    /// Lines that are about no exchange.
    @Test(
        arguments: [
            (.text, false, "CLOCK warning a \"b\"; \\x1B[31m\\u{202E}"),
            (.text, true, "\u{1B}[2mCLOCK\u{1B}[0m \u{1B}[33mwarning\u{1B}[0m a \"b\"; \\x1B[31m\\u{202E}"),
            (
                .json, false,
                #"{"time":"2026-11-24T08:15:02.007Z","level":"warning","message":"a \"b\"\n\u001b[31m"#
                    + "\u{202E}" + #"","event":"e","c":"\\","d":-1,"f":["g","h"]}"#
            ),
        ] as [(LogFormat, Bool, String)]
    )
    func messages(_ format: LogFormat, _ isColoured: Bool, _ expected: String) {
        let text = "a \"b\"\n\u{1B}[31m\u{202E}"
        let message = LogMessage(
            .warning,
            event: "e",
            text,
            [("c", .text(#"\"#)), ("n", nil), ("d", .number(-1)), ("f", .list(["g", "h"]))]
        )
        let style = LogStyle(format: format, isColoured: isColoured)
        #expect(self.message(message, style) == expected.replacing("CLOCK", with: clock))
    }

    private func message(_ message: LogMessage, _ style: LogStyle) -> String {
        let line = ByteBuffer(capacity: 16)
        style.write(message, at: time, to: line)
        return String(decoding: line.readable, as: UTF8.self)
    }

    @Test func stepsAreLinesOfTheirOwn() {
        let log = ExchangeLog(level: .trace, style: LogStyle(format: .text, isColoured: false))!
        func text(_ step: ExchangeStep, _ log: ExchangeLog) -> String {
            let line = ByteBuffer(capacity: 16)
            log.write(ExchangeID(prefix: 0xA7, number: 12), step, at: time, to: line)
            return String(decoding: line.readable, as: UTF8.self)
        }
        #expect(
            text(.routed(.signIn, pattern: "POST /login", .none), log)
                == "\(clock) debug   [00a7-12] route sign-in by POST /login: no token goes along"
        )
        #expect(text(.waits(.needsAnother), log) == "\(clock) trace   [00a7-12] waits for another token")
        let json = ExchangeLog(level: .debug, style: LogStyle(format: .json, isColoured: false))!
        #expect(
            text(.answered(status: 401, .rejected, protocolVersion: "TLSv1.3"), json)
                == #"{"time":"2026-11-24T08:15:02.007Z","level":"debug","#
                + #""message":"[00a7-12] answer 401 over TLSv1.3: the token is rejected","event":"answer","#
                + #""id":"00a7-12","status":401,"verdict":"rejected","tls_version":"TLSv1.3"}"#
        )
        #expect(log.detail == .everything && json.detail == .steps)
        #expect(ExchangeLog(level: .info, style: LogStyle(format: .json, isColoured: false))?.detail == .ends)
        #expect(ExchangeLog(level: .notice, style: LogStyle(format: .json, isColoured: false)) == nil)
    }

    /// The text of the second that is kept is not taken for another one's.
    @Test func timePasses() {
        let clock = LogClock(.json)
        let line = ByteBuffer(capacity: 16)
        for (seconds, milliseconds) in [(0, 0), (0, 999), (1, 10), (951_782_399, 1), (951_782_400, 0)] {
            clock.append(Timestamp(seconds: seconds, milliseconds: milliseconds), to: line)
            line.append(" ")
        }
        #expect(
            String(decoding: line.readable, as: UTF8.self)
                == "1970-01-01T00:00:00.000Z 1970-01-01T00:00:00.999Z 1970-01-01T00:00:01.010Z "
                + "2000-02-28T23:59:59.001Z 2000-02-29T00:00:00.000Z "
        )
    }

    private let time = Timestamp(seconds: Self.seconds, milliseconds: 7)

    /// 24 November 2026, 08:15:02 UTC.
    private static let seconds = 1_795_508_102

    /// That time where the tests run.
    private var clock: String {
        var parts = tm()
        var time = time_t(Self.seconds)
        localtime_r(&time, &parts)
        let two = { (value: Int32) in value < 10 ? "0\(value)" : "\(value)" }
        return "\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec)).007"
    }

    private func line(
        _ format: LogFormat,
        isColoured: Bool = false,
        isTerminal: Bool = false,
        columns: Int? = nil,
        level: Logger.Level = .info,
        _ method: String = "GET",
        _ target: String = "/api/x",
        requestID: String = "69da3547-204b",
        isOpening: Bool = false,
        change: (inout ExchangeRecord) -> Void = { _ in }
    ) -> String {
        var record = ExchangeRecord(id: ExchangeID(prefix: 0xA7, number: 12), status: 200, outcome: .complete)
        record.responseBytes = 498
        record.upstreamNanoseconds = 812_345
        record.totalNanoseconds = 1_299_999
        record.attempts = 1
        record.generation = 1
        change(&record)
        let style = LogStyle(
            format: format,
            isColoured: isColoured,
            isTerminal: isTerminal,
            terminalColumns: { columns }
        )
        let log = ExchangeLog(level: level, style: style)!
        let buffer = ByteBuffer(capacity: 64)
        let scratch = ByteBuffer(capacity: 64)
        Array(target.utf8).withUnsafeBufferPointer { target in
            log.write(
                record,
                Array(method.utf8).span,
                Redaction.shown(target, scratch: scratch).span,
                Array(requestID.utf8).span,
                isOpening: isOpening,
                at: time,
                to: buffer
            )
        }
        return String(decoding: buffer.readable, as: UTF8.self)
    }
}
