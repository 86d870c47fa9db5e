import Threads

@testable import SharedSession

/// An engine in memory that many stores reach, each by a link of its own that can be cut.
final class MemoryEngine: Sendable {
    private struct State {
        var value: StoredValue?
        var revision: Int64 = 0
        var stores: [MemoryStore] = []
        var writes = 0
        var refusal: SharedStoreFailure?
        var meanwhile: (@Sendable () -> Void)?
    }

    private let state = Guarded(State())

    func store() -> MemoryStore {
        let store = MemoryStore(self)
        state.with { $0.stores.append(store) }
        return store
    }

    var value: StoredValue? { state.with { $0.value } }
    var writes: Int { state.with { $0.writes } }

    /// From now on it is read, and refuses what is written; or no more.
    func refuseWrites(_ refusal: SharedStoreFailure?) { state.with { $0.refusal = refusal } }

    /// Done once, with the next write.
    func atNextWrite(_ body: @escaping @Sendable () -> Void) { state.with { $0.meanwhile = body } }

    fileprivate func swap(_ expecting: StoredValue?, _ bytes: [UInt8]) -> SwapOutcome {
        state.with { state in
            defer { state.meanwhile = nil }
            return state.meanwhile
        }?()
        let (outcome, stores) = state.with { state -> (SwapOutcome, [MemoryStore]) in
            if let refusal = state.refusal { return (.failed(refusal), []) }
            guard state.value == expecting else { return (.conflict(state.value), []) }
            state.revision += 1
            state.writes += 1
            state.value = StoredValue(bytes: bytes, revision: StoreRevision("\(state.revision)"))
            return (.written(revision: StoreRevision("\(state.revision)")), state.stores)
        }
        for store in stores { store.hear() }
        return outcome
    }

    /// Somebody empties it, or restores what it had.
    func put(_ value: StoredValue?) {
        let stores = state.with { state in
            state.value = value
            return state.stores
        }
        for store in stores { store.hear() }
    }
}

final class MemoryStore: SharedStore {
    private enum Link { case open, cut, stopped }

    /// What becomes of the next write whose answer is lost.
    enum Fate { case written, dropped }

    private struct State {
        var link = Link.open
        var fate: Fate?
        var isCutByLoss = false
        var tell: (@Sendable (SharedStoreNews) -> Void)?
    }

    private let engine: MemoryEngine
    private let state = Guarded(State())
    private let thread = WorkThread(name: "memory-store")

    fileprivate init(_ engine: MemoryEngine) {
        self.engine = engine
    }

    private static let noLink = SharedStoreFailure(.unreachable, "the link is cut")

    private var isOpen: Bool { state.with { $0.link == .open } }

    func cut() {
        let tell = state.with { state in
            state.link = .cut
            return state.tell
        }
        _ = thread.execute { tell?(.lost(Self.noLink)) }
    }

    func mend() {
        let tell = state.with { state in
            state.link = .open
            return state.tell
        }
        _ = thread.execute { [self] in
            tell?(.connected)
            tell?(.changed(engine.value))
        }
    }

    var misconfiguration: SharedStoreFailure? { nil }

    /// The answer to the next write is lost.
    func loseAnswer(_ fate: Fate) { state.with { $0.fate = fate } }

    /// The link is cut with that answer.
    func cutAfterLoss() { state.with { $0.isCutByLoss = true } }

    private func write(_ expecting: StoredValue?, _ bytes: [UInt8]) -> SwapOutcome {
        guard isOpen else { return .failed(Self.noLink) }
        let fate = state.with { state in
            defer { state.fate = nil }
            return state.fate
        }
        guard let fate else { return engine.swap(expecting, bytes) }
        if fate == .written { _ = engine.swap(expecting, bytes) }
        if state.with({ $0.isCutByLoss }) { cut() }
        return .unclear(Self.noLink)
    }

    fileprivate func hear() {
        guard isOpen, let tell = state.with({ $0.tell }) else { return }
        _ = thread.execute { [self] in tell(.changed(engine.value)) }
    }

    func get(_ done: @escaping @Sendable (Result<StoredValue?, SharedStoreFailure>) -> Void) {
        let isTaken = thread.execute { [self] in
            done(isOpen ? .success(engine.value) : .failure(Self.noLink))
        }
        if !isTaken { done(.failure(.stopped)) }
    }

    func swap(
        expecting: StoredValue?,
        with bytes: [UInt8],
        _ done: @escaping @Sendable (SwapOutcome) -> Void
    ) {
        let isTaken = thread.execute { [self] in
            done(write(expecting, bytes))
        }
        if !isTaken { done(.failed(.stopped)) }
    }

    func watch(_ tell: @escaping @Sendable (SharedStoreNews) -> Void) {
        state.with { $0.tell = tell }
        if isOpen { mend() }
    }

    func stop() {
        state.with { $0 = State(link: .stopped, tell: nil) }
        _ = thread.finish(timeout: .seconds(5))
    }
}
