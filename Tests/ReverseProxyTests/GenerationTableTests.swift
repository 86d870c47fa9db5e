import Credentials
import Testing

@testable import ReverseProxy

@Suite struct GenerationTableTests {
    private func counts(_ tables: GenerationTable...) -> [Generation: GenerationCounts] {
        tables.reduce(into: [:]) { $1.add(to: &$0) }
    }

    @Test func workersAddUp() {
        let (first, second) = (GenerationTable(), GenerationTable())
        first.begin(7)
        second.begin(7)
        first.refused(7)
        second.end(7, isServed: true)
        second.begin(8)
        #expect(
            counts(first, second) == [
                7: GenerationCounts(served: 1, refused: 1, running: 1), 8: GenerationCounts(running: 1),
            ]
        )
    }

    @Test func noTokenIsNotCounted() {
        let table = GenerationTable()
        table.begin(0)
        table.refused(0)
        table.end(0, isServed: true)
        #expect(counts(table).isEmpty)
        // The row that zero would have.
        table.begin(64)
        table.end(0, isServed: true)
        #expect(counts(table) == [64: GenerationCounts(running: 1)])
    }

    @Test func theLast64AreKept() {
        let table = GenerationTable()
        let generations = (1...100).map(Generation.init)
        for generation in generations { table.begin(generation) }
        #expect(counts(table).keys.sorted() == Array(37...100))
        for generation in generations { table.end(generation, isServed: true) }
        #expect(counts(table).values.allSatisfy { $0 == GenerationCounts(served: 1) })
        #expect(counts(table).count == 64)
    }
}
