import Credentials
import Testing

@testable import SharedSession

@Suite struct SharedClaimTests {
    /// Whatever an engine tells, what follows it can be written and read again.
    @Test(arguments: [0, 1, SharedIdentity.maxCount - 1, SharedIdentity.maxCount])
    func theBeatThatFollowsIsOneThatRecordsHold(last: Int) throws {
        let claim = SharedClaim(id: .random(), by: "host/1/a")
        let told = try #require(SharedClaim(id: claim.id, by: claim.by, beat: last))
        let next = claim.next(after: told)
        #expect(next.beat == min(last + 1, SharedIdentity.maxCount))
        #expect(SharedClaim(id: next.id, by: next.by, beat: next.beat) == next)
    }

    @Test func theFirstBeatFollowsNothing() {
        #expect(SharedClaim(id: .random(), by: "host/1/a").next(after: nil).beat == 1)
    }

    @Test(arguments: ["", " ", "a b", "a\u{7F}", "ä", String(repeating: "a", count: 129)])
    func noNameIsOneThatARecordCannotHold(name: String) {
        #expect(ProcessName(name) == nil)
    }

    @Test func aProcessHasANameOfItsOwn() {
        let names = (0..<3).map { _ in ProcessName.make() }
        #expect(Set(names).count == 3)
        #expect(names.allSatisfy { ProcessName($0.description) == $0 })
    }
}
