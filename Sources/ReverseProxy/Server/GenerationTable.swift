import Credentials
import Synchronization

/// What came of exchanges under one token.
public struct GenerationCounts: Sendable, Equatable {
    /// Final answers that were given under it, and were not refused for the token.
    public var served: UInt64 = 0
    /// Answers that refused the token; an exchange that was sent again counts under both tokens.
    public var refused: UInt64 = 0
    /// Exchanges that run under it.
    public var running: UInt64 = 0

    public init(served: UInt64 = 0, refused: UInt64 = 0, running: UInt64 = 0) {
        self.served = served
        self.refused = refused
        self.running = running
    }
}

/// What one worker counts of the last 64 generations. Written by its thread only, read by any.
final class GenerationTable: Sendable {
    static let count = 64

    /// An exchange's use of a token, from its first attempt with it on.
    struct Use {
        let generation: Generation
        /// The session, counted: another one has other tokens under the same numbers.
        fileprivate let era: UInt64
    }

    /// Four numbers for each row, and the era.
    private let numbers = AtomicArray(count: GenerationTable.count * 4 + 1)
    private static let era = GenerationTable.count * 4
    /// It is asked for twice a request: without looking through `numbers`.
    private nonisolated(unsafe) let words: UnsafeMutablePointer<Atomic<UInt64>>

    init() { words = numbers.storage }

    private enum Column: Int {
        case generation, served, refused, running
    }

    /// An attempt under it begins. Generation zero is no token, and is not counted.
    @inline(__always)
    func begin(_ generation: Generation) -> Use? {
        guard generation != 0 else { return nil }
        let row = row(generation)
        if words[row].load(ordering: .relaxed) != generation { replace(row, generation) }
        add(1, row, .running)
        return Use(generation: generation, era: words[Self.era].load(ordering: .relaxed))
    }

    /// The upstream refused it.
    func refused(_ use: Use) {
        if let row = row(of: use) { add(1, row, .refused) }
    }

    /// The exchange goes on under another one, or ends. `isServed`: by an answer that was not refused for the token.
    @inline(__always)
    func end(_ use: Use, isServed: Bool) {
        guard let row = row(of: use) else { return }
        if isServed { add(1, row, .served) }
        add(.max, row, .running)
    }

    /// From now on another session's tokens are counted.
    func clear() {
        for row in 0..<Self.count { replace(row * 4, 0) }
        numbers.add(Self.era)
    }

    @inline(__always)
    private func row(_ generation: Generation) -> Int { Int(generation % UInt64(Self.count)) &* 4 }

    /// Nil for a generation that is long gone: nothing is counted under it.
    @inline(__always)
    private func row(of use: Use) -> Int? {
        let row = row(use.generation)
        let isThere =
            words[row].load(ordering: .relaxed) == use.generation
            && words[Self.era].load(ordering: .relaxed) == use.era
        return isThere ? row : nil
    }

    /// `amount` may be -1.
    @inline(__always)
    private func add(_ amount: UInt64, _ row: Int, _ column: Column) {
        // One writer: a load and a store are enough.
        let word = words + (row &+ column.rawValue)
        word.pointee.store(word.pointee.load(ordering: .relaxed) &+ amount, ordering: .relaxed)
    }

    private func replace(_ row: Int, _ generation: Generation) {
        numbers.set(row, 0)
        for column in 1...3 { numbers.set(row &+ column, 0) }
        numbers.set(row, generation)
    }

    /// Adds what was counted.
    func add(to counts: inout [Generation: GenerationCounts]) {
        for row in stride(from: 0, to: Self.count * 4, by: 4) {
            let generation = numbers[row]
            guard generation != 0 else { continue }
            let (served, refused, running) = (numbers[row + 1], numbers[row + 2], numbers[row + 3])
            // It may have been replaced meanwhile.
            guard numbers[row] == generation else { continue }
            counts[generation, default: GenerationCounts()].served &+= served
            counts[generation, default: GenerationCounts()].refused &+= refused
            counts[generation, default: GenerationCounts()].running &+= running
        }
    }
}
