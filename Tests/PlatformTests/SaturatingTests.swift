import Platform
import Testing

@Suite struct SaturatingTests {
    private static let edges: [Int64] = [
        .min, .min + 1, -(1 << 53), -(1 << 31), -2, -1, 0, 1, 2, 1_000, 1_000_000_000, 1 << 31, 1 << 53, .max - 1, .max,
    ]

    @Test(arguments: edges) func resultsAreTheNearestThatFit(_ left: Int64) {
        for right in Self.edges {
            let (wideLeft, wideRight) = (Int128(left), Int128(right))
            let nearest = { (exact: Int128) in Int64(min(max(exact, Int128(Int64.min)), Int128(Int64.max))) }
            #expect(left.adding(saturating: right) == nearest(wideLeft + wideRight))
            #expect(left.subtracting(saturating: right) == nearest(wideLeft - wideRight))
            #expect(left.multiplied(saturating: right) == nearest(wideLeft * wideRight))
        }
    }

    @Test func unsignedResultsStayUnsigned() {
        #expect(UInt64(3).subtracting(saturating: 5) == 0)
        #expect(UInt64.max.adding(saturating: 1) == .max)
        #expect(UInt64.max.multiplied(saturating: 2) == .max)
    }

    @Test(
        arguments: [
            (.zero, 0, 0), (.nanoseconds(1), 1, 1), (.milliseconds(1500), 1_500_000_000, 1500),
            (.seconds(Int64.max), .max, .max), (.seconds(Int64.min), .min, .min),
            (.milliseconds(Int64.max), .max, .max),
            (.seconds(9_223_372_036), 9_223_372_036_000_000_000, 9_223_372_036_000),
            (.seconds(-1), -1_000_000_000, -1000),
        ] as [(Duration, Int64, Int64)]
    )
    func durations(_ duration: Duration, _ nanoseconds: Int64, _ milliseconds: Int64) {
        #expect(duration.wholeNanoseconds == nanoseconds)
        #expect(duration.wholeMilliseconds == milliseconds)
    }
}
