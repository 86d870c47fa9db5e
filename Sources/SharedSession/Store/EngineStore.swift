import Threads

/// The store of a shared value in either engine. Calls run one after another on one thread, and the watch runs on
/// another. Each call uses a new connection, so that a write that was never sent can be told from one that may have
/// arrived. The initializers describe the engines.
///
/// *Threading*: see `SharedStore`. `done` runs on the calls' thread, `report` on the watch's.
public final class EngineStore: ManagedStore {
    /// When to try again to start the watch, in nanoseconds, if no thread could be created.
    private static let threadRetry: Int64 = 5_000_000_000

    private let client: any StoreClient
    private let calls: WorkThread
    private let watching = Guarded(Watching.no)

    private enum Watching: Sendable {
        case no
        case running(StoppableThread)
        case stopped
    }

    init(_ client: any StoreClient) {
        self.client = client
        calls = WorkThread(name: client.name)
    }

    public func get(_ done: @escaping @Sendable (Result<StoredValue?, SharedStoreFailure>) -> Void) {
        let client = client
        guard !calls.execute({ done(client.read().map(\.value)) }) else { return }
        done(.failure(.stopped))
    }

    public func swap(
        expecting: StoredValue?,
        with bytes: [UInt8],
        _ done: @escaping @Sendable (SwapOutcome) -> Void
    ) {
        let client = client
        guard !calls.execute({ done(client.swap(expecting: expecting, with: bytes)) }) else { return }
        done(.failed(.stopped))
    }

    public func probe(_ value: StoredValue, _ done: @escaping @Sendable (SwapOutcome) -> Void) {
        let client = client
        guard !calls.execute({ done(client.probe(value)) }) else { return }
        done(.failed(.stopped))
    }

    public var member: String? { client.member }

    public var misconfiguration: SharedStoreFailure? { client.misconfiguration }

    public func remove(expecting: StoredValue, _ done: @escaping @Sendable (SwapOutcome) -> Void) {
        let client = client
        guard !calls.execute({ done(client.remove(expecting: expecting)) }) else { return }
        done(.failed(.stopped))
    }

    public func watch(_ report: @escaping @Sendable (SharedStoreNews) -> Void) {
        let (client, calls) = (client, calls)
        let hasThread = watching.with { watching in
            guard case .no = watching else { return true }
            let thread = StoppableThread(name: "\(client.name)-watch") { StoreWatch(client, calls, report).run($0) }
            guard let thread else { return false }
            watching = .running(thread)
            return true
        }
        guard !hasThread else { return }
        calls.executeLater(Self.threadRetry) { [weak self] in self?.watch(report) }
    }

    public func stop() {
        client.stop()
        let former = watching.with { watching in
            defer { watching = .stopped }
            return watching
        }
        // The request of a call in progress has a time limit of its own.
        _ = calls.finish(timeout: client.requestTimeout * 2)
        if case .running(let thread) = former { thread.stop() }
    }
}
