import Credentials
import Testing

@testable import ReverseProxy

@Suite struct GenerationTableTests {
    private func counts(_ tables: GenerationTable...) -> [Generation: GenerationCounts] {
        tables.reduce(into: [:]) { $1.add(to: &$0) }
    }

    @Test func workersAddUp() throws {
        let (first, second) = (GenerationTable(), GenerationTable())
        let (one, other) = (try #require(first.begin(7)), try #require(second.begin(7)))
        first.refused(one)
        second.end(other, isServed: true)
        _ = second.begin(8)
        #expect(
            counts(first, second) == [
                7: GenerationCounts(served: 1, refused: 1, running: 1), 8: GenerationCounts(running: 1),
            ]
        )
    }

    @Test func noTokenIsNotCounted() {
        let table = GenerationTable()
        if table.begin(0) != nil { Issue.record("it is counted") }
        #expect(counts(table).isEmpty)
    }

    @Test func theLast64AreKept() throws {
        let table = GenerationTable()
        let uses = try (1...100).map { try #require(table.begin(Generation($0))) }
        #expect(counts(table).keys.sorted() == Array(37...100))
        for use in uses { table.end(use, isServed: true) }
        #expect(counts(table).values.allSatisfy { $0 == GenerationCounts(served: 1) })
        #expect(counts(table).count == 64)
    }
}
