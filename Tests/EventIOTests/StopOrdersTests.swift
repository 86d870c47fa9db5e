import EventIO
import Testing

@Suite struct StopOrdersTests {
    private static let start: UInt64 = 7_000_000_000

    /// timeout(1) sends two within microseconds; a person takes longer.
    @Test(arguments: [(0, false), (20_000, false), (499_999_999, false), (500_000_000, true), (60_000_000_000, true)])
    func secondOrderHurriesOnlyAfterAWhile(_ later: UInt64, _ hurries: Bool) {
        var orders = StopOrders()
        orders.begin(at: Self.start)
        #expect(orders.isHurry(at: Self.start + later) == hurries)
    }

    /// The first order counts, however often it is repeated.
    @Test func echoesDoNotPutTheHurryOff() {
        var orders = StopOrders()
        for step in 0..<10 { orders.begin(at: Self.start + UInt64(step) * 100_000_000) }
        #expect(orders.isHurry(at: Self.start + StopOrders.echoTime))
        #expect(!StopOrders().isHurry(at: Self.start))
        #expect(!orders.isHurry(at: Self.start - 1))
    }
}
