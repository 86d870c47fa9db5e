import Credentials
import Synchronization

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

/// One worker's counts for the last 64 generations. Its thread alone writes them; any thread may read them. Generation
/// zero means no token, and is not counted.
final class GenerationTable: Sendable {
    static let count = 64

    /// Four numbers for each row. Generations go on where a reload opens another session (`GenerationNumbers`).
    private let numbers = AtomicArray(count: GenerationTable.count * 4)
    /// It is asked for twice a request: without looking through `numbers`.
    private nonisolated(unsafe) let words: UnsafeMutablePointer<Atomic<UInt64>>

    init() { words = numbers.storage }

    private enum Column: Int {
        case generation, served, refused, running
    }

    /// The first attempt of an exchange with the token begins.
    @inline(__always)
    func begin(_ generation: Generation) {
        guard generation != 0 else { return }
        let row = place(of: generation)
        if words[row].load(ordering: .relaxed) != generation { replace(row, generation) }
        add(1, row, .running)
    }

    /// The upstream refused it.
    func refused(_ generation: Generation) {
        if let row = row(of: generation) { add(1, row, .refused) }
    }

    /// An exchange that began with the token continues with another one, or ends. `isServed`: with a response that did
    /// not reject the token.
    @inline(__always)
    func end(_ generation: Generation, isServed: Bool) {
        guard let row = row(of: generation) else { return }
        if isServed { add(1, row, .served) }
        add(.max, row, .running)
    }

    @inline(__always)
    private func place(of generation: Generation) -> Int { Int(generation % UInt64(Self.count)) &* 4 }

    /// Nil for a generation that is no longer in the table: its counts are dropped.
    @inline(__always)
    private func row(of generation: Generation) -> Int? {
        let row = place(of: generation)
        return generation != 0 && words[row].load(ordering: .relaxed) == generation ? row : nil
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
