import Testing

@testable import Credentials

/// Routes are numbers.
@Suite struct StormTests {
    private static let second = CredentialState.second

    @Test func oneRouteIsPausedAlone() {
        var storm = Storm()
        #expect(!storm.isOn && !storm.pauses(1, now: 0))
        storm.refreshDidNotHelp(1, now: 0)
        #expect(storm.isOn && storm.pauses(1, now: 0) && !storm.pauses(2, now: 0))
        #expect(!storm.pauses(1, now: storm.until))
    }

    @Test func twoRoutesPauseAll() {
        var storm = Storm()
        storm.refreshDidNotHelp(1, now: 0)
        storm.refreshDidNotHelp(2, now: 0)
        #expect(storm.pauses(3, now: 0))
        storm.accepts(1)
        #expect(storm.pauses(2, now: 0) && !storm.pauses(3, now: 0))
    }

    @Test func pausesDoubleUpToTenMinutes() {
        var (storm, now) = (Storm(), Int64(0))
        let pauses = (0..<7).map { _ in
            storm.refreshDidNotHelp(1, now: now)
            defer { now = storm.until }
            return (storm.until - now) / Self.second
        }
        #expect(pauses == [30, 60, 120, 240, 480, 600, 600])
    }

    /// Requests that were on their way prolong nothing.
    @Test func aPauseIsNotExtendedWhileItLasts() {
        var storm = Storm()
        storm.refreshDidNotHelp(1, now: 0)
        let until = storm.until
        storm.refreshDidNotHelp(1, now: 10 * Self.second)
        #expect(storm.until == until)
    }

    @Test func theLastAcceptanceEndsIt() {
        var storm = Storm()
        storm.refreshDidNotHelp(1, now: 0)
        storm.accepts(2)
        #expect(storm.isOn)
        storm.accepts(1)
        #expect(!storm.isOn && storm.until == .min)
    }

    @Test func noMomentTraps() {
        var storm = Storm()
        for now in [Int64.min, 0, .max] { storm.refreshDidNotHelp(1, now: now) }
        #expect(storm.until == .max)
    }
}
