import EventIO
import Testing

@testable import ReverseProxy

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

    /// The limits are of the body's own octets, in memory and on disk, whatever its framing adds.
    @Test(arguments: [(1000, 1000), (0, 1000)]) func limitsDoNotCountFraming(_ memory: Int, _ disk: Int) {
        for surplus in [0, 1] {
            let body = RequestBody(memoryLimit: memory, fileLimit: disk, budget: ReplayBudget(workers: 1))
            for _ in 0..<100 {
                body.append(framing: "a\r\n")
                [UInt8](repeating: 7, count: 10).withUnsafeBytes { body.append($0) }
                body.append(framing: "\r\n")
            }
            [UInt8](repeating: 7, count: surplus).withUnsafeBytes { body.append($0) }
            body.append(framing: "0\r\n\r\n")
            body.sent(upTo: body.count)
            #expect(body.isReplayable == (surplus == 0))
        }
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

    /// Whatever is appended, read and sent in whatever order: what was not forgotten is there, a body that says that it
    /// can be sent again can, one that said that it cannot never says otherwise, and the budget gets back all of its
    /// own.
    @Test(arguments: 0..<60) func randomOperationsAgreeWithAModel(_ seed: Int) throws {
        var random = SplitMix(state: UInt64(seed))
        let whole = ReplayBudget.Amount(
            memory: .random(in: 0...20_000, using: &random),
            file: .random(in: 0...60_000, using: &random)
        )
        let budget = ReplayBudget(whole)
        do {
            let body = RequestBody(
                memoryLimit: .random(in: 0...15_000, using: &random),
                fileLimit: .random(in: 0...50_000, using: &random),
                budget: budget,
                isKept: .random(in: 0..<4, using: &random) > 0
            )
            var model: [UInt8] = []
            var sent = 0
            var wasReplayable = true
            for _ in 0..<40 {
                switch Int.random(in: 0..<4, using: &random) {
                case 0, 1:
                    let bytes = (0..<Int.random(in: 0...3000, using: &random)).map { _ in
                        UInt8.random(in: .min ... .max, using: &random)
                    }
                    bytes.withUnsafeBytes { body.append($0) }
                    model += bytes
                case 2:
                    sent = .random(in: sent...model.count, using: &random)
                    body.sent(upTo: sent)
                default:
                    // Sent again, from the start.
                    if body.isReplayable { sent = 0 }
                }
                #expect(body.count == model.count)
                #expect(wasReplayable || !body.isReplayable)
                wasReplayable = body.isReplayable
                #expect(try read(body, from: sent) == Array(model[sent...]))
                if body.isReplayable { #expect(try read(body, from: 0) == model) }
                #expect(budget.left.memory >= 0 && budget.left.file >= 0)
            }
        }
        #expect(budget.left.memory == whole.memory && budget.left.file == whole.file)
    }

    /// What was sent of a body that cannot be sent again takes no file.
    @Test func windowGivesTheFileBack() throws {
        let budget = ReplayBudget(ReplayBudget.Amount(memory: 1000, file: 3000))
        let body = RequestBody(memoryLimit: 1000, fileLimit: 3000, budget: budget)
        let bytes = [UInt8](repeating: 9, count: 2000)
        for _ in 0..<3 { bytes.withUnsafeBytes { body.append($0) } }
        #expect(!body.isReplayable && budget.left.file == 1000)
        #expect(try read(body, from: 0).count == 6000)
        body.sent(upTo: 2001)
        #expect(budget.left.file == 3000)
        #expect(try read(body, from: 2001).count == 3999)
        // What was forgotten is lost, and says so.
        #expect(body.bytes(from: 0, limit: 1, scratch: ByteBuffer(capacity: 64)) == nil)
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

/// Random numbers that a seed repeats.
private struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }
}
