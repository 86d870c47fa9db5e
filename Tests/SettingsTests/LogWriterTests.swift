import EventIO
import Platform
import Testing

@testable import Settings

@Suite struct LogWriterTests {
    /// However many lines came while it wrote, the thread is done when they are written.
    @Test func nothingIsLeftToDoWhenAllIsWritten() {
        let pipe = Pipe()
        let writer = LogWriter(descriptor: pipe.writing)
        let clock = ContinuousClock()
        let writing = clock.measure {
            for number in 0..<100 {
                Array("line \(number)".utf8).withUnsafeBytes { writer.write($0) }
                #expect(pipe.read() == "line \(number)\n")
            }
        }
        #expect(clock.measure { writer.finish() } < writing / 4)
    }

    /// What runs is the first line, whatever was said while it started.
    @Test func whatIsHeldComesBehindTheFirstLine() {
        let pipe = Pipe()
        let writer = LogWriter(descriptor: pipe.writing)
        func write(_ text: String, to writer: LogWriter) {
            Array(text.utf8).withUnsafeBytes { writer.write($0) }
        }
        let lines = ["first", "second"].map { text in
            let line = ByteBuffer(capacity: 8)
            line.append(text)
            return line
        }
        writer.hold()
        write("held", to: writer)
        writer.release(first: lines)
        write("later", to: writer)
        var text = ""
        while text.split(separator: "\n").count < 4 { text += pipe.read() }
        #expect(text == "first\nsecond\nheld\nlater\n")
        // Nothing is lost where it never came to run.
        let failing = LogWriter(descriptor: pipe.writing)
        failing.hold()
        write("held", to: failing)
        failing.finish()
        #expect(pipe.read() == "held\n")
    }

    /// Nobody reads for a while: what is lost is counted, in the form of the other lines.
    @Test func whatIsDroppedIsCounted() throws {
        let pipe = Pipe()
        let writer = LogWriter(descriptor: pipe.writing)
        writer.use(LogStyle(format: .json, isColoured: false))
        writer.hold()
        let line = Array(String(repeating: "x", count: 99_999).utf8)
        for _ in 0..<15 { line.withUnsafeBytes { writer.write($0) } }
        writer.release()
        var text = ""
        while !text.hasSuffix("}\n") { text += pipe.read() }
        let last = try #require(text.split(separator: "\n").last)
        #expect(last.contains(#""event":"dropped","lines":5}"#) && last.contains("5 log lines were dropped"))
    }

    /// A terminal or pipe that others made non-blocking and that is full for a while.
    @Test func waitsForASlowReader() {
        let pipe = Pipe()
        let writer = LogWriter(descriptor: pipe.writing)
        _ = fcntl(pipe.writing, F_SETFL, O_NONBLOCK)
        let line = String(repeating: "x", count: 99)
        for _ in 0..<5000 { Array(line.utf8).withUnsafeBytes { writer.write($0) } }
        var count = 0
        while count < 500_000 {
            let part = pipe.read()
            guard !part.isEmpty else { break }
            count += part.utf8.count
        }
        #expect(count == 500_000)
    }
}

private final class Pipe {
    private let reading: Int32
    let writing: Int32

    init() {
        var ends: [Int32] = [0, 0]
        precondition(pipe(&ends) == 0)
        (reading, writing) = (ends[0], ends[1])
    }

    deinit {
        close(reading)
        close(writing)
    }

    /// What is there, as soon as something is; nothing after five seconds.
    func read() -> String {
        var ready = pollfd(fd: reading, events: Int16(POLLIN), revents: 0)
        guard poll(&ready, 1, 5000) == 1 else { return "" }
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = bytes.withUnsafeMutableBytes { SystemCall.read(reading, into: $0) }
        return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
    }
}
