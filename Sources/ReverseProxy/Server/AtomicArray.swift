import Synchronization

/// Numbers that one thread writes and any thread reads.
final class AtomicArray: @unchecked Sendable {
    // `@unchecked`: atomics make sharing safe; the storage itself never changes.
    let storage: UnsafeMutablePointer<Atomic<UInt64>>
    private let count: Int

    init(count: Int) {
        self.count = count
        storage = .allocate(capacity: count)
        for index in 0..<count { (storage + index).initialize(to: Atomic(0)) }
    }

    deinit {
        storage.deinitialize(count: count)
        storage.deallocate()
    }

    @inline(__always)
    subscript(index: Int) -> UInt64 { storage[index].load(ordering: .relaxed) }

    @inline(__always)
    func add(_ index: Int, _ amount: UInt64 = 1) {
        // There is one writer, so a load and a store are sufficient.
        storage[index].store(storage[index].load(ordering: .relaxed) &+ amount, ordering: .relaxed)
    }

    @inline(__always)
    func set(_ index: Int, _ value: UInt64) {
        storage[index].store(value, ordering: .relaxed)
    }
}
