import Testing

@testable import EventIO

@Suite struct BufferPoolTests {
    /// Many buffers that were hardly used are kept, and few that were filled: their memory stays.
    @Test(arguments: [("appended", 5), ("committed", 5), ("cut off again", 5), ("moved", 5), ("little", 9)])
    func keepsFewBuffersThatWereFilled(_ how: String, _ kept: Int) {
        let pool = BufferPool(capacity: 64 * 1024, limit: 9, filledLimit: 5)
        let buffers = (0..<12).map { _ in pool.take() }
        let bytes = [UInt8](repeating: 1, count: 5000)
        for buffer in buffers {
            switch how {
            case "appended": buffer.append(bytes)
            case "committed":
                _ = buffer.writable(minimum: 5000)
                buffer.commit(5000)
            case "cut off again":
                buffer.append(bytes)
                buffer.truncate(to: 1)
            case "moved":
                buffer.append(bytes)
                buffer.consume(4999)
                _ = buffer.writable(minimum: 64 * 1024 - 4000)
            default: buffer.append(bytes.dropLast(4000).map { $0 })
            }
            pool.give(buffer)
        }
        let before = Set(buffers.map { ObjectIdentifier($0) })
        let taken = (0..<12).map { _ in pool.take() }
        #expect(taken.filter { before.contains(ObjectIdentifier($0)) }.count == kept)
        #expect(taken.allSatisfy { $0.isEmpty && $0.capacity == 64 * 1024 })
    }

    /// However many others are kept beside them.
    @Test func filledBuffersAreKeptBesideOthers() {
        let pool = BufferPool(capacity: 64 * 1024, limit: 9, filledLimit: 2)
        let buffers = (0..<9).map { _ in pool.take() }
        for buffer in buffers.prefix(6) { pool.give(buffer) }
        let bytes = [UInt8](repeating: 1, count: 5000)
        for _ in 0..<100 {
            let filled = [pool.take(), pool.take()]
            for buffer in filled { buffer.append(bytes) }
            for buffer in filled { pool.give(buffer) }
        }
        let taken = (0..<6).map { _ in pool.take() }
        #expect(taken.allSatisfy { buffer in buffers.prefix(6).contains { $0 === buffer } })
    }

    @Test func aBufferThatHasGrownIsNotKept() {
        let pool = BufferPool(capacity: 16, limit: 9, filledLimit: 9)
        let buffer = pool.take()
        buffer.append([UInt8](repeating: 1, count: 17))
        pool.give(buffer)
        #expect(pool.take() !== buffer)
    }
}
