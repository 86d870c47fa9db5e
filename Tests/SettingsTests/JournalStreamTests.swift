import EventIO
import Logging
import Platform
import Testing

@testable import Settings

@Suite struct JournalStreamTests {
    @Test func aStreamIsADeviceAndAnInode() {
        let stream = JournalStream("8:18446744073709551615")
        #expect(stream?.device == 8 && stream?.inode == .max)
    }

    @Test(arguments: ["", ":", "8", "8:", ":8", "8:9:10", "-8:9", "8: 9", "8:0x9", "8:18446744073709551616", "٨:٩"])
    func anythingElseIsNone(_ text: String) {
        #expect(JournalStream(text) == nil)
    }

    /// Standard error may lead elsewhere than it did at the start.
    @Test func standardErrorMustBeThatStream() throws {
        var information = stat()
        #expect(fstat(2, &information) == 0)
        let own = "\(information.st_dev):\(information.st_ino)"
        #expect(LogStyle.isJournal(["JOURNAL_STREAM": own]))
        #expect(!LogStyle.isJournal(["JOURNAL_STREAM": own + "1"]))
        #expect(!LogStyle.isJournal([:]))
        #expect(JournalStream(descriptor: -1) == nil)
    }

    @Test(arguments: [
        (Logger.Level.trace, "<7>trace  "), (.debug, "<7>debug  "), (.info, "<6>info   "), (.notice, "<5>notice "),
        (.warning, "<4>warning"), (.error, "<3>error  "), (.critical, "<2>critical"),
    ])
    func aLineBeginsWithHowGraveItIs(_ level: Logger.Level, _ start: String) {
        let line = ByteBuffer(capacity: 64)
        LogStyle(format: .text, isColoured: false, isJournal: true).write(LogMessage(level, "a\nb"), to: line)
        #expect(String(decoding: Array(line.readable), as: UTF8.self) == "\(start) a; b")
    }

    @Test func jsonIsAsElsewhere() {
        let line = ByteBuffer(capacity: 64)
        LogStyle(format: .json, isColoured: false, isJournal: true).write(LogMessage(.error, "a"), to: line)
        #expect(String(decoding: Array(line.readable), as: UTF8.self).hasPrefix(#"{"time":""#))
    }
}
