import Platform

/// A mutual exclusion lock over `pthread_mutex_t`.
///
/// Not `Synchronization.Mutex`: on Linux ThreadSanitizer cannot see its futex and reports the state it guards as raced.
@safe public final class Lock: @unchecked Sendable {
    // `@unchecked`: the mutex is what makes sharing safe.
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)

    public init() {
        unsafe pthread_mutex_init(mutex, nil)
    }

    deinit {
        unsafe pthread_mutex_destroy(mutex)
        unsafe mutex.deallocate()
    }

    /// Runs `body` while no other thread runs a body under this lock. Keep it short; call nobody's callback in it.
    public func withLock<Result, Failure: Error>(_ body: () throws(Failure) -> Result) throws(Failure) -> Result {
        unsafe pthread_mutex_lock(mutex)
        defer { unsafe pthread_mutex_unlock(mutex) }
        return try body()
    }

    /// The same for a `body` that uses up `value`.
    public func withLock<Value: ~Copyable, Result, Failure: Error>(
        _ value: consuming Value,
        _ body: (consuming Value) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        unsafe pthread_mutex_lock(mutex)
        defer { unsafe pthread_mutex_unlock(mutex) }
        return try body(value)
    }
}
