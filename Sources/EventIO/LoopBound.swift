/// A value that is used on one loop only, in a box that any thread may hold.
///
/// Every access is checked in debug builds. *Threading*: create and release it on any thread; use it on the loop. A
/// value that is still in the box at its release is released on the loop, or where the last reference went if the loop
/// has ended.
public final class LoopBound<Value>: Sendable {
    private let loop: EventLoop
    private let storage: Storage

    private final class Storage: @unchecked Sendable {
        // `@unchecked`: `value` is only reached through `LoopBound.value`, which checks the loop, and by its `deinit`.
        /// Nil once the box has gone.
        var value: Value?

        init(_ value: Value) {
            self.value = value
        }
    }

    /// Nobody else may hold a reference to `value`.
    public init(_ value: sending Value, loop: EventLoop) {
        self.loop = loop
        storage = Storage(value)
    }

    deinit {
        loop.execute { [storage] in storage.value = nil }
    }

    /// Call on the loop.
    public var value: Value {
        get {
            assertIsOnLoop()
            return storage.value!
        }
        _modify {
            assertIsOnLoop()
            yield &storage.value!
        }
    }

    private func assertIsOnLoop() {
        assert(loop.isCurrent, "a value of an event loop is used on another thread")
    }
}
