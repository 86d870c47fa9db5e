import Foundation
import ReverseProxy
import Testing

@Suite struct ProblemsPageTests {
    /// The page for users lists each code with its status, when it comes and what to do, and no other.
    @Test func pageListsEveryCode() throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let page = try String(
            contentsOf: root.appending(path: "Sources/ReverseProxy/ReverseProxy.docc/Problems.md"),
            encoding: .utf8
        )
        let rows = page.split(separator: "\n").filter { $0.hasPrefix("| `") }
            .map { $0.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) } }
        let listed = rows.map { "\($0[0].filter { $0 != "`" }) \($0[1])" }
        #expect(listed == Problem.Code.allCases.map { "\($0.rawValue) \($0.status)" })
        for row in rows { #expect(row.count == 4 && !row[2].isEmpty && !row[3].isEmpty, "\(row[0])") }
    }
}
