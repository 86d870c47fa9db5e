/// A Secret of a Kubernetes cluster.
///
/// A write is a JSON Patch (RFC 6902) that the API server applies whole or not at all: it tests the Secret's `uid`, its
/// `resourceVersion` and the value in each of its bytes, and replaces the value. So it compares what etcd's transaction
/// compares, also after the cluster was restored from a backup and uses a `resourceVersion` again. Only the making of a
/// Secret is compared by its name alone.
///
/// Each call has a connection of its own, which tells a write that was not sent from one that may have been. Calls are
/// made one after another.
///
/// *Threading*: see `SharedStore`. `done` runs on the thread of the calls, `tell` on that of the watch.
public final class KubernetesStore: ManagedStore {
    private let engine: EngineStore

    /// Nil where the names cannot be those of a namespace and a Secret. `observe` hears of what people may want to know,
    /// on threads of the store.
    public init?(_ options: KubernetesOptions, observe: @escaping @Sendable (KubernetesNotice) -> Void = { _ in }) {
        guard let client = KubernetesClient(options, observe: observe) else { return nil }
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

    /// The Secret stays, without its value: it may be somebody else's, and no right to delete Secrets is needed.
    public func remove(expecting: StoredValue, _ done: @escaping @Sendable (SwapOutcome) -> Void) {
        engine.remove(expecting: expecting, done)
    }

    public func watch(_ tell: @escaping @Sendable (SharedStoreNews) -> Void) { engine.watch(tell) }

    public func stop() { engine.stop() }
}
