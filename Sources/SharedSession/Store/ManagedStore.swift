/// A store with the operations that a person needs besides the protocol's three calls.
public protocol ManagedStore: SharedStore {
    /// The server that answered last. Nil before the first answer, and for an engine that is one server.
    var member: String? { get }

    /// Deletes the value if it is still `expecting`, in its revision and all its octets. This is not a logout: each
    /// machine puts back the session that it holds.
    func remove(expecting: StoredValue, _ done: @escaping @Sendable (SwapOutcome) -> Void)
}
