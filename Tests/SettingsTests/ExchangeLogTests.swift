import EventIO
import Logging
import Platform
import Testing

@testable import ReverseProxy
@testable import Settings

/// What a line looks like, octet by octet: people read it and programs parse it.
@Suite struct ExchangeLogTests {
    @Test func text() {
        #expect(
            line(.text)
                == "\(clock) info    GET    200      1.2 ms     498 B  /api/x  [00a7-12] upstream 0.8 ms, generation 1"
        )
    }

    @Test func json() {
        #expect(
            line(.json)
                == #"{"time":"2026-11-24T08:15:02.007Z","level":"info","message":"exchange","id":"00a7-12","method":"GET","#
                + #""path":"/api/x","status":200,"outcome":"complete","request_bytes":0,"response_bytes":498,"#
                + #""total_ms":1.2,"attempts":1,"generation":1,"replayed":false,"upstream_ms":0.8}"#
        )
    }

    /// Everything that a line can say.
    private func everything(_ record: inout ExchangeRecord) {
        record.status = 502
        record.outcome = .upstreamBroke
        record.code = .upstreamProtocol
        record.requestBytes = 5 << 20
        record.responseBytes = 1024
        record.totalNanoseconds = 61_000_000_000
        record.upstreamNanoseconds = 0
        record.attempts = 3
        record.generation = 18_446_744_073_709_551_615
        record.wasReplayed = true
    }

    @Test func everythingAsText() {
        #expect(
            line(.text, "OPTIONS", "/a?token=x&b", change: everything)
                == "\(clock) info    OPTIONS 502  61000.0 ms   1.0 KiB  /a?token=…&b  [00a7-12] upstream_protocol, "
                + "upstream-broke, sent 5.0 MiB, token refreshed, request sent again, 3 attempts, upstream 0.0 ms, "
                + "generation 18446744073709551615"
        )
    }

    @Test func everythingColoured() {
        #expect(
            line(.text, isColoured: true, "OPTIONS", "/a?token=x&b", change: everything)
                == "\u{1B}[2m\(clock)\u{1B}[0m \u{1B}[34minfo   \u{1B}[0m OPTIONS \u{1B}[31m502\u{1B}[0m  61000.0 ms"
                + "   1.0 KiB  /a?token=…&b\u{1B}[2m  [00a7-12] \u{1B}[0mupstream_protocol, upstream-broke, "
                + "sent 5.0 MiB, \u{1B}[36mtoken refreshed, request sent again\u{1B}[0m, 3 attempts, "
                + "upstream 0.0 ms, generation 18446744073709551615"
        )
    }

    @Test func everythingAsJSON() {
        #expect(
            line(.json, "OPTIONS", "/a?token=x&b", change: everything)
                == #"{"time":"2026-11-24T08:15:02.007Z","level":"info","message":"exchange","id":"00a7-12","method":"#
                + #""OPTIONS","path":"/a?token=…&b","status":502,"outcome":"upstream-broke","request_bytes":5242880,"#
                + #""response_bytes":1024,"total_ms":61000.0,"attempts":3,"generation":18446744073709551615,"#
                + #""replayed":true,"upstream_ms":0.0,"code":"upstream_protocol"}"#
        )
    }

    /// A refusal: nothing was asked of the upstream.
    private func nothing(_ record: inout ExchangeRecord) {
        record.status = 400
        record.outcome = .local
        record.code = .badRequest
        record.responseBytes = 0
        record.totalNanoseconds = 99_999
        record.upstreamNanoseconds = nil
        record.attempts = 0
        record.generation = 0
    }

    @Test func refusalAsText() {
        #expect(
            line(.text, "-", "-", change: nothing)
                == "\(clock) info    -      400      0.0 ms       0 B  -  [00a7-12] bad_request"
        )
    }

    @Test func refusalAsJSON() {
        #expect(
            line(.json, "-", "-", change: nothing)
                == #"{"time":"2026-11-24T08:15:02.007Z","level":"info","message":"exchange","id":"00a7-12","method":"-","#
                + #""path":"-","status":400,"outcome":"refused","request_bytes":0,"response_bytes":0,"total_ms":0.0,"#
                + #""attempts":0,"generation":0,"replayed":false,"code":"bad_request"}"#
        )
    }

    @Test(arguments: [ExchangeRecord.Outcome.clientGone, .upstreamBroke, .shutDown])
    func textNamesEndsThatLeftAResponseIncomplete(_ outcome: ExchangeRecord.Outcome) {
        #expect(line(.text) { $0.outcome = outcome }.contains("] \(outcome.rawValue), "))
    }

    @Test func clientGoneWithoutNotes() {
        let text = line(.text, isColoured: true) {
            $0.status = 0
            $0.outcome = .clientGone
            $0.upstreamNanoseconds = nil
            $0.generation = 0
        }
        #expect(
            text.hasSuffix(
                " GET    \u{1B}[32m0\u{1B}[0m      1.2 ms     498 B  /api/x\u{1B}[2m  [00a7-12] \u{1B}[0mclient-gone"
            )
        )
        let silent = line(.text) {
            $0.upstreamNanoseconds = nil
            $0.generation = 0
        }
        #expect(silent.hasSuffix("/api/x  [00a7-12] "))
    }

    @Test(arguments: [(200, 32), (304, 36), (401, 33), (500, 31)]) func colours(_ status: Int, _ colour: Int) {
        let text = line(.text, isColoured: true) { $0.status = status }
        #expect(text.contains(" \u{1B}[\(colour)m\(status)\u{1B}[0m "))
    }

    @Test(
        arguments: [
            (0, "    0 B"), (1023, " 1023 B"), (1024, "1.0 KiB"), (1_048_575, "1023.9 KiB"), (1_048_576, "1.0 MiB"),
            (1_610_612_736, "1.5 GiB"), (.max, "16777216.0 TiB"),
        ] as [(UInt64, String)]
    )
    func sizes(_ bytes: UInt64, _ shown: String) {
        let text = line(.text) {
            $0.responseBytes = bytes
            $0.requestBytes = bytes
        }
        #expect(text.contains(" ms " + String(repeating: " ", count: max(0, 9 - shown.utf8.count)) + shown + "  /"))
        let note = bytes == 0 ? "" : "sent \(shown.drop { $0 == " " }), "
        #expect(text.hasSuffix("] \(note)upstream 0.8 ms, generation 1"))
    }

    /// What is printable and yet means something in JSON.
    @Test func escapes() {
        #expect(line(.json, "GET", #"/"\/é"#).contains(#","path":"/\"\\/é","status""#))
        #expect(line(.json, "GET", "/\u{7F}\n").contains(#","path":"/\\x7f\\xa","status""#))
        #expect(line(.text, "GET", #"/"\/é"#).contains(#"  /"\/é  ["#))
    }

    @Test func longTargetIsCut() {
        let text = line(.text, "GET", "/" + String(repeating: "é", count: 600))
        #expect(text.contains("  /" + String(repeating: "é", count: 511) + "…  ["))
    }

    @Test func identifier() {
        #expect(
            line(.text) { $0.id = ExchangeID(prefix: 0xFFFF, number: .max) }.contains("[ffff-18446744073709551615]")
        )
    }

    /// Lines that are about no exchange.
    @Test(
        arguments: [
            (.text, false, "CLOCK warning a \"b\" c=\\ d=e"),
            (.text, true, "\u{1B}[2mCLOCK\u{1B}[0m \u{1B}[33mwarning\u{1B}[0m a \"b\" c=\\ d=e"),
            (
                .json, false,
                #"{"time":"2026-11-24T08:15:02.007Z","level":"warning","message":"a \"b\"","c":"\\","d":"e"}"#
            ),
        ] as [(LogFormat, Bool, String)]
    )
    func messages(_ format: LogFormat, _ isColoured: Bool, _ expected: String) {
        let line = ByteBuffer(capacity: 16)
        LogStyle(format: format, isColoured: isColoured)
            .write(.warning, #"a "b""#, [("c", #"\"#), ("d", "e")], at: time, to: line)
        #expect(String(decoding: line.readable, as: UTF8.self) == expected.replacing("CLOCK", with: clock))
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
        _ method: String = "GET",
        _ target: String = "/api/x",
        change: (inout ExchangeRecord) -> Void = { _ in }
    ) -> String {
        var record = ExchangeRecord(
            id: ExchangeID(prefix: 0xA7, number: 12),
            status: 200,
            outcome: .complete,
            code: nil,
            requestBytes: 0,
            responseBytes: 498,
            upstreamNanoseconds: 812_345,
            totalNanoseconds: 1_299_999,
            attempts: 1,
            generation: 1,
            wasReplayed: false
        )
        change(&record)
        let log = ExchangeLog(level: .info, style: LogStyle(format: format, isColoured: isColoured))!
        let buffer = ByteBuffer(capacity: 64)
        let scratch = ByteBuffer(capacity: 64)
        Array(target.utf8).withUnsafeBufferPointer { target in
            log.write(
                record,
                Array(method.utf8).span,
                Redaction.target(target, scratch: scratch).span,
                at: time,
                to: buffer
            )
        }
        return String(decoding: buffer.readable, as: UTF8.self)
    }
}
