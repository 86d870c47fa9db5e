import Foundation
import Testing

@testable import Settings

/// What the pages for people say of files, keys and variables is so.
@Suite struct PagesTests {
    private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    /// Every page, by its path from the root.
    private static let pages: [String] = {
        let sources = FileManager.default.enumerator(atPath: root.appending(path: "Sources").path)
        let found = (sources?.compactMap { $0 as? String } ?? [])
            .filter { $0.contains(".docc/") && $0.hasSuffix(".md") }
        return ["README.md", ".github/CONTRIBUTING.md", "Tests/Benchmarks/README.md"]
            + found.map { "Sources/\($0)" }.sorted()
    }()

    private static func text(_ path: String) throws -> String {
        try String(contentsOf: root.appending(path: path), encoding: .utf8)
    }

    @Test func thereArePages() { #expect(Self.pages.count > 15) }

    @Test(arguments: pages) func linksLeadSomewhere(_ page: String) throws {
        let text = try Self.text(page)
        let directory = Self.root.appending(path: page).deletingLastPathComponent()
        for match in text.matches(of: /\]\(([^)\s]+)\)/) where !match.1.contains("://") {
            let parts = match.1.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false)
            let target =
                parts[0].isEmpty ? Self.root.appending(path: page) : directory.appending(path: String(parts[0]))
            #expect(FileManager.default.fileExists(atPath: target.path), "\(match.1)")
            guard parts.count == 2, let linked = try? String(contentsOf: target, encoding: .utf8) else { continue }
            #expect(Self.anchors(linked).contains(parts[1].lowercased()), "\(match.1)")
        }
    }

    /// A page that nothing leads to is not read.
    @Test(arguments: pages.filter { $0 != "README.md" }) func theREADMELeadsToEveryPage(_ page: String) throws {
        #expect(try Self.text("README.md").contains("](\(page))"))
    }

    /// The glossary has the words of the code, and no others.
    @Test func theWordsOfTheGlossaryAreTheCodes() throws {
        let sources = Self.root.appending(path: "Sources")
        var code = Data()
        for case let path as String in FileManager.default.enumerator(atPath: sources.path)!
        where path.hasSuffix(".swift") {
            code += try Data(contentsOf: sources.appending(path: path))
        }
        let rows = try Self.text("Sources/squire/squire.docc/Glossary.md").split(separator: "\n").dropFirst(4)
            .filter { $0.hasPrefix("| ") }
        #expect(rows.count > 50)
        for row in rows {
            for word in row.split(separator: "|")[0].split(separator: ",") {
                let parts = word.split(separator: " ").filter { $0 != "to" }.map(String.init)
                // As a name has it, at its beginning or behind another word; or as a sentence has it.
                let name = parts.map(\.capitalized).joined()
                let spellings = [name, name.prefix(1).lowercased() + name.dropFirst(), parts.joined(separator: " ")]
                let isThere = spellings.contains { code.range(of: Data($0.utf8)) != nil }
                #expect(isThere, "\(word) is nowhere in the code")
            }
        }
    }

    /// The names that a reader of Markdown gives to headings.
    private static func anchors(_ text: String) -> Set<String> {
        let headings = text.split(separator: "\n").filter { $0.hasPrefix("#") }
        return Set(
            headings.map { heading in
                let words = heading.drop { $0 == "#" }.drop { $0 == " " }.lowercased()
                let kept = words.filter { $0.isLetter || $0.isNumber || " -_".contains($0) }
                return String(kept.map { $0 == " " ? "-" : $0 })
            }
        )
    }

    /// A key in backquotes, with its dots, is one that a configuration may have.
    @Test(arguments: pages) func keysAreOnesThatThereAre(_ page: String) throws {
        let reference = try ConfigurationReference()
        let names = Set(reference.entries.map(\.name))
        let first = Set(names.compactMap { $0.split(separator: ".").first.map(String.init) })
        for match in try Self.text(page).matches(of: /`([a-z][a-z-]*(?:\.[a-z-]+)+)/)
        where first.contains(String(match.1.prefix { $0 != "." })) {
            let key = String(match.1)
            let free = key.split(separator: ".").dropLast().joined(separator: ".") + ".*"
            #expect(names.contains(key) || names.contains(free), "\(key)")
        }
    }

    // MARK: Tables

    /// The cells of the rows whose first cell begins with a word in backquotes.
    private static func rows(_ page: String) throws -> [[String]] {
        try text(page).split(separator: "\n").filter { $0.hasPrefix("| ") }
            .map { $0.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) } }
    }

    @Test func everyVariableIsThere() throws {
        let rows = try Self.rows("Sources/squire/squire.docc/Configuration.md")
        let listed = rows.map { $0[0].filter { $0 != "`" } }.filter { $0.hasPrefix("SQUIRE_") }
        #expect(listed == ConfigurationOverrides.variables + ConfigurationOverrides.given)
    }

    /// The tables that name the keys of one map name each of them. Kubernetes has a section of its own.
    @Test(arguments: [
        ("OtherAPIs.md", "| key of `session.oauth` |", "session.oauth", []),
        ("SharedSession.md", "| key | default | says |", "session.shared", ["kubernetes"]),
    ]) func everyKeyIsThere(_ page: String, _ head: String, _ map: String, _ elsewhere: [String]) throws {
        let lines = try Self.text("Sources/squire/squire.docc/\(page)")
            .split(separator: "\n", omittingEmptySubsequences: false)
        let rows = lines.drop { !$0.hasPrefix(head) }.dropFirst(2).prefix { $0.hasPrefix("|") }
        let listed = rows.flatMap { row in
            row.split(separator: "|")[0].split(separator: ",").map { $0.filter { $0 != "`" && $0 != " " } }
        }
        let path = map.split(separator: ".").map(String.init)
        let keys = try ConfigurationReference().children(of: path).compactMap(\.path.last)
        #expect(Set(listed) == Set(keys).subtracting(elsewhere))
    }

    /// The limits that can be set stand there with their defaults.
    @Test func everyLimitIsThere() throws {
        let reference = try ConfigurationReference()
        let rows = try Self.rows("Sources/squire/squire.docc/Limits.md")
        let limits = reference.children(of: ["limits"]) + reference.children(of: ["timeouts"])
        #expect(limits.count > 8)
        for limit in limits {
            let defaults = rows.filter { $0[0].contains("`\(limit.name)`") }.map { $0[1].filter { $0 != " " } }
            #expect(defaults.contains { $0.contains(limit.value) }, "\(limit.name): \(limit.value)")
        }
    }
}
