import EventIO
import Foundation
import Logging
import Testing

@testable import ReverseProxy
@testable import Settings

@Suite struct LogPageTests {
    /// The page lists what a line about an exchange can say to programs, in its order, and nothing else.
    @Test func pageListsEveryMemberOfAnExchange() throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let page = try String(contentsOf: root.appending(path: "Sources/squire/squire.docc/Log.md"), encoding: .utf8)
        let lines = page.split(separator: "\n").drop { $0 != "## Members of an exchange" }.dropFirst()
            .prefix { !$0.hasPrefix("## ") }
        let listed = lines.filter { $0.hasPrefix("| `") }.flatMap { row in
            row.split(separator: "|")[0].split(separator: ",").map { $0.filter { $0 != "`" && $0 != " " } }
        }
        // Every line has these.
        let common = ["time", "level", "message", "event"]
        #expect(listed == members().filter { !common.contains($0) })
    }

    private func members() -> [String] {
        var record = ExchangeRecord(id: ExchangeID(prefix: 0xA7, number: 12), status: 401, outcome: .complete)
        record.problem = Problem(.upstreamProtocol, detail: "It is no HTTP.")
        record.upstreamNanoseconds = 1
        record.tokenNanoseconds = 1
        record.refresh = .brought
        record.needsLogin = true
        record.firstStatus = 401
        let log = ExchangeLog(level: .info, style: LogStyle(format: .json, isColoured: false))!
        let line = ByteBuffer(capacity: 64)
        let word = Array("x".utf8)
        log.write(record, word.span, word.span, word.span, at: Timestamp(seconds: 0, milliseconds: 0), to: line)
        let text = String(decoding: line.readable, as: UTF8.self)
        return text.matches(of: /[{,]"([a-z_]+)":/).map { String($0.1) }
    }
}
