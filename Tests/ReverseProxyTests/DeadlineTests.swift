import EventIO
import Platform
import Testing

@testable import ReverseProxy

@Suite struct DeadlineTests {
    @Test func itPassesOnceWithoutProgress() throws {
        let loop = try EventLoop()
        var passes = 0
        let deadline = Deadline(loop: loop) { passes += 1 }
        let end = EventTimer(loop: loop) { loop.stop() }
        deadline.set(at: 0, now: MonotonicClock.now())
        loop.run { passes > 0 }
        end.arm(nanoseconds: 0)
        loop.run()
        #expect(passes == 1)
    }

    /// The bytes are there when the time is over, and the loop has not looked since they came.
    @Test func whatCameInTimeAndWasNotReadCounts() throws {
        let loop = try EventLoop()
        let (near, far) = try #require(SocketIO.pair())
        defer { for descriptor in [near, far] { SocketIO.close(descriptor) } }
        var passes = 0
        let deadline = Deadline(loop: loop) { passes += 1 }
        let reader = Reader(loop, near) { deadline.clear() }
        defer { reader.end() }
        let first = EventTimer(loop: loop) { #expect(Platform.write(far, "x", 1) == 1) }
        first.arm(nanoseconds: 0)
        deadline.set(at: 0, now: MonotonicClock.now())
        loop.run { reader.hasRead || passes > 0 }
        // Nothing is left of the time that was over.
        let end = EventTimer(loop: loop) { loop.stop() }
        end.arm(nanoseconds: 1_000_000)
        loop.run()
        #expect(reader.hasRead && passes == 0)
    }

    /// More descriptors are due than one look reports.
    @Test func whatOneLookDoesNotReportCountsToo() throws {
        let loop = try EventLoop()
        let pairs = try (0..<200).map { _ in try #require(SocketIO.pair()) }
        defer { for (near, far) in pairs { [near, far].forEach(SocketIO.close) } }
        var (passes, reads) = (0, 0)
        let deadline = Deadline(loop: loop) { passes += 1 }
        let readers = pairs.map { near, _ in
            Reader(loop, near) {
                reads += 1
                if reads == pairs.count { deadline.clear() }
            }
        }
        defer { for reader in readers { reader.end() } }
        let first = EventTimer(loop: loop) { for (_, far) in pairs { #expect(Platform.write(far, "x", 1) == 1) } }
        first.arm(nanoseconds: 0)
        deadline.set(at: 0, now: MonotonicClock.now())
        loop.run { reads == pairs.count || passes > 0 }
        #expect(reads == pairs.count && passes == 0)
    }

    private final class Reader: DescriptorWatchDelegate {
        private(set) var hasRead = false
        private var watch: DescriptorWatch?
        private let body: () -> Void

        init(_ loop: EventLoop, _ descriptor: Int32, _ body: @escaping () -> Void) {
            self.body = body
            watch = DescriptorWatch(loop: loop, descriptor: descriptor, delegate: self)
            watch?.setReading(true)
        }

        func end() { watch?.close() }

        func descriptorIsReadable(_ watch: DescriptorWatch) {
            withUnsafeTemporaryAllocation(byteCount: 16, alignment: 1) {
                _ = SocketIO.read(watch.descriptor, into: $0)
            }
            hasRead = true
            body()
        }

        func descriptorIsWritable(_ watch: DescriptorWatch) {}
    }
}
