import Foundation
import Support
import Testing

@testable import Credentials

/// The page on the session file names what stands in it.
@Suite struct SessionFilePageTests {
    @Test func pageListsEveryMember() throws {
        #expect(try table("## Members") == members(of: try fullest().document))
    }

    @Test func pageListsTheJournal() throws {
        let journal = SessionFile.Journal(fingerprint: "ab", at: 1, cause: .expiry)
        #expect(try table("## The journal") == members(of: try #require(JSONValue(parsing: journal.bytes))))
    }

    @Test func pageNamesEveryFileBesideIt() throws {
        let file = SessionFile(path: "FILE")
        let paths = [
            file.path, "FILE.lock", file.temporaryPath, file.previousPath, file.endingPath, file.answerPath,
            file.beforeSharedPath,
        ]
        #expect(try table("## Beside it") == Set(paths.map { $0.hasPrefix("./") ? String($0.dropFirst(2)) : $0 }))
    }

    /// What the first column of the first table below a heading names.
    private func table(_ heading: String) throws -> Set<String> {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let page = try String(
            contentsOf: root.appending(path: "Sources/Credentials/Credentials.docc/SessionFile.md"),
            encoding: .utf8
        )
        let lines = page.split(separator: "\n", omittingEmptySubsequences: false)
        let section = lines.drop { $0 != heading }.dropFirst().prefix { !$0.hasPrefix("## ") }
        let rows = section.drop { !$0.hasPrefix("|") }.prefix { $0.hasPrefix("|") }.dropFirst(2)
        // A cell may name several.
        return Set(
            rows.flatMap { row in
                let cell = row.split(separator: "|")[0].split(separator: "`", omittingEmptySubsequences: false)
                return cell.indices.filter { $0 % 2 == 1 }.map { String(cell[$0]) }
            }
        )
    }

    private func members(of document: JSONValue) -> Set<String> {
        guard case .object(let members) = document else { return [] }
        return Set(members.map(\.name))
    }

    /// A record that says all that one can say.
    private func fullest() throws -> SessionRecord {
        var record = SessionRecord()
        for (name, arrival) in [("a", SessionRecord.Arrival.signIn), ("b", .refresh)] {
            let tokens = TokenSet(
                accessToken: try #require(Token("access-\(name)")),
                refreshToken: Token("refresh-\(name)"),
                expiresIn: 60,
                refreshExpiresIn: 600,
                scope: "read",
                tokenType: "Bearer"
            )
            record.put(tokens, arrival, upstream: "https://api.example", now: 1_000_000)
        }
        record.bind(
            SessionBinding(
                origin: "https://api.example",
                source: .oauth,
                issuer: "https://login.example",
                clientID: "me",
                configuration: "/squire.yaml"
            )
        )
        record.isRefreshDenied = true
        record.rejected = .init(at: 1_000_000, isWhole: true)
        record.unanswered = .init(at: 1_000_000, reason: "no answer")
        record.pause = .init(until: 1_000_060, failures: 1)
        record.record(RefreshEntry(at: 1_000_000, cause: .expiry, outcome: .refreshed))
        record.record(RefreshEntry(at: 1_000_000, cause: .expiry, outcome: .lost))
        let (id, login) = (SharedID.random(), SharedID.random())
        record.share(as: try #require(.login(login, id, after: 0)), in: "etcd squire/v1/session/menu")
        return record
    }
}
