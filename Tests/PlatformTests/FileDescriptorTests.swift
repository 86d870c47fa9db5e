import Platform
import Testing

@Suite struct FileDescriptorTests {
    @Test func valueClosesItsDescriptor() {
        // The other end of a pipe tells, whatever the number is used for next.
        var ends: [Int32] = [-1, -1]
        #expect(pipe(&ends) == 0)
        let reader = FileDescriptor(owning: ends[0])
        do {
            let writer = FileDescriptor(owning: ends[1])
            let isWritten = writer.writeAll([1, 2, 3])
            #expect(isWritten)
        }
        let read = reader.readAll(limit: 10)
        #expect(read == .bytes([1, 2, 3]))
    }

    @Test func fileWithoutANameIsNotInherited() throws {
        let file = try FileDescriptor.unnamedFile(in: "/tmp")
        let flags = fcntl(file.number, F_GETFD)
        #expect(flags & FD_CLOEXEC != 0)
        let links = file.information()?.st_nlink
        #expect(links == 0)
    }

    @Test func fileThatIsMissingSaysWhy() {
        do {
            let file = try FileDescriptor.open("/nonexistent/file", O_RDONLY)
            Issue.record("opened \(file.number)")
        } catch {
            #expect(error.code == ENOENT && error.description.hasPrefix("cannot open /nonexistent/file: "))
        }
    }

    @Test func whatIsWrittenIsRead() throws {
        let file = try FileDescriptor.unnamedFile(in: "/tmp")
        let bytes = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        let isFirstWritten = file.writeAll(bytes[..<50_000])
        let isSecondWritten = bytes[50_000...].withUnsafeBytes { file.write($0, at: 50_000) }
        #expect(isFirstWritten && isSecondWritten)
        let number = file.number
        #expect(lseek(number, 0, SEEK_SET) == 0)
        let whole = file.readAll(limit: 100_000)
        #expect(whole == .bytes(bytes))
        #expect(lseek(number, 0, SEEK_SET) == 0)
        let large = file.readAll(limit: 99_999)
        #expect(large == .tooLarge)
        var part = [UInt8](repeating: 0, count: 10)
        let count = part.withUnsafeMutableBytes { file.read(at: 777, into: $0) }
        #expect(count == 10 && part == Array(bytes[777..<787]))
        let atEnd = part.withUnsafeMutableBytes { file.read(at: 100_000, into: $0) }
        #expect(atEnd == 0)
    }

    @Test func descriptorThatIsNotOpenFails() {
        #expect(SystemCall.readAll(-1, limit: 10) == .failed(EBADF))
        #expect(!SystemCall.writeAll(-1, [1, 2, 3]))
        #expect(SystemCall.writeAll(-1, []))
    }

    @Test func interruptedCallIsRepeated() {
        var calls = 0
        let result: Int = SystemCall.retrying {
            calls += 1
            errno = EINTR
            return calls < 3 ? -1 : 7
        }
        #expect(result == 7 && calls == 3)
        errno = EIO
        #expect(SystemCall.retrying { Int32(-1) } == -1)
    }
}

@Suite struct HexadecimalTests {
    @Test func numbersHaveSixteenDigits() {
        #expect(Hexadecimal.text(UInt64(0xAB)) == "00000000000000ab")
        #expect(Hexadecimal.text(UInt64.max) == "ffffffffffffffff")
        #expect(Hexadecimal.text([0, 15, 16, 255]) == "000f10ff")
    }
}

@Suite struct ClocksTests {
    @Test func clocksGoForward() {
        let (first, boot, condition) = (MonotonicClock.now(), BootClock.now(), ConditionClock.now())
        #expect(MonotonicClock.now() >= first && BootClock.now() >= boot && ConditionClock.now() >= condition)
        #expect(WallClock.now().seconds > 1_700_000_000)
        #expect((0..<1_000_000_000).contains(WallClock.now().nanoseconds))
    }

    @Test func deadlineIsNeverNegative() {
        #expect(ConditionClock.deadline(-5).tv_sec == 0)
        #expect(ConditionClock.deadline(.max).tv_sec == 9_223_372_036)
        #expect(ConditionClock.deadline(1_000_000_001).tv_nsec == 1)
    }
}
