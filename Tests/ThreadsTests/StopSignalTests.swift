import Testing

@testable import Threads

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

@Suite struct StopSignalTests {
    private func canBeRead(_ signal: StopSignal) -> Bool {
        var polled = pollfd(fd: signal.descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&polled, 1, 0) > 0
    }

    @Test func whoWaitsSeesItOnceItIsGiven() throws {
        let signal = try #require(StopSignal())
        #expect(!signal.isGiven && !canBeRead(signal))
        signal.give()
        #expect(signal.isGiven && canBeRead(signal))
        // For good, and no other descriptor is closed by a second time.
        signal.give()
        #expect(signal.isGiven && canBeRead(signal))
    }
}
