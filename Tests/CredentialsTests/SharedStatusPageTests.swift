import Foundation
import Support
import Testing

@testable import Credentials

@Suite struct SharedStatusPageTests {
    private var fullest: SharedStatus {
        var status = SharedStatus(engine: "etcd", name: "menu")
        (status.link, status.problem, status.remedy) = (.readOnly, "full", "Make room.")
        (status.revision, status.era, status.generation) = ("7", 2, 3)
        status.claim = .init(by: "host/1/a", age: 4)
        status.unshared = .init(.logout, seconds: 5)
        status.misconfigured = "https://b is of another cluster"
        return status
    }

    /// The page lists each member that `/api/status` has of it, in its order, and no other.
    @Test func pageListsEveryMember() throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let page = try String(
            contentsOf: root.appending(path: "Sources/squire/squire.docc/SharedSession.md"),
            encoding: .utf8
        )
        let rows = page.split(separator: "\n", omittingEmptySubsequences: false).drop { $0 != "| member | is |" }
            .prefix { $0.hasPrefix("|") }.dropFirst(2)
        let listed = rows.flatMap { row in
            row.split(separator: "|")[0].split(separator: ",").map { $0.filter { $0 != "`" && $0 != " " } }
        }
        guard case .object(let members) = fullest.json else { throw CocoaError(.featureUnsupported) }
        #expect(listed == members.map(\.name))
    }

    /// A command reads what the proxy that runs says.
    @Test func isReadAsItIsWritten() {
        #expect(SharedStatus(fullest.json) == fullest)
        for link in [SharedStatus.Link.unknown, .lost, .readOnly, .open] {
            var status = SharedStatus(engine: "etcd", name: "menu")
            status.link = link
            #expect(SharedStatus(status.json) == status)
        }
    }

    @Test func eachStateHasWords() {
        let lines = fullest.lines
        #expect(lines[0] == "menu in etcd: reachable, NOT WRITABLE, generation 3, era 2, revision 7")
        #expect(lines.contains("logged out here, NOT SHARED for 5 s: the others have it until etcd answers"))
        #expect(lines.contains("MISCONFIGURED, see below"))
        #expect(fullest.advice?.contains("Somebody logged out here, and that is NOT SHARED (full)") == true)
        #expect(fullest.advice?.hasSuffix("Make room.") == true)
        var status = fullest
        status.unshared = nil
        #expect(status.advice?.hasPrefix("The other machines can be asked, and not told (full)") == true)
    }

    // MARK: Refusals

    @Test func refusalIsKeptWithWhoMayHaveTheSuccessor() throws {
        var record = SessionRecord()
        record.put(TokenSet(accessToken: Token("a")!), .given, upstream: "https://a", now: 1)
        let identity = try #require(SharedIdentity.login(.random(), .random(), after: 0))
        #expect(record.refusal == nil)
        record.share(as: identity, in: "p")
        let first = try #require(ProcessName("host-a/1/b"))
        record.deny(SharedRefusal(silent: [first]))
        #expect(record.isRefreshDenied && record.localHolding(in: "p") == .shared(.tokens(identity)))
        #expect(record.refusal?.contains("Machine host-a/1/b had begun a refresh") == true)
        record.deny(SharedRefusal())
        #expect(record.refusal?.contains("may still hold its successor") == true)
        record.deny(SharedRefusal(silent: [first, try #require(ProcessName("host-c/1/d"))]))
        #expect(record.refusal?.contains("Machines host-a/1/b, host-c/1/d had begun") == true)
        // What somebody wrote into the file reaches no terminal.
        let unfit = ["a b", "\u{1B}[2J", String(repeating: "x", count: 129), ""]
        record.document["shared"]?["silent"] = .array(unfit.map(JSONValue.string))
        #expect(record.refusal == SharedRefusal().words())
        // What this machine was told itself says more.
        record.record(RefreshEntry(at: 2, cause: .rejected, outcome: .refused, detail: "Status 401."))
        #expect(record.refusal == "Status 401.")
    }
}
