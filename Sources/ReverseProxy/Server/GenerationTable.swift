import Credentials

/// The counts of exchanges with one token.
public struct GenerationCounts: Sendable, Equatable {
    /// Final responses to requests with the token that did not reject it.
    public var served: UInt64 = 0
    /// Responses that rejected the token; a replayed exchange counts under both of its tokens.
    public var refused: UInt64 = 0
    /// Exchanges that are running with the token.
    public var running: UInt64 = 0

    public init(served: UInt64 = 0, refused: UInt64 = 0, running: UInt64 = 0) {
        self.served = served
        self.refused = refused
        self.running = running
    }
}

/// One worker's counts for the last 64 generations. Its thread alone writes them; any thread may read them.
final class GenerationTable: Sendable {
    static let count = 64

    /// An exchange's use of a token, from its first attempt with it on.
    struct Use {
        let generation: Generation
        /// A number for the session, because another session has other tokens with the same generations.
        fileprivate let era: UInt64
    }

    /// Four numbers for each row, and the era.
    private let numbers = AtomicArray(count: GenerationTable.count * 4 + 1)
    private static let era = GenerationTable.count * 4

    private enum Column: Int {
        case generation, served, refused, running
    }

    /// An attempt with the token begins. Generation zero means no token, and is not counted.
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

    /// The exchange continues with another token, or ends.
    @inline(__always)
    func end(_ use: Use) { add(.running, use, by: .max) }

    /// From now on the tokens of another session are counted.
    func clear() {
        for row in 0..<Self.count { replace(row * 4, 0) }
        numbers.add(Self.era)
    }

    private func row(_ generation: Generation) -> Int { Int(generation % UInt64(Self.count)) &* 4 }

    /// `amount` may be -1. Counts for a generation that is no longer in the table are dropped.
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

    /// Adds the counts to `counts`.
    func add(to counts: inout [Generation: GenerationCounts]) {
        for row in stride(from: 0, to: Self.count * 4, by: 4) {
            let generation = numbers[row]
            guard generation != 0 else { continue }
            let (served, refused, running) = (numbers[row + 1], numbers[row + 2], numbers[row + 3])
            // The row may have been reused meanwhile.
            guard numbers[row] == generation else { continue }
            counts[generation, default: GenerationCounts()].served &+= served
            counts[generation, default: GenerationCounts()].refused &+= refused
            counts[generation, default: GenerationCounts()].running &+= running
        }
    }
}
