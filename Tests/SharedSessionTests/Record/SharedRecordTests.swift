import Credentials
import Support
import Testing

@testable import SharedSession

@Suite struct SharedRecordTests {
    private let record: SharedRecord
    private let claim: SharedClaim

    init() throws {
        record = try SharedSamples.seal(0).seal(try SharedSamples.session(), try SharedSamples.identity())
        claim = try #require(SharedClaim(id: .random(), by: "host-a/4711/3f9c", beat: 3))
    }

    private func damage(_ bytes: [UInt8]) -> SharedRecord.Damage? {
        do throws(SharedRecord.Damage) {
            _ = try SharedRecord(parsing: bytes)
            return nil
        } catch {
            return error
        }
    }

    /// The value with a text in the place of another, which must be there.
    private func damage(_ old: String, _ new: String, in record: SharedRecord? = nil) throws -> SharedRecord.Damage? {
        let text = String(decoding: (record ?? self.record).bytes, as: UTF8.self)
        try #require(text.contains(old))
        return damage(Array(text.replacing(old, with: new).utf8))
    }

    @Test func eachStateIsReadAsItWasWritten() throws {
        let tombstone = try SharedSamples.seal(0).tombstone(try SharedSamples.identity())
        let root = try #require(SharedIdentity.login(.random(), .random(), after: 6))
        let others = [
            try #require(record.with(.busy(claim))), tombstone,
            try SharedSamples.seal(0).seal(try SharedSamples.session(), root, .refused),
            try SharedSamples.seal(0).seal(try SharedSamples.session(), root),
        ]
        for one in [record] + others { #expect(try SharedRecord(parsing: one.bytes) == one) }
        #expect(root.era == 7 && root.generation == 0 && root.parent == nil)
    }

    @Test func theFormIsTheOneOfTheProtocol() throws {
        let busy = try #require(record.with(.busy(claim)))
        guard case .object(let members)? = JSONValue(parsing: busy.bytes) else {
            Issue.record("no object")
            return
        }
        let names = ["v", "id", "parent", "login", "era", "generation", "state", "write", "claim", "kid", "sealed"]
        #expect(members.map(\.name) == names)
        #expect(JSONValue.object(members)["state"] == .string("busy"))
        #expect(JSONValue.object(members)["claim"]?["by"] == .string("host-a/4711/3f9c"))
        #expect(JSONValue.object(members)["generation"] == .integer(57))
    }

    @Test func aWriteIsNeverTheSameTwice() throws {
        let one = try #require(record.with(.ready))
        #expect(one.write != record.write && one.bytes != record.bytes)
        #expect(one.identity == record.identity && one.sealed == record.sealed)
    }

    @Test func onlyTheSealMakesATombstone() throws {
        #expect(record.with(.none) == nil)
        let tombstone = try SharedSamples.seal(0).tombstone(try SharedSamples.identity())
        #expect(tombstone.with(.ready) == nil && tombstone.with(.busy(claim)) == nil)
        #expect(tombstone.with(.none)?.identity == tombstone.identity)
    }

    @Test func anotherVersionIsNoDamage() throws {
        #expect(try damage("\"v\":1", "\"v\":2") == .version(2))
        #expect(damage(Array(#"{"v":7,"what":"comes"}"#.utf8)) == .version(7))
        #expect(damage(Array(#"{"v":0}"#.utf8)) == .noRecord)
        #expect(damage(Array(#"{"v":"2"}"#.utf8)) == .noRecord)
    }

    @Test(arguments: ["", "{", "null", "[]", "7", "{}", "\u{0}", "{\"v\":null}", "{\"v\":-1}"])
    func whatIsNoRecord(_ text: String) {
        #expect(damage(Array(text.utf8)) == .noRecord)
    }

    @Test func whatIsTooLongIsNotLookedAt() {
        let blanks = [UInt8](repeating: 0x20, count: SharedRecord.maxBytes)
        #expect(damage(record.bytes + blanks) == .tooLong)
        #expect(damage([UInt8](repeating: UInt8(ascii: "["), count: SharedRecord.maxBytes)) == .noRecord)
    }

    @Test func aMemberThatIsWrongIsNamed() throws {
        let busy = try #require(record.with(.busy(claim)))
        let identity = try SharedSamples.identity()
        for (old, new, name) in [
            ("\"id\":\"666", "\"id\":\"66", "id"), ("\"id\":\"666", "\"id\":\"66G", "id"),
            ("\"login\":\"999", "\"login\":9,\"x\":\"999", "login"), ("\"parent\":\"000", "\"parent\":\"00A", "parent"),
            ("\"parent\":", "\"parents\":", "parent"), ("\"era\":3", "\"era\":0", "era"),
            ("\"era\":3", "\"era\":\"3\"", "era"), ("\"era\":3", "\"era\":-3", "era"),
            ("\"era\":3", "\"era\":9007199254740992", "era"), ("\"era\":3", "\"era\":1e400", "era"),
            ("\"generation\":57", "\"generation\":-1", "era"),
            ("\"generation\":57", "\"generation\":null", "generation"),
            ("\"state\":\"ready\"", "\"state\":\"Ready\"", "state"),
            ("\"state\":\"ready\"", "\"state\":\"busy\"", "claim"),
            ("\"write\":", "\"wrote\":", "write"), ("\"kid\":\"", "\"kid\":\"0", "kid"),
            ("\"sealed\":\"", "\"sealed\":\"=", "sealed"), ("\"sealed\":\"", "\"sealed\":\" ", "sealed"),
        ] {
            #expect(try damage(old, new) == .member(name), "\(new)")
        }
        for (old, new) in [
            ("\"by\":\"host-a", "\"by\":\"host a"), ("\"by\":\"host-a/4711/3f9c", "\"by\":\""),
            ("\"beat\":3", "\"beat\":-1"), ("\"beat\":3", "\"beat\":true"), ("\"by\":\"host-a", "\"by\":\"höst-a"),
            ("\"by\":\"host-a", "\"by\":\"" + String(repeating: "h", count: 128)),
        ] {
            #expect(try damage(old, new, in: busy) == .member("claim"), "\(new)")
        }
        #expect(record.identity == identity)
    }

    @Test func oneSpellingOnly() throws {
        let busy = try #require(record.with(.busy(claim)))
        for (old, new) in [
            ("\"era\":3", "\"era\":3.0"), ("\"era\":3", "\"era\": 3"), ("\"era\":3", "\"era\":2,\"era\":3"),
            ("\"state\":\"ready\"", "\"state\":\"read\\u0079\""), ("\"era\":3", "\"era\":3,\"more\":1"),
            ("\"era\":3,\"generation\":57", "\"generation\":57,\"era\":3"),
            ("\"generation\":57", "\"generation\":57e0"),
        ] {
            #expect(try damage(old, new) == .spelling, "\(new)")
        }
        #expect(damage(record.bytes + [0x0A]) == .tail)
        #expect(damage([0x0A] + record.bytes) == .spelling)
        #expect(damage([0xEF, 0xBB, 0xBF] + record.bytes) == .spelling)
        #expect(
            try damage("\"state\":\"busy\"", "\"state\":\"ready\"", in: busy) == .spelling,
            "a claim that nobody made"
        )
        #expect(try damage("\"beat\":3", "\"beat\":3,\"at\":0", in: busy) == .spelling)
    }

    /// Whatever octet becomes another one: it is damage, or a record with one spelling.
    @Test func anyOctetMayChange() throws {
        let short = try SharedSamples.seal(0).seal(try SharedSamples.shortSession(), try SharedSamples.identity())
        let bytes = try #require(short.with(.busy(claim))).bytes
        for index in bytes.indices {
            for other in [0x20, 0x22, 0x2C, 0x30, 0x5C] as [UInt8] {
                var changed = bytes
                changed[index] = other
                if let read = try? SharedRecord(parsing: changed) { #expect(read.bytes == changed) }
            }
            #expect((try? SharedRecord(parsing: Array(bytes[..<index]))) == nil)
        }
    }

    @Test func countingEnds() throws {
        let id = SharedID.random()
        let last = SharedIdentity.maxCount
        let end = try #require(SharedIdentity(id: id, parent: nil, login: id, era: last, generation: last))
        #expect(end.child(.random()) == nil)
        let login = { SharedIdentity.login(.random(), .random(), after: $0) }
        #expect(login(last) == nil && login(Int.max) == nil && login(Int.min)?.era == 1)
        #expect(SharedIdentity(id: id, parent: nil, login: id, era: last + 1, generation: 0) == nil)
        let child = try #require(try SharedSamples.identity().child(.random()))
        #expect(child.parent == (try SharedSamples.identity().id) && child.generation == 58 && child.era == 3)
    }

    @Test func namesAreRandom() {
        let ids = Set((0..<1000).map { _ in SharedID.random() })
        #expect(ids.count == 1000)
        #expect(ids.allSatisfy { SharedID($0.description) == $0 })
    }
}
