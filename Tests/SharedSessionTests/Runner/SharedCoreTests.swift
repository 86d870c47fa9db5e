import Credentials
import Testing

@testable import SharedSession

@Suite struct SharedCoreTests {
    private func core() throws -> SharedCore {
        SharedCore(
            SharedState(me: "host/1/a", held: .nothing, timing: SharedTiming(takeover: .seconds(40))),
            SharedValues(seal: try SharedSamples.seal(0), origin: "https://a", keyFile: "k", place: "p"),
            SharedObservations(engine: "etcd", name: "menu")
        )
    }

    /// An engine that says "conflict" for ever is asked at a pace.
    @Test func onlyManyConflictsInARowCostAPause() {
        #expect((0..<8).allSatisfy { SharedCore.pause(afterConflicts: $0) == 0 })
        #expect(SharedCore.pause(afterConflicts: 8) == 10_000_000)
        #expect(SharedCore.pause(afterConflicts: 64) == 1_280_000_000)
    }

    /// An engine that answers no write may have written it: it is asked again at a pace from the first time on.
    @Test func aWriteWithoutAnAnswerCostsAPause() throws {
        var core = try core()
        let failure = SharedStoreFailure(.unavailable, "status 500")
        core.machine.phase = .reading
        for count in 8..<11 {
            _ = core.swapped(.unclear(failure), now: 0)
            #expect(core.conflicts == count)
        }
        #expect(SharedCore.pause(afterConflicts: core.conflicts) == 40_000_000)
    }

    /// A machine that is later than the others at each rotation is not later for that.
    @Test func whatIsOverCostsNoPause() throws {
        var core = try core()
        core.conflicts = 20
        _ = core.settled([], 0)
        #expect(core.conflicts == 0)
    }

    /// A command that ends is no trouble of the engine's.
    @Test func theEndOfThisProcessIsNoNews() throws {
        var core = try core()
        _ = core.begin(now: 0)
        let effects = core.read(.failure(.stopped), now: 1) + core.swapped(.failed(.stopped), now: 2)
        #expect(!effects.contains { if case .tell = $0 { true } else { false } })
        #expect(core.hasAsked)
        #expect(!SharedStoreFailure.stopped.words.contains("start it again"))
    }
}
