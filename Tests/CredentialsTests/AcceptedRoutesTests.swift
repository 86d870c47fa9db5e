import Testing

@testable import Credentials

@Suite struct AcceptedRoutesTests {
    @Test func nothingIsThereThatWasNotInserted() {
        let routes = AcceptedRoutes()
        for route: UInt64 in [0, 1, 63, 64, .max] { #expect(!routes.contains(route, epoch: 0)) }
        routes.insert(7, epoch: 1)
        #expect(routes.contains(7, epoch: 1))
        for route: UInt64 in (0...200).filter({ $0 != 7 }) { #expect(!routes.contains(route, epoch: 1)) }
    }

    /// Another token, or the same one after it died: earlier acceptances prove nothing.
    @Test func anotherEpochForgets() {
        let routes = AcceptedRoutes()
        routes.insert(7, epoch: 1 << 16)
        for epoch: UInt64 in [0, 1, 1 << 16 | 1, 2 << 16, .max] { #expect(!routes.contains(7, epoch: epoch)) }
    }

    @Test func aCollidingRouteDisplacesTheEarlierOne() {
        let routes = AcceptedRoutes()
        routes.insert(3, epoch: 1)
        routes.insert(3 + 64, epoch: 1)
        #expect(!routes.contains(3, epoch: 1) && routes.contains(3 + 64, epoch: 1))
    }
}
