import Platform
public import SharedSession
import Threads

/// Collects what a store tells, for a thread that waits.
final class Heard<Element: Sendable>: Sendable {
    private let elements = Guarded<[Element]>([])

    var all: [Element] { elements.with { $0 } }

    func append(_ element: Element) { elements.with { $0.append(element) } }

    /// What was told as soon as `condition` is true of it, or after `seconds`.
    func wait(_ seconds: Double = 10, until condition: ([Element]) -> Bool) -> [Element] {
        let end = MonotonicClock.now() + UInt64(seconds * 1e9)
        while !condition(all), MonotonicClock.now() < end { usleep(2_000) }
        return all
    }
}

extension SharedStore {
    /// Waits for the answer.
    func get() -> Result<StoredValue?, SharedStoreFailure> {
        let latch = Latch<Result<StoredValue?, SharedStoreFailure>>()
        get { latch.set($0) }
        return latch.wait()
    }

    func swap(expecting: StoredValue?, with text: String) -> SwapOutcome {
        let latch = Latch<SwapOutcome>()
        swap(expecting: expecting, with: Array(text.utf8)) { latch.set($0) }
        return latch.wait()
    }
}

extension ManagedStore {
    func remove(_ value: StoredValue) -> SwapOutcome {
        let latch = Latch<SwapOutcome>()
        remove(expecting: value) { latch.set($0) }
        return latch.wait()
    }
}

/// Tests write etcd's revisions as numbers.
extension StoreRevision: ExpressibleByIntegerLiteral {
    public init(integerLiteral value: Int64) { self.init(String(value)) }
}
