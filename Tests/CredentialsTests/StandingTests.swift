import Testing

@testable import Credentials

/// Routes are numbers; times are seconds.
@Suite struct StandingTests {
    private static let second: Int64 = 1_000_000_000

    private func at(_ seconds: Int) -> Instant {
        Instant(elapsed: Int64(seconds) * Self.second, wall: 1_000_000 + seconds)
    }

    @Test func oneRouteOnlyRaisesADoubt() {
        var standing = Standing()
        #expect(!standing.isInDoubt && standing.mark == nil)
        for second in 1...3 { standing.reject(1, hadAccepted: false, now: at(second)) }
        #expect(standing.verdict == .doubted(by: 1, at: 1_000_001))
        #expect(!standing.isRejected && standing.isInDoubt && standing.rejects(1) && !standing.rejects(2))
        #expect(standing.mark == .init(at: 1_000_001, isWhole: false))
    }

    @Test func aRouteThatHadAcceptedTheTokenEndsItAlone() {
        var standing = Standing()
        standing.reject(1, hadAccepted: true, now: at(1))
        #expect(standing.mark == .init(at: 1_000_001, isWhole: true))
        #expect(standing.epoch == 1)
    }

    @Test func twoRoutesEndATokenOnlyWithoutAnAcceptanceBetween() {
        var standing = Standing()
        standing.reject(1, hadAccepted: false, now: at(1))
        standing.accept(3, wasDead: false)
        standing.reject(2, hadAccepted: false, now: at(2))
        #expect(!standing.isRejected && standing.rejects(1) && standing.rejects(2))
        standing.reject(1, hadAccepted: false, now: at(3))
        #expect(standing.isRejected)
    }

    /// After a revival two routes that never accepted the token prove nothing.
    @Test func onlyARouteThatHasAcceptedItSinceEndsARevivedToken() {
        var standing = Standing()
        standing.reject(1, hadAccepted: true, now: at(1))
        standing.accept(2, wasDead: true)
        #expect(standing.verdict == .good && standing.revivals == 1 && !standing.isInDoubt)
        for route: UInt64 in 3...9 { standing.reject(route, hadAccepted: false, now: at(2)) }
        #expect(!standing.isRejected)
        standing.reject(2, hadAccepted: true, now: at(3))
        #expect(standing.isRejected)
    }

    @Test func oneRequestMayTryInEachInterval() {
        var standing = Standing()
        standing.reject(1, hadAccepted: true, now: at(1))
        let before = standing.epoch
        let tries = (1...61).filter { standing.mayTry(every: 30 * Self.second, now: at($0).elapsed) }
        #expect(tries == [31, 61])
        #expect(standing.epoch == before + 2)
    }

    /// Another process saw the rejection, or the acceptance.
    @Test func theFileOfOthersCounts() {
        var standing = Standing()
        standing.adopt(.init(at: 5, isWhole: false), now: at(1))
        #expect(standing.verdict == .doubted(by: nil, at: 5))
        standing.reject(1, hadAccepted: false, now: at(2))
        #expect(standing.verdict == .doubted(by: 1, at: 1_000_002))
        standing.adopt(.init(at: 6, isWhole: true), now: at(3))
        #expect(standing.verdict == .rejected(at: 6))
        standing.adopt(.init(at: 7, isWhole: true), now: at(4))
        #expect(standing.verdict == .rejected(at: 6))
        standing.adopt(nil, now: at(5))
        #expect(standing.verdict == .good && standing.revivals == 1)
    }

    @Test func itsMemoryIsBounded() {
        var standing = Standing()
        for route: UInt64 in 0..<1000 { standing.reject(route, hadAccepted: false, now: at(1)) }
        #expect(standing.rejectingRoutes.count == 64 && standing.rejects(999) && !standing.rejects(0))
        for _ in 0..<600 {
            standing.reject(1, hadAccepted: true, now: at(1))
            standing.accept(1, wasDead: true)
        }
        #expect(standing.revivals > 0)
    }
}
