import HTTP1
import Testing

@Suite struct RetryAfterTests {
    private static let date = "Sun, 06 Nov 1994 08:49:37 GMT"

    @Test(
        arguments: [
            ("120", 120), (" 120\t", 120), ("0", 0), ("007", 7), ("3601", 3600), ("99999999999999999999", 3600),
            ("Sun, 06 Nov 1994 08:49:47 GMT", 10), ("\tSun Nov  6 08:49:47 1994 ", 10),
            ("Sunday, 06-Nov-94 08:49:27 GMT", 0), ("Fri, 31 Dec 9999 23:59:59 GMT", 3600),
        ]
    )
    func numbersAndDatesAreWaits(_ value: String, _ expected: Int) {
        #expect(RetryAfter.seconds(value, date: " \(Self.date)\t", wall: 0) == expected)
        #expect(RetryAfter.seconds(value, date: nil, wall: 784_111_777) == expected)
    }

    @Test(arguments: ["", " \t", "1.5", "-1", "+1", "1 2", "soon", "١"])
    func whatIsNeitherIsNoWait(_ value: String) {
        #expect(RetryAfter.seconds(value, date: Self.date, wall: 0) == nil)
    }

    @Test func withoutAFieldThereIsNoWait() {
        #expect(RetryAfter.seconds(nil, date: Self.date, wall: 0) == nil)
    }

    /// A clock may show anything.
    @Test(arguments: [(Int.min, 3600), (.max, 0)]) func noClockTraps(_ wall: Int, _ expected: Int) {
        #expect(RetryAfter.seconds(Self.date, date: "soon", wall: wall) == expected)
    }
}
