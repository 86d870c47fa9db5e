import Credentials

/// The engine that many machines share one session through: it keeps one value, writes it by comparison only, and tells
/// of changes.
///
/// *Threading*: call from any thread. `done` and `tell` run on threads of the store, each `done` exactly once, and must
/// not wait: hand over to a thread of your own.
public protocol SharedStore: Sendable {
    /// Reads the value, never an old one. Nil where the key is absent.
    func get(_ done: @escaping @Sendable (Result<StoredValue?, SharedStoreFailure>) -> Void)

    /// Writes `bytes` where the value is still `expecting`, in its revision and each of its bytes; nil means that the
    /// key must be absent.
    func swap(
        expecting: StoredValue?,
        with bytes: [UInt8],
        _ done: @escaping @Sendable (SwapOutcome) -> Void
    )

    /// Tells of the value and its changes until `stop`, in order and from one thread. Call once.
    func watch(_ tell: @escaping @Sendable (SharedStoreNews) -> Void)

    /// What is set up in a way that cannot work, while the rest does; nil if nothing is known of it.
    var misconfiguration: SharedStoreFailure? { get }

    /// Ends the watch and waits for what is being done, a few seconds at most. What is asked later fails with `stopped`.
    func stop()
}

/// A value as the engine has it.
public struct StoredValue: Equatable, Sendable {
    public var bytes: [UInt8]
    /// Which write made it.
    public var revision: StoreRevision

    public init(bytes: [UInt8], revision: StoreRevision) {
        self.bytes = bytes
        self.revision = revision
    }

    /// What no engine has: a write that expects it tells whether the engine would write, and writes nothing.
    public static func neverStored(_ revision: StoreRevision) -> StoredValue {
        StoredValue(bytes: Array("\(SharedID.random())".utf8), revision: revision)
    }
}

/// Which write made a value, in the engine's own words: for people, and for nothing but comparing whether it is the
/// same. There is no order, and an engine that was restored may use a revision again.
public struct StoreRevision: Hashable, Sendable, CustomStringConvertible {
    public let description: String

    public init(_ description: String) {
        self.description = description
    }
}

/// What became of a write.
public enum SwapOutcome: Equatable, Sendable {
    case written(revision: StoreRevision)
    /// Nothing was written: this is what the engine has instead.
    case conflict(StoredValue?)
    /// It may have been written, or may be yet. Only reading tells.
    case unclear(SharedStoreFailure)
    /// Nothing was written, nor will be.
    case failed(SharedStoreFailure)
}

/// What a watch tells.
public enum SharedStoreNews: Equatable, Sendable {
    /// The engine was read: from now on silence means that nothing changes. What it has follows unless it was told.
    case connected
    case changed(StoredValue?)
    /// The engine cannot be read: silence means nothing until `connected`.
    case lost(SharedStoreFailure)
}
