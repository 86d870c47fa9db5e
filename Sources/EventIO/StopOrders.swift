/// Tells a second order to stop from an echo of the first: timeout(1) signals a process and then its whole group, and a
/// service manager may signal both, too. Pure: the caller says what time it is, in monotonic nanoseconds.
public struct StopOrders: Sendable {
    /// For so long after the first order another one is its echo, in nanoseconds.
    public static let echoTime: UInt64 = 500_000_000

    private var first: UInt64?

    public init() {}

    /// The end begins, whoever ordered it.
    public mutating func begin(at now: UInt64) {
        first = first ?? now
    }

    /// Whether an order that comes now, after the end began, says to hurry.
    public func isHurry(at now: UInt64) -> Bool {
        guard let first, now >= first else { return false }
        return now - first >= Self.echoTime
    }
}
