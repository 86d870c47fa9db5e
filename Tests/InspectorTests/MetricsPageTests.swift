import Credentials
import Foundation
import ReverseProxy
import Testing

@testable import Inspector

@Suite struct MetricsPageTests {
    /// The page lists each family that `/metrics` prints, in its order, with its type and labels, and no other.
    @Test func pageListsEveryFamily() throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let page = try String(
            contentsOf: root.appending(path: "Sources/squire/squire.docc/Metrics.md"),
            encoding: .utf8
        )
        let rows = page.split(separator: "\n").filter { $0.hasPrefix("| `") }
            .map { $0.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) } }
        let listed = rows.map { row in
            Family(
                name: row[0].filter { $0 != "`" },
                type: row[1],
                labels: Set(row[2].split(separator: ",").map { $0.filter { $0 != "`" && $0 != " " } })
            )
        }
        #expect(listed == (try printed()))
        for row in rows { #expect(row.count == 6 && !row[4].isEmpty && !row[5].isEmpty, "\(row[0])") }
    }

    private struct Family: Equatable {
        var name: String
        var type: String
        var labels: Set<String> = []
    }

    /// What is printed when everything that can be printed is.
    private func printed() throws -> [Family] {
        var counts = Counters.Snapshot()
        counts.requests = [200: 1]
        counts.refused = [.badRequest: 1]
        let refreshes = RefreshCounts()
        refreshes.record(.unchanged(RefreshReport(.expiry, .unchanged, nil, waiters: 0, milliseconds: 1), expiresIn: 1))
        var status = try Session(file: nil, source: nil).status
        status.shared = SharedStatus(engine: "etcd", name: "menu")
        let build = BuildInfo(
            version: "0.1.0",
            details: ["commit", "libcurl", "OpenSSL", "libevent"].map { ($0, "1") }
        )
        let text =
            InspectorServer.metrics(counts, refreshes, status, build: build, startedAt: 1)
            + InspectorServer.metrics(Recordings(workers: 0).counts, evicted: 0, viewers: 0)
        var families: [Family] = []
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            if line.hasPrefix("# TYPE ") {
                families.append(Family(name: String(words[2]), type: String(words[3])))
            } else if !line.hasPrefix("#"), let labels = line.split(separator: "{").dropFirst().first {
                let names = labels.prefix { $0 != "}" }.split(separator: ",")
                    .compactMap { $0.split(separator: "=").first }
                families[families.count - 1].labels.formUnion(names.map(String.init))
            }
        }
        return families
    }
}
