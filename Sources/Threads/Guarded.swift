/// A value that only the holder of its lock can reach.
///
/// The lock and the value are one object, so that no access can forget the lock. One `with` is one event: take every
/// decision, and read every number that it uses, in the same call. Effects (callbacks, files, other locks) belong after
/// it. *Threading*: any thread.
public final class Guarded<Value: Sendable>: @unchecked Sendable {
    // `@unchecked`: `value` is only reached by `with`, which holds `lock`.
    private let lock = Lock()
    private var value: Value

    public init(_ value: Value) {
        self.value = value
    }

    /// Runs `body` while no other thread runs a body on this value. Keep it short, and call nobody's callback in it.
    public func with<Result, Failure: Error>(
        _ body: (inout Value) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try lock.withLock { () throws(Failure) -> Result in try body(&value) }
    }
}
