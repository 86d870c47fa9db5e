import Testing
import Threads

@testable import ReverseProxy

@Suite struct RecordingRingTests {
    private static let pattern = (0..<8192).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 / 256) }

    private func octets(_ count: Int, _ seed: Int) -> [UInt8] {
        Array(Self.pattern[(seed % 4000)...].prefix(count))
    }

    private func write(
        _ ring: RecordingRing,
        _ number: Int,
        _ octets: [UInt8],
        reserving: Int = 0,
        releasing: Int = 0
    ) -> Bool {
        octets.withUnsafeBytes {
            ring.write(
                7,
                number: UInt64(number),
                at: UInt64(number) &* 3,
                .empty,
                $0,
                reserving: reserving,
                releasing: releasing
            )
        }
    }

    private func readAll(_ ring: RecordingRing) -> [(number: UInt64, octets: [UInt8])] {
        var found: [(number: UInt64, octets: [UInt8])] = []
        while ring.read({ record in
            #expect(record.kind == 7 && record.at == record.number &* 3)
            found.append((record.number, record.rest()))
        }) {}
        return found
    }

    @Test func nothingIsSeenBeforeItIsPublished() {
        let ring = RecordingRing(capacity: 4096)
        #expect(write(ring, 1, [1, 2, 3]) && ring.hasNews && !ring.hasRecords)
        #expect(readAll(ring).isEmpty)
        ring.publish()
        #expect(!ring.hasNews && ring.hasRecords)
        #expect(readAll(ring).map(\.octets) == [[1, 2, 3]])
    }

    /// Sizes that leave every rest at the ring's end; sometimes everything is read, sometimes it is not.
    @Test func whatIsWrittenIsReadInItsOrderAcrossTheEnd() {
        let ring = RecordingRing(capacity: 4096)
        var (written, expected) = (0, 0)
        for round in 0..<3000 {
            let octets = octets(round % 700, round)
            if write(ring, written, octets) { written += 1 } else { #expect(ring.used + octets.count + 32 > 4096) }
            guard round % 5 != 0 else { continue }
            ring.publish()
            while round % 3 > 0 || ring.used > 2048 {
                guard ring.read({ #expect($0.number == UInt64(expected)) }) else { break }
                expected += 1
            }
        }
        ring.publish()
        for record in readAll(ring) {
            #expect(record.number == UInt64(expected))
            expected += 1
        }
        #expect(written == expected && written > 1000)
        #expect(ring.isWiped)
    }

    @Test func contentsSurviveTheRingsEnd() {
        let ring = RecordingRing(capacity: 4096)
        for size in 0..<2000 {
            // Something unread keeps writing from beginning again at the beginning.
            #expect(write(ring, 1, octets(size % 900, size)) && write(ring, 2, octets(9, 9)))
            ring.publish()
            let isRead = ring.read { record in #expect(record.rest() == octets(size % 900, size)) }
            #expect(isRead)
            #expect(write(ring, 3, octets(size % 800, 3)))
            ring.publish()
            #expect(readAll(ring).map(\.octets) == [octets(9, 9), octets(size % 800, 3)])
        }
        #expect(ring.isWiped)
    }

    @Test func whatDoesNotFitIsNotWritten() {
        let ring = RecordingRing(capacity: 4096)
        #expect(!write(ring, 1, octets(4096, 0)) && !ring.hasNews)
        #expect(write(ring, 2, octets(4000, 1)))
        #expect(!write(ring, 3, octets(100, 2)))
        ring.publish()
        #expect(!write(ring, 4, octets(100, 2)))
        #expect(readAll(ring).map(\.number) == [2])
        #expect(write(ring, 5, octets(4000, 1)))
        ring.publish()
        #expect(readAll(ring).map(\.number) == [5])
    }

    /// However full it is, an end whose room was reserved fits.
    @Test func whatIsReservedFits() {
        let ring = RecordingRing(capacity: 4096)
        let size = RecordingRing.size(40)
        var open = 0
        while write(ring, open, octets(10, 0), reserving: size) { open += 1 }
        while write(ring, 99, []) {}
        #expect(open > 20 && !write(ring, 99, []))
        for number in 0..<open { #expect(write(ring, number, octets(40, 1), releasing: size)) }
        ring.publish()
        #expect(readAll(ring).filter { $0.octets.count == 40 }.map(\.number) == (0..<open).map { UInt64($0) })
        #expect(ring.isWiped && write(ring, 1, octets(4000, 0)))
    }

    @Test func octetsAreAddedToTheLastRecordOnly() {
        let ring = RecordingRing(capacity: 4096)
        let part = octets(5, 1)
        part.withUnsafeBytes {
            #expect(!ring.extend(7, number: 1, $0))
            #expect(write(ring, 1, [9]) && ring.extend(7, number: 1, $0) && ring.extend(7, number: 1, $0))
            #expect(!ring.extend(8, number: 1, $0) && !ring.extend(7, number: 2, $0))
            ring.publish()
            #expect(!ring.extend(7, number: 1, $0))
        }
        #expect(readAll(ring).map(\.octets) == [[9] + part + part])
        #expect(write(ring, 3, octets(4000, 0)))
        octets(200, 0).withUnsafeBytes { #expect(!ring.extend(7, number: 3, $0)) }
        ring.publish()
        #expect(readAll(ring).map(\.octets.count) == [4000])
        #expect(ring.isWiped)
    }

    /// What is read now and then takes the beginning of the ring, and not more and more of it.
    @Test func writingBeginsAgainWhileEverythingIsRead() {
        let ring = RecordingRing(capacity: 1 << 20)
        for number in 0..<10_000 {
            #expect(write(ring, number, octets(100, number)))
            ring.publish()
            #expect(ring.lastOffset == 0)
            #expect(ring.read { _ in })
        }
    }

    @Test func twoThreadsAgree() throws {
        let ring = RecordingRing(capacity: 16 * 1024)
        let count = 3000
        let dropped = Latch<Int>()
        let thread = NativeThread(name: "writer") {
            var (generator, missing, number) = (IdentifierGenerator(seed: 7), 0, 0)
            while number < count {
                let octets = [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: Int(generator.next() % 900))
                let isWritten = octets.withUnsafeBytes {
                    ring.write(7, number: UInt64(number), at: UInt64(number) &* 3, .empty, $0)
                }
                if isWritten { number += 1 } else { missing += 1 }
                if generator.next() % 3 == 0 || !isWritten { ring.publish() }
            }
            ring.publish()
            dropped.set(missing)
        }
        var expected: UInt64 = 0
        while expected < count {
            _ = ring.read { record in
                let octets = record.rest()
                let isRight =
                    record.number == expected && octets.allSatisfy { $0 == UInt8(truncatingIfNeeded: expected) }
                if !isRight { Issue.record("record \(expected) is \(record.number)") }
                expected += 1
            }
        }
        try #require(thread).join()
        #expect(ring.isWiped)
    }
}
