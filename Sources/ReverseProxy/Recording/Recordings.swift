import Synchronization
import Threads

/// The recordings of all workers' exchanges: the workers write, the inspector reads.
///
/// *Threading*: call `drain` on the inspector's thread only; everything else on any thread.
public final class Recordings: Sendable {
    /// Which exchanges are recorded.
    public enum Mode: String, Sendable, CaseIterable {
        /// All of them at a person's pace; at higher rates those that went wrong.
        case auto
        case all
        /// Only exchanges that went wrong.
        case failures
        case off
    }

    /// The exchanges that have ended since the process began, each counted once.
    public struct Counts: Sendable, Equatable {
        /// Recorded or not.
        public var ended: UInt64 { recorded &+ rate &+ slab &+ paused &+ off }
        /// Recorded, though possibly not completely. An exchange whose beginning did not fit counts under `slab`.
        public var recorded: UInt64 = 0
        /// Not recorded, by reason.
        public var rate: UInt64 = 0
        public var slab: UInt64 = 0
        public var paused: UInt64 = 0
        public var off: UInt64 = 0
    }

    /// The settings that workers read at the beginning of each exchange.
    struct Policy: Sendable, Equatable {
        var mode: Mode
        var isPaused = false
        var hasViewers = false

        fileprivate var bits: UInt32 {
            let mode: UInt32 =
                switch mode {
                case .auto: 0
                case .all: 1
                case .failures: 2
                case .off: 3
                }
            return mode | (isPaused ? 4 : 0) | (hasViewers ? 8 : 0)
        }

        @inline(__always)
        fileprivate init(bits: UInt32) {
            mode =
                switch bits & 3 {
                case 0: .auto
                case 1: .all
                case 2: .failures
                default: .off
                }
            isPaused = bits & 4 != 0
            hasViewers = bits & 8 != 0
        }

        fileprivate init(mode: Mode) {
            self.mode = mode
        }
    }

    /// One worker's part.
    final class Lane: Sendable {
        let ring: RecordingRing
        /// The prefix of the worker's exchanges, unique among workers.
        let prefix: UInt16
        /// Written by the worker.
        let numbers = AtomicArray(count: Number.count)
        var gate: RecordingGate { RecordingGate(numbers) }

        fileprivate init(prefix: UInt16, capacity: Int) {
            self.prefix = prefix
            ring = RecordingRing(capacity: capacity)
        }
    }

    /// A worker's words: its counts, and its settings.
    enum Number: Int, CaseIterable {
        case recorded, rate, slab, paused, off
        /// The number of the last exchange.
        case last
        /// See `RecordingGate`.
        case closed, news

        static var count: Int { allCases.count }
    }

    /// Calls the reader. A struct, because a bare closure is wrapped whenever it is passed on, which allocates.
    private struct WakeUp: Sendable {
        let call: @Sendable () -> Void
    }

    private let lanes: [Lane]
    private let policyBits: Atomic<UInt32>
    /// Serialises changes of `policyBits`.
    private let policyLock: Guarded<Policy>
    private let bodyBytes: Atomic<Int>
    private let wakeUp = Guarded<WakeUp?>(nil)
    /// The inspector was woken, and has not responded yet.
    private let isWaking = Atomic<Bool>(false)
    /// The lane where the next `drain` begins, so that no worker is always last.
    private let nextLane = Atomic<Int>(0)

    /// The capacity for a worker that keeps `bodyLimit` bytes of each body.
    private static func capacity(_ bodyLimit: Int) -> Int {
        max(2 * 1024 * 1024, 8 * min(bodyLimit, 1024 * 1024))
    }

    /// `workers` is zero for a proxy without an inspector: nothing is recorded.
    public init(workers: Int, mode: Mode = .auto, bodyLimit: Int = 64 * 1024) {
        bodyBytes = Atomic(bodyLimit)
        policyBits = Atomic(Policy(mode: mode).bits)
        policyLock = Guarded(Policy(mode: mode))
        lanes = ExchangeID.prefixes(workers).map { Lane(prefix: $0, capacity: Self.capacity(bodyLimit)) }
    }

    // MARK: The inspector's side

    /// How many bytes of each body are recorded.
    public var bodyLimit: Int { bodyBytes.load(ordering: .relaxed) }

    /// Sets which exchanges are recorded from now on.
    public func set(mode: Mode) { change { $0.mode = mode } }
    public func set(isPaused: Bool) { change { $0.isPaused = isPaused } }
    /// Sets the number of viewers: if there is one, the inspector is woken soon.
    public func set(viewers: Int) { change { $0.hasViewers = viewers > 0 } }
    /// The mode that was set last.
    public var mode: Mode { policy.mode }
    public var isPaused: Bool { policy.isPaused }
    public func set(bodyLimit: Int) { bodyBytes.store(bodyLimit, ordering: .relaxed) }

    private func change(_ body: (inout Policy) -> Void) {
        policyLock.with {
            body(&$0)
            policyBits.store($0.bits, ordering: .sequentiallyConsistent)
            // Opens the gates last: a worker that closes its gate meanwhile reads the bits again.
            for lane in lanes { lane.gate.open() }
        }
    }

    /// Sets a function that is called on a worker's thread when there are records: soon if there is a viewer, otherwise
    /// when a quarter of the room is used. It must neither block nor allocate, and is not called again before
    /// `heard()`, so that a slow reader is not woken repeatedly.
    public func onNews(_ wake: @escaping @Sendable () -> Void) {
        wakeUp.with { $0 = WakeUp(call: wake) }
        heard()
    }

    /// The reader responds to the call.
    public func heard() { isWaking.store(false, ordering: .sequentiallyConsistent) }

    /// Passes recorded events to `body`, in each worker's order, and wipes them; at most `limit` events, plus those
    /// that belong together. True if there are more.
    public func drain(limit: Int, _ body: (RecordedEvent) -> Void) -> Bool {
        guard !lanes.isEmpty else { return false }
        let first = nextLane.load(ordering: .relaxed)
        var left = limit
        for offset in lanes.indices {
            let index = (first + offset) % lanes.count
            let lane = lanes[index]
            while left > 0, lane.ring.read({ $0.decode(prefix: lane.prefix, body) }) { left -= 1 }
            if left == 0 {
                nextLane.store((index + 1) % lanes.count, ordering: .relaxed)
                break
            }
        }
        return lanes.contains { $0.ring.hasRecords }
    }

    public var counts: Counts {
        lanes.reduce(into: Counts()) { counts, lane in
            counts.recorded += lane.numbers[Number.recorded.rawValue]
            counts.rate += lane.numbers[Number.rate.rawValue]
            counts.slab += lane.numbers[Number.slab.rawValue]
            counts.paused += lane.numbers[Number.paused.rawValue]
            counts.off += lane.numbers[Number.off.rawValue]
        }
    }

    /// Whether this run has given the identifier to an exchange.
    public func hasGiven(_ id: ExchangeID) -> Bool {
        lanes.contains { $0.prefix == id.prefix && id.number > 0 && id.number <= $0.numbers[Number.last.rawValue] }
    }

    // MARK: The workers' side

    /// Nil for a worker that there is no room for.
    func lane(_ index: Int) -> Lane? {
        lanes.indices.contains(index) ? lanes[index] : nil
    }

    @inline(__always)
    var policy: Policy { Policy(bits: policyBits.load(ordering: .sequentiallyConsistent)) }

    /// Called rarely.
    func wake() {
        guard !isWaking.exchange(true, ordering: .sequentiallyConsistent) else { return }
        wakeUp.with { $0 }?.call()
    }
}
