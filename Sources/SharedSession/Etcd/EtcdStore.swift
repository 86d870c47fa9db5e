/// etcd v3, by its JSON gateway.
///
/// Each call has a connection of its own, which tells a write that was not sent from one that may have been. Calls are
/// made one after another.
///
/// *Threading*: see `SharedStore`. `done` runs on the thread of the calls, `tell` on that of the watch.
public final class EtcdStore: ManagedStore {
    private let engine: EngineStore

    /// Nil without an endpoint. `observe` hears of what people may want to know, on threads of the store.
    public init?(_ options: EtcdOptions, observe: @escaping @Sendable (EtcdNotice) -> Void = { _ in }) {
        guard let client = EtcdClient(options, observe: observe) else { return nil }
        engine = EngineStore(client)
    }

    public func get(_ done: @escaping @Sendable (Result<StoredValue?, SharedStoreFailure>) -> Void) {
        engine.get(done)
    }

    public func swap(
        expecting: StoredValue?,
        with bytes: [UInt8],
        _ done: @escaping @Sendable (SwapOutcome) -> Void
    ) {
        engine.swap(expecting: expecting, with: bytes, done)
    }

    public var member: String? { engine.member }

    public func remove(expecting: StoredValue, _ done: @escaping @Sendable (SwapOutcome) -> Void) {
        engine.remove(expecting: expecting, done)
    }

    public func watch(_ tell: @escaping @Sendable (SharedStoreNews) -> Void) { engine.watch(tell) }

    public func stop() { engine.stop() }
}
