import Credentials
import Support
import Testing

@testable import SharedSession

@Suite struct SealedSessionTests {
    private static let binding = SessionBinding(
        origin: "https://api.example.com",
        refreshOrigin: "https://login.example.com",
        source: .oauth,
        issuer: "https://login.example.com",
        clientID: "tool",
        configuration: "/home/alice/squire.yaml"
    )

    @Test func whatBelongsToTheTokensIsShared() throws {
        var record = try SharedSamples.record()
        record.bind(Self.binding)
        let entry = RefreshEntry(at: 1_800_000_100, cause: .expiry, outcome: .refreshed, milliseconds: 80, waiters: 2)
        record.record(entry)
        record.unanswered = .init(at: 1_800_000_200, reason: "no answer")
        let bytes = try #require(SealedSession(record)).bytes
        let opened = try #require(SealedSession(parsing: bytes)).record
        #expect(opened.held == record.held)
        #expect(opened.expiresAt == 1_800_003_600 && opened.refreshExpiresAt == 1_800_086_400)
        #expect(opened.receivedAt == 1_800_000_000 && opened.signedInAt == 1_800_000_000)
        #expect(opened.scope == "read write" && opened.lineage == record.lineage)
        #expect(opened.origin == "https://api.example.com" && opened.source == .oauth)
        #expect(opened.refreshOrigin == "https://login.example.com")
        #expect(opened.foreignSource(to: Self.binding) == nil)
        #expect(opened.history == [entry] && opened.lastRefresh == entry)
        #expect(opened.unanswered == record.unanswered)
    }

    @Test func whatBelongsToOneMachineIsNot() throws {
        let file =
            #"{"version":1,"token":"t","upstream":"https://a.example","configuration":"/home/alice/c.yaml","#
            + #""mine":1,"refreshes":7,"failures":{"lost":2},"refused":true,"rejected":{"at":5}}"#
        let record = try #require(SessionRecord(parsing: Array(file.utf8)))
        let text = String(decoding: try #require(SealedSession(record)).bytes, as: UTF8.self)
        for word in ["configuration", "alice", "mine", "refreshes", "failures", "refused", "rejected"] {
            #expect(!text.contains(word), "\(word)")
        }
    }

    @Test func adoptingKeepsWhatIsOnesOwn() throws {
        let file =
            #"{"version":1,"token":"old","upstream":"https://api.example.com","configuration":"/home/bob/c.yaml","#
            + #""mine":1,"refreshes":7,"scope":"old","refused":true,"rejected":{"at":5},"unanswered":{"at":6}}"#
        let own = try #require(SessionRecord(parsing: Array(file.utf8)))
        let adopted = own.adopting(try SharedSamples.session().record)
        #expect(adopted.held == (try SharedSamples.record().held))
        #expect(adopted.configuration == "/home/bob/c.yaml" && adopted.refreshes == 7)
        #expect(!adopted.isRefreshDenied && adopted.rejected == nil && adopted.unanswered == nil)
        #expect(adopted.scope == "read write" && adopted.expiresAt == 1_800_003_600)
        #expect(adopted.lineage == (try SharedSamples.record().lineage))
        #expect(adopted.shared == (try SharedSamples.session().record.shared))
        let pair = try SharedSamples.record(refresh: nil)
        #expect(adopted.adopting(try #require(SealedSession(pair)).record).refreshToken == nil)
    }

    @Test func theHistoryIsTheLastTen() throws {
        var record = try SharedSamples.record()
        for number in 1...30 { record.record(RefreshEntry(at: number, cause: .rejected, outcome: .refreshed)) }
        let opened = try #require(SealedSession(record)).record
        #expect(opened.history.map(\.at) == Array(21...30))
    }

    @Test(arguments: [
        #"{}"#, #"{"token":"t"}"#, #"{"upstream":"https://a.example"}"#,
        #"{"token":"a b","upstream":"https://a.example"}"#,
        #"{"token":"t","refresh_token":7,"upstream":"https://a.example"}"#,
        #"{"token":null,"upstream":"https://a.example"}"#,
    ])
    func whatIsNoSessionOfAnAPIIsNotShared(_ file: String) throws {
        let record = try #require(SessionRecord(parsing: Array(file.utf8)))
        #expect(SealedSession(record) == nil)
        #expect(SealedSession(parsing: Array(file.utf8)) == nil)
    }

    @Test(arguments: ["", "null", "[]", "7", "{", "\"token\"", "\u{0}"])
    func whatIsNoSession(_ text: String) {
        #expect(SealedSession(parsing: Array(text.utf8)) == nil)
    }

    @Test func hostileMembersAreLeftOut() throws {
        let text =
            #"{"token":"t","upstream":"https://a.example","scope":{"a":[1]},"expires_at":1e400,"history":{"a":1},"#
            + #""received_at":-5,"more":[[[[1]]]],"unanswered":[]}"#
        let session = try #require(SealedSession(parsing: Array(text.utf8)))
        #expect(session.record.scope == nil && session.record.expiresAt == nil && session.record.history.isEmpty)
        #expect(session.record.receivedAt == 0 && session.record.unanswered == nil)
        #expect(!String(decoding: session.bytes, as: UTF8.self).contains("more"))
    }

    /// Which claims have ended is in the seal beside the session. Former versions leave out what they do not know.
    @Test(arguments: [[], [3], [3, 4, 5]]) func theEndsOfClaimsAreSealed(_ former: [Int]) throws {
        var session = try SharedSamples.session()
        #expect(try #require(SealedSession(parsing: session.bytes)).ended.isEmpty)
        let claim = FleetNames.token(7)
        session.ended = former.map(FleetNames.token) + [claim]
        let opened = try #require(SealedSession(parsing: session.bytes))
        #expect(opened == session && opened.ended.last == claim && opened.ended.count == former.count + 1)
        #expect(opened.noting(.init(at: 1, reason: "cut off"))?.ended == session.ended)
        // Former versions read the last one, and know no other.
        let json = try #require(JSONValue(parsing: session.bytes))
        #expect(json["ended"]?.string == claim.description && (json["ended_before"] == nil) == former.isEmpty)
        let known = try #require(JSONValue(parsing: session.bytes).flatMap { SessionRecord(shared: $0) })
        #expect(known == session.record)
        let spoilt = String(decoding: session.bytes, as: UTF8.self).replacing(claim.description, with: "7")
        #expect(SealedSession(parsing: Array(spoilt.utf8))?.ended == [])
    }

    /// Whatever the list is, it is not longer than what is remembered, and names none twice.
    @Test func hostileEndsAreLeftOut() throws {
        var session = try SharedSamples.session()
        session.ended = [FleetNames.token(1)]
        var json = try #require(JSONValue(parsing: session.bytes))
        let names = (1...40).map { JSONValue.string(FleetNames.token($0).description) }
        json["ended_before"] = .array(names + [.string("x"), .integer(4), names[39], names[0]])
        let ended = try #require(SealedSession(parsing: json.octets())).ended
        #expect(ended == (30...40).map(FleetNames.token) + [FleetNames.token(1)])
        json["ended_before"] = .string("x")
        #expect(SealedSession(parsing: json.octets())?.ended == [FleetNames.token(1)])
        json["ended"] = .integer(1)
        #expect(SealedSession(parsing: json.octets())?.ended == [])
    }

    /// Who fell silent with a claim, the last one last, and no more than can be told.
    @Test func whoFellSilentIsSealed() throws {
        var session = try SharedSamples.session()
        #expect(try #require(SealedSession(parsing: session.bytes)).silent.isEmpty)
        for name: ProcessName in ["a/1/x", "b/1/x", "c/1/x", "a/1/x", "d/1/x", "e/1/x"] {
            session.silent.fellSilent([name])
        }
        #expect(session.silent == ["b/1/x", "c/1/x", "d/1/x", "e/1/x"])
        let opened = try #require(SealedSession(parsing: session.bytes))
        #expect(opened == session && opened.noting(.init(at: 1, reason: "cut off"))?.silent == session.silent)
        let spoilt = String(decoding: session.bytes, as: UTF8.self).replacing("e/1/x", with: "e \\u0000")
        #expect(SealedSession(parsing: Array(spoilt.utf8))?.silent == ["b/1/x", "c/1/x", "d/1/x"])
    }

    @Test func whoseItIs() throws {
        let token = "e30.eyJzdWIiOiJjdXN0b21lci03In0.c2ln"
        let session = try #require(SealedSession(try SharedSamples.record(access: token)))
        #expect(session.subject == "customer-7" && session.origin == "https://api.example.com")
        #expect(try SharedSamples.session().subject == nil)
    }

    @Test func descriptionsShowNoSecret() throws {
        let file = try SharedSamples.keys(0)
        let key = try #require(file.keys.first)
        for text in ["\(file)", String(reflecting: file), "\(key)", String(reflecting: key), "\(key.id)"] {
            #expect(!text.contains("AAEC") && text.utf8.count < 40)
        }
    }
}
