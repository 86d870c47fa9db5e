import Testing

@testable import Credentials

@Suite struct BackOffTests {
    private static let second = CredentialState.second

    private func pause(
        _ setback: BackOff.Setback = .unavailable(),
        failures: Int = 0,
        retryAfter: Int? = nil,
        jitter: Double = 1
    ) -> Int64 {
        BackOff.pause(setback, failures: failures, retryAfter: retryAfter, jitter: jitter)
    }

    @Test func itDoublesToAMinuteAndHalfOfItIsRandom() {
        #expect((0...8).map { pause(failures: $0) / Self.second } == [1, 2, 4, 8, 16, 32, 60, 60, 60])
        #expect((0...8).map { pause(failures: $0, jitter: 0) * 2 } == (0...8).map { pause(failures: $0) })
        #expect(pause(failures: .max) == 60 * Self.second)
    }

    @Test(arguments: [(nil, 1), (-5, 1), (0, 1), (30, 30), (3600, 3600), (.max, 3600)] as [(Int?, Int64)])
    func theIssuerIsHeardUpToAnHour(_ asked: Int?, _ seconds: Int64) {
        #expect(pause(retryAfter: asked) == seconds * Self.second)
    }

    @Test func aMistakeWaitsForAPerson() {
        let pauses = (0...4).map { pause(.misconfigured("x"), failures: $0, retryAfter: 1) / Self.second }
        #expect(pauses == [60, 120, 240, 300, 300])
    }

    @Test func whatIsLeftNeverGoesBelowZero() {
        let backOff = BackOff(until: 10 * Self.second, failures: 1, setback: .unreachable)
        #expect(backOff.left(now: 4 * Self.second) == 6 * Self.second)
        #expect(backOff.left(now: .max) == 0 && backOff.left(now: 11 * Self.second) == 0)
        #expect(backOff.failure(now: 0) == .unavailable(retryAfter: 10, isUnreachable: true))
        let told = BackOff(until: 10 * Self.second, failures: 1, setback: .unavailable(because: "so"))
        #expect(told.failure(now: 0) == .unavailable(retryAfter: 10, isUnreachable: false, because: "so"))
    }
}

@Suite struct RefreshPhaseTests {
    private static let backOff = BackOff(until: 5, failures: 3, setback: .unavailable())

    @Test func oneAtATimeAndNoneOfWhatIsRefused() {
        var phase = RefreshPhase.idle
        #expect(phase.begin(replacing: 1, ledBy: 7, .spending) == true)
        #expect(phase.lead?.route == 7 && phase.failures == 0)
        #expect(phase.begin(replacing: 1, ledBy: nil, .spending) == false)
        phase = .refused(explanation: "so")
        #expect(phase.begin(replacing: 1, ledBy: nil, .spending) == false)
    }

    @Test func failuresAreCountedOn() {
        var phase = RefreshPhase.backingOff(Self.backOff)
        #expect(phase.begin(replacing: 1, ledBy: nil, .asking) == true)
        #expect(phase.failures == 3)
        #expect(phase.end(replacing: 1) == 3 && phase == .idle)
    }

    /// Its end is still to come.
    @Test func theEndOfAnotherEndsNothing() {
        var phase = RefreshPhase.inFlight(replacing: 2, failures: 0, ledBy: nil, .spending)
        #expect(phase.end(replacing: 1) == nil)
        #expect(phase.isInFlight)
    }

    /// One that was ended by a publish has nothing more to say, and takes nothing back.
    @Test(arguments: [RefreshPhase.idle, .backingOff(backOff), .refused(explanation: nil)])
    func anEndThatIsLateChangesNothing(_ phase: RefreshPhase) {
        var later = phase
        #expect(later.end(replacing: 1) == 0)
        #expect(later == phase)
    }

    @Test func anotherTokenEndsWhatWasSaidOfTheFormer() {
        for (isSame, expected) in [(true, RefreshPhase.backingOff(Self.backOff)), (false, .idle)] {
            var phase = RefreshPhase.backingOff(Self.backOff)
            phase.publish(isDenied: false, isSameToken: isSame, explanation: nil)
            #expect(phase == expected)
        }
        var phase = RefreshPhase.inFlight(replacing: 1, failures: 4, ledBy: nil, .asking)
        phase.publish(isDenied: false, isSameToken: false, explanation: nil)
        #expect(phase == .inFlight(replacing: 1, failures: 0, ledBy: nil, .asking))
        phase.publish(isDenied: true, isSameToken: true, explanation: "no")
        #expect(phase.explanation == "no")
        phase.publish(isDenied: false, isSameToken: true, explanation: nil)
        #expect(phase == .idle)
    }

    /// What is known here counts more than what a file says.
    @Test func aPauseIsAdoptedWhereNothingIsKnown() {
        for phase in [
            RefreshPhase.inFlight(replacing: 1, failures: 0, ledBy: nil, .asking), .refused(explanation: nil),
        ] {
            var other = phase
            other.adopt(Self.backOff)
            #expect(other == phase)
        }
        var idle = RefreshPhase.idle
        idle.adopt(Self.backOff)
        #expect(idle == .backingOff(Self.backOff))
    }

    @Test func onlyTheReasonThatIsOverEndsAPause() {
        var phase = RefreshPhase.backingOff(Self.backOff)
        phase.endBackOff { $0 == .engine }
        #expect(phase.backOffLeft(now: 0) == 5)
        phase.endBackOff()
        #expect(phase == .idle)
    }
}
