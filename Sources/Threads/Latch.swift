import Platform

/// A value that one thread sets, once, and that other threads wait for.
@safe public final class Latch<Value: Sendable>: @unchecked Sendable {
    // `@unchecked`: `value` is protected by `mutex`.
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let isSet = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var value: Value?

    public init() {
        unsafe pthread_mutex_init(mutex, nil)
        unsafe pthread_cond_init(isSet, nil)
    }

    deinit {
        unsafe pthread_cond_destroy(isSet)
        unsafe pthread_mutex_destroy(mutex)
        unsafe isSet.deallocate()
        unsafe mutex.deallocate()
    }

    /// Calls `begin` with a function that sets the value, once and on any thread, and waits for it.
    public static func awaiting(_ begin: (_ answer: @escaping @Sendable (Value) -> Void) -> Void) -> Value {
        let latch = Latch()
        begin { latch.set($0) }
        return latch.wait()
    }

    public func set(_ value: Value) {
        unsafe pthread_mutex_lock(mutex)
        if self.value == nil { self.value = value }
        unsafe pthread_cond_broadcast(isSet)
        unsafe pthread_mutex_unlock(mutex)
    }

    public func wait() -> Value {
        unsafe pthread_mutex_lock(mutex)
        defer { unsafe pthread_mutex_unlock(mutex) }
        while true {
            if let value { return value }
            unsafe pthread_cond_wait(isSet, mutex)
        }
    }
}
