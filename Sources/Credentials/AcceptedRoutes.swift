import Synchronization

/// The routes that accepted the current token, as far as 64 places remember. Every worker records every acceptance
/// here, so it takes no lock.
///
/// *Threading*: any thread. A colliding route displaces an earlier one, but no route is made up, except by a collision
/// of 64-bit hashes.
final class AcceptedRoutes: Sendable {
    private static let count = 64
    private let places = InlineArray<64, Atomic<UInt64>> { _ in Atomic(0) }

    /// `epoch` stands for the token, and changes when all acceptances become void. Writes only new routes, because all
    /// workers read the places.
    @inline(__always)
    func insert(_ route: UInt64, epoch: UInt64) {
        let (index, mark) = Self.place(route, epoch)
        if places[index].load(ordering: .relaxed) != mark { places[index].store(mark, ordering: .relaxed) }
    }

    func contains(_ route: UInt64, epoch: UInt64) -> Bool {
        let (index, mark) = Self.place(route, epoch)
        return places[index].load(ordering: .relaxed) == mark
    }

    @inline(__always)
    private static func place(_ route: UInt64, _ epoch: UInt64) -> (index: Int, mark: UInt64) {
        // The golden ratio spreads the epochs, which are small and consecutive.
        (Int(truncatingIfNeeded: route & UInt64(count - 1)), (route ^ (epoch &* 0x9E37_79B9_7F4A_7C15)) | 1)
    }
}
