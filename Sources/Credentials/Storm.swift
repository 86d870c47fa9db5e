import Platform

/// Routes whose rejections a refresh did not cure. Pure.
///
/// A route that always rejects, such as one of a deleted account, must neither cause a refresh with every request nor
/// keep other routes from refreshing. If there is a second such route, all wait. A route that accepts a token again is
/// removed.
struct Storm: Sendable {
    private var pause: Int64 = 0
    private(set) var until: Int64 = .min
    /// The latest last.
    private var routes: [UInt64] = []
    private static let maximumRoutes = 8
    private static let initialPause = 30 * CredentialState.second
    private static let maximumPause = 600 * CredentialState.second

    /// Some route is paused.
    var isOn: Bool { !routes.isEmpty }

    func pauses(_ route: UInt64, now: Int64) -> Bool {
        !routes.isEmpty && now < until && (routes.count > 1 || routes.contains(route))
    }

    mutating func refreshDidNotHelp(_ route: UInt64, now: Int64) {
        guard !pauses(route, now: now) else { return }
        routes = routes.filter { $0 != route }.suffix(Self.maximumRoutes - 1) + [route]
        pause = pause == 0 ? Self.initialPause : min(pause * 2, Self.maximumPause)
        until = now.adding(saturating: pause)
    }

    mutating func accepts(_ route: UInt64) {
        routes.removeAll { $0 == route }
        if routes.isEmpty { self = Storm() }
    }
}
