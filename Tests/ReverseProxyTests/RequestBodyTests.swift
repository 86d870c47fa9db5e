import EventIO
import ReverseProxy
import Testing

@Suite struct RequestBodyTests {
    /// Every way of keeping gives the same bytes back.
    @Test(arguments: [(1 << 20, 1 << 20), (1000, 1 << 20), (0, 1 << 20)]) func everyWayOfKeepingGivesTheSameBytes(
        _ memory: Int,
        _ disk: Int
    ) throws {
        let body = RequestBody(memoryLimit: memory, fileLimit: disk, budget: ReplayBudget(workers: 1))
        let bytes = (0..<200_000).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 >> 8) }
        for start in stride(from: 0, to: bytes.count, by: 777) {
            bytes[start..<min(start + 777, bytes.count)].withUnsafeBytes { body.append($0) }
        }
        #expect(body.isReplayable && body.count == bytes.count)
        for _ in 0..<2 { #expect(try read(body, from: 0) == bytes) }
    }

    /// A body too large to keep is here whole until some of it is sent: no file, no budget.
    @Test func bodyTooLargeToKeepIsWholeUntilSent() throws {
        let budget = ReplayBudget(ReplayBudget.Amount(memory: 0, file: 0))
        let body = RequestBody(memoryLimit: 10, fileLimit: 100, budget: budget, isKept: false)
        let bytes = [UInt8](repeating: 7, count: 1000)
        bytes.withUnsafeBytes { body.append($0) }
        #expect(body.isReplayable)
        #expect(try read(body, from: 0) == bytes)
        body.sent(upTo: 400)
        #expect(!body.isReplayable)
        #expect(try read(body, from: 400).count == 600)
    }

    @Test func bodyBeyondAllLimitsIsAWindow() throws {
        let body = RequestBody(memoryLimit: 1000, fileLimit: 3000, budget: ReplayBudget(workers: 1))
        let bytes = (0..<10_000).map { UInt8(truncatingIfNeeded: $0 &* 13) }
        var seen: [UInt8] = []
        for start in stride(from: 0, to: bytes.count, by: 500) {
            bytes[start..<(start + 500)].withUnsafeBytes { body.append($0) }
            seen += try read(body, from: seen.count)
            body.sent(upTo: seen.count)
        }
        #expect(!body.isReplayable)
        #expect(seen == bytes)
    }

    private func read(_ body: RequestBody, from start: Int) throws -> [UInt8] {
        let scratch = ByteBuffer(capacity: BufferPool.bufferCapacity)
        var result: [UInt8] = []
        while start + result.count < body.count {
            let part = try #require(body.bytes(from: start + result.count, limit: 9999, scratch: scratch))
            result += part
        }
        return result
    }
}
