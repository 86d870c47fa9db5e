/// What people do by hand to the engine, beside the protocol's three calls.
public protocol ManagedStore: SharedStore {
    /// Which server answered last; nil before, and where the engine is one server.
    var member: String? { get }

    /// Takes the value away where it is still `expecting`, in its revision and each of its bytes. Each machine puts back
    /// what it holds: this is no logout.
    func remove(expecting: StoredValue, _ done: @escaping @Sendable (SwapOutcome) -> Void)
}
