import Synchronization
import Threads

/// What is recorded of the exchanges of all workers: the workers write, the inspector reads.
///
/// *Threading*: `drain` from the inspector's thread only; everything else from any.
public final class Recordings: Sendable {
    /// Which exchanges are recorded.
    public enum Mode: String, Sendable, CaseIterable {
        /// All at a person's pace, above it what went wrong.
        case auto
        case all
        /// Only what went wrong.
        case failures
        case off
    }

    /// What became of the exchanges that ended since the process began: each is counted once.
    public struct Counts: Sendable, Equatable {
        /// Recorded or not.
        public var ended: UInt64 { recorded &+ rate &+ slab &+ paused &+ off }
        /// Ended, and recorded, if not in whole: one that there was no room for at first is under `slab`.
        public var recorded: UInt64 = 0
        /// Not recorded, by reason.
        public var rate: UInt64 = 0
        public var slab: UInt64 = 0
        public var paused: UInt64 = 0
        public var off: UInt64 = 0
    }

    /// What workers look at, at the beginning of each exchange.
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

    /// What one worker has of it.
    final class Lane: Sendable {
        let ring: RecordingRing
        /// Of the worker's exchanges; no other worker's.
        let prefix: UInt16
        /// Written by the worker.
        let numbers = AtomicArray(count: Number.count)
        var gate: RecordingGate { RecordingGate(numbers) }

        fileprivate init(prefix: UInt16, capacity: Int) {
            self.prefix = prefix
            ring = RecordingRing(capacity: capacity)
        }
    }

    /// A worker's words: what it counts, and what it looks at.
    enum Number: Int, CaseIterable {
        case recorded, rate, slab, paused, off
        /// The last exchange's.
        case last
        /// See `RecordingGate`.
        case closed, news

        static var count: Int { allCases.count }
    }

    /// What calls the reader. A value of its own: a closure that is handed around by itself is wrapped each time, which
    /// takes memory.
    private struct WakeUp: Sendable {
        let call: @Sendable () -> Void
    }

    private let lanes: [Lane]
    private let policyBits: Atomic<UInt32>
    /// Changes of `policyBits` in their order.
    private let policyLock: Guarded<Policy>
    private let bodyBytes: Atomic<Int>
    private let wakeUp = Guarded<WakeUp?>(nil)
    /// The inspector was woken, and has not heard it yet.
    private let isWaking = Atomic<Bool>(false)
    /// Where the next `drain` begins, so that no worker is always the last.
    private let nextLane = Atomic<Int>(0)

    /// Of a worker that keeps `bodyLimit` of each body.
    private static func capacity(_ bodyLimit: Int) -> Int {
        max(2 * 1024 * 1024, 8 * min(bodyLimit, 1024 * 1024))
    }

    /// `workers` zero is for a proxy without inspector: nothing is recorded.
    public init(workers: Int, mode: Mode = .auto, bodyLimit: Int = 64 * 1024) {
        bodyBytes = Atomic(bodyLimit)
        policyBits = Atomic(Policy(mode: mode).bits)
        policyLock = Guarded(Policy(mode: mode))
        lanes = ExchangeID.prefixes(workers).map { Lane(prefix: $0, capacity: Self.capacity(bodyLimit)) }
    }

    // MARK: The inspector's side

    /// Bytes of each body that are recorded.
    public var bodyLimit: Int { bodyBytes.load(ordering: .relaxed) }

    /// What is recorded from now on.
    public func set(mode: Mode) { change { $0.mode = mode } }
    public func set(isPaused: Bool) { change { $0.isPaused = isPaused } }
    /// How many look: with one, the inspector is woken soon.
    public func set(viewers: Int) { change { $0.hasViewers = viewers > 0 } }
    /// As it was set.
    public var mode: Mode { policy.mode }
    public var isPaused: Bool { policy.isPaused }
    public func set(bodyLimit: Int) { bodyBytes.store(bodyLimit, ordering: .relaxed) }

    private func change(_ body: (inout Policy) -> Void) {
        policyLock.with {
            body(&$0)
            policyBits.store($0.bits, ordering: .sequentiallyConsistent)
            // After it: a worker that closes its gate meanwhile looks at the bits again.
            for lane in lanes { lane.gate.open() }
        }
    }

    /// Calls `wake`, on a worker's thread, when there is something to read: soon with a viewer, else when a quarter of
    /// the room is taken. Must neither block nor allocate. Is not called again before `heard()`: who is slow must not be woken for each
    /// time that it was not there.
    public func onNews(_ wake: @escaping @Sendable () -> Void) {
        wakeUp.with { $0 = WakeUp(call: wake) }
        heard()
    }

    /// What was called for begins now.
    public func heard() { isWaking.store(false, ordering: .sequentiallyConsistent) }

    /// Hands over what was recorded, in each worker's order; at most so many events, but for what belongs together. True
    /// if more is there. What was handed over is wiped.
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

    /// This run has given the identifier to an exchange.
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

    /// Not often.
    func wake() {
        guard !isWaking.exchange(true, ordering: .sequentiallyConsistent) else { return }
        wakeUp.with { $0 }?.call()
    }
}
