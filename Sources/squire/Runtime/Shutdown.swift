import Synchronization

enum Shutdown {
    /// Drains all; `completion` comes when the last is done.
    static func drain(_ services: [ProxyService], _ completion: @escaping @Sendable () -> Void) {
        let remaining = Remaining(services.count)
        for service in services {
            service.drain { if remaining.isLast() { completion() } }
        }
    }

    private final class Remaining: Sendable {
        private let count: Atomic<Int>

        init(_ count: Int) {
            self.count = Atomic(count)
        }

        func isLast() -> Bool { count.subtract(1, ordering: .acquiringAndReleasing).newValue == 0 }
    }
}
