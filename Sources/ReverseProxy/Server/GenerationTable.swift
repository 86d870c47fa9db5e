import Credentials

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

    private enum Column: Int {
        case generation, served, refused, running
    }

    /// An attempt under it begins. Generation zero is no token, and is not counted.
    @inline(__always)
    func begin(_ generation: Generation) -> Use? {
        guard generation != 0 else { return nil }
        let row = row(generation)
        if numbers[row] != generation { replace(row, generation) }
        numbers.add(row &+ Column.running.rawValue)
        return Use(generation: generation, era: numbers[Self.era])
    }

    @inline(__always)
    func served(_ use: Use) { add(.served, use) }

    func refused(_ use: Use) { add(.refused, use) }

    /// The exchange goes on under another one, or ends.
    @inline(__always)
    func end(_ use: Use) { add(.running, use, by: .max) }

    /// From now on another session's tokens are counted.
    func clear() {
        for row in 0..<Self.count { replace(row * 4, 0) }
        numbers.add(Self.era)
    }

    private func row(_ generation: Generation) -> Int { Int(generation % UInt64(Self.count)) &* 4 }

    /// `amount` may be -1. What belongs to a generation that is long gone is not counted.
    @inline(__always)
    private func add(_ column: Column, _ use: Use, by amount: UInt64 = 1) {
        let row = row(use.generation)
        guard numbers[row] == use.generation, numbers[Self.era] == use.era else { return }
        numbers.add(row &+ column.rawValue, amount)
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
