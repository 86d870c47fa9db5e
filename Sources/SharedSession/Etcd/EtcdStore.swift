import Threads

/// etcd v3, by its JSON gateway.
///
/// Each call has a connection of its own, which tells a write that was not sent from one that may have been. Calls are
/// made one after another.
///
/// *Threading*: see `SharedStore`. `done` runs on the thread of the calls, `tell` on that of the watch.
public final class EtcdStore: ManagedStore {
    /// When the system starts no thread for the watch, it is asked again after that.
    private static let threadRetry: Int64 = 5_000_000_000

    private let client: EtcdClient
    private let calls = WorkThread(name: "etcd")
    private let watching = Guarded(Watching.no)

    private enum Watching: Sendable {
        case no
        case running(StoppableThread)
        case stopped
    }

    /// Nil without an endpoint. `observe` hears of what people may want to know, on threads of the store.
    public init?(_ options: EtcdOptions, observe: @escaping @Sendable (EtcdNotice) -> Void = { _ in }) {
        guard let client = EtcdClient(options, observe: observe) else { return nil }
        self.client = client
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

    public var member: String? { client.member }

    public func remove(expecting: StoredValue, _ done: @escaping @Sendable (SwapOutcome) -> Void) {
        let client = client
        guard !calls.execute({ done(client.remove(expecting: expecting)) }) else { return }
        done(.failed(.stopped))
    }

    public func watch(_ tell: @escaping @Sendable (SharedStoreNews) -> Void) {
        let (client, calls) = (client, calls)
        let hasThread = watching.with { watching in
            guard case .no = watching else { return true }
            let thread = StoppableThread(name: "etcd-watch") { EtcdWatch(client, calls, tell).run($0) }
            guard let thread else { return false }
            watching = .running(thread)
            return true
        }
        guard !hasThread else { return }
        calls.executeLater(Self.threadRetry) { [weak self] in self?.watch(tell) }
    }

    public func stop() {
        client.stop()
        let former = watching.with { watching in
            defer { watching = .stopped }
            return watching
        }
        // A call under way ends with the member that it asks.
        _ = calls.finish(timeout: client.options.patience * 2)
        if case .running(let thread) = former { thread.stop() }
    }
}
