import Credentials

/// The engine through which many machines share one session. It keeps one value, writes it only by compare-and-swap,
/// and reports changes.
///
/// *Threading*: call from any thread. `done` and `report` run on the store's threads, each `done` exactly once, and must
/// not block.
public protocol SharedStore: Sendable {
    /// Reads the latest value, never a stale one. Nil if the key is absent.
    func get(_ done: @escaping @Sendable (Result<StoredValue?, SharedStoreFailure>) -> Void)

    /// Writes `bytes` if the value is still `expecting`, in its revision and all its octets. Nil means that the key
    /// must be absent.
    func swap(
        expecting: StoredValue?,
        with bytes: [UInt8],
        _ done: @escaping @Sendable (SwapOutcome) -> Void
    )

    /// Asks whether the engine accepts writes. `value`, which it has, does not change. `conflict` says that it does.
    func probe(_ value: StoredValue, _ done: @escaping @Sendable (SwapOutcome) -> Void)

    /// Reports the value and its changes, in order and from one thread, until `stop`. Call once.
    func watch(_ report: @escaping @Sendable (SharedStoreNews) -> Void)

    /// A part of the configuration that cannot work although the store does; nil if none is known.
    var misconfiguration: SharedStoreFailure? { get }

    /// Ends the watch and waits a few seconds at most for calls in progress. Later calls fail with `stopped`.
    func stop()
}

extension SharedStore {
    /// Expects a value that never existed.
    public func probe(_ value: StoredValue, _ done: @escaping @Sendable (SwapOutcome) -> Void) {
        swap(expecting: .neverStored(value.revision), with: value.bytes, done)
    }
}

/// A value that the engine keeps.
public struct StoredValue: Equatable, Sendable {
    public var bytes: [UInt8]
    /// Identifies the write that stored it.
    public var revision: StoreRevision

    public init(bytes: [UInt8], revision: StoreRevision) {
        self.bytes = bytes
        self.revision = revision
    }

    /// A value that no engine has ever stored. A swap that expects it writes nothing, but reports whether the engine
    /// accepts writes.
    public static func neverStored(_ revision: StoreRevision) -> StoredValue {
        StoredValue(bytes: Array("\(SharedID.random())".utf8), revision: revision)
    }
}

/// Identifies the write that stored a value, as the engine spells it. For display, and to compare for equality.
/// Revisions have no order, and an engine that was restored may reuse one.
public struct StoreRevision: Hashable, Sendable, CustomStringConvertible {
    public let description: String

    public init(_ description: String) {
        self.description = description
    }
}

/// The outcome of a write.
public enum SwapOutcome: Equatable, Sendable {
    case written(revision: StoreRevision)
    /// Nothing was written, because the engine has this value.
    case conflict(StoredValue?)
    /// The value may have been written, or may still be. Only a read can tell.
    case unclear(SharedStoreFailure)
    /// Nothing was written, and nothing will be.
    case failed(SharedStoreFailure)
}

/// A report of the watch.
public enum SharedStoreNews: Equatable, Sendable {
    /// The engine was read: from now on silence means that nothing changes. `changed` follows if the value is new.
    case connected
    case changed(StoredValue?)
    /// The engine cannot be read. Silence means nothing until `connected`.
    case lost(SharedStoreFailure)
}
