/// One worker's counters. Its thread alone writes them, any thread may read them, and the data path needs no locked
/// instruction.
public final class Counters: Sendable {
    public struct Snapshot: Sendable {
        /// By status code.
        public var requests: [Int: UInt64] = [:]
        public var durationBuckets: [UInt64] = Array(repeating: 0, count: Counters.bounds.count + 1)
        public var durationNanoseconds: UInt64 = 0
        public var clientConnections: UInt64 = 0
        public var upstreamConnections: UInt64 = 0
        public var replaysAccepted: UInt64 = 0
        public var replaysRejected: UInt64 = 0
        /// Retries after a dead connection.
        public var resends: UInt64 = 0
        /// Responses of Squire's own, by problem.
        public var refused: [Problem.Code: UInt64] = [:]

        public init() {}
    }

    /// Upper bounds of the histogram's buckets, in seconds.
    public static let bounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]
    private static let codes = Problem.Code.allCases

    private let statuses = AtomicArray(count: 600)
    private let durations = AtomicArray(count: Counters.bounds.count + 1)
    private let refused = AtomicArray(count: Counters.codes.count)
    private let quantities = AtomicArray(count: 6)

    enum Quantity: Int {
        case duration, clients, upstreams, replaysAccepted, replaysRejected, resends
    }

    private static let nanosecondBounds = bounds.map { UInt64($0 * 1e9) }

    func finished(status: Int, nanoseconds: UInt64) {
        statuses.add(max(0, min(status, 599)))
        var bucket = 0
        while bucket < Self.nanosecondBounds.count, nanoseconds > Self.nanosecondBounds[bucket] { bucket += 1 }
        durations.add(bucket)
        quantities.add(Quantity.duration.rawValue, nanoseconds)
    }

    func refused(_ code: Problem.Code) {
        // The list contains every code.
        refused.add(Self.codes.firstIndex(of: code)!)
    }

    func add(_ quantity: Quantity) {
        quantities.add(quantity.rawValue)
    }

    /// The number of open client connections.
    var clients: Int { Int(quantities[Quantity.clients.rawValue]) }

    func set(_ quantity: Quantity, _ value: Int) {
        quantities.set(quantity.rawValue, UInt64(max(0, value)))
    }

    public func snapshot() -> Snapshot {
        var result = Snapshot()
        for status in 0..<600 where statuses[status] > 0 { result.requests[status] = statuses[status] }
        for index in result.durationBuckets.indices { result.durationBuckets[index] = durations[index] }
        for (index, code) in Self.codes.enumerated() where refused[index] > 0 { result.refused[code] = refused[index] }
        result.durationNanoseconds = quantities[Quantity.duration.rawValue]
        result.clientConnections = quantities[Quantity.clients.rawValue]
        result.upstreamConnections = quantities[Quantity.upstreams.rawValue]
        result.replaysAccepted = quantities[Quantity.replaysAccepted.rawValue]
        result.replaysRejected = quantities[Quantity.replaysRejected.rawValue]
        result.resends = quantities[Quantity.resends.rawValue]
        return result
    }
}

extension Counters.Snapshot {
    /// Adds the counts of another worker.
    public mutating func add(_ other: Counters.Snapshot) {
        requests.merge(other.requests, uniquingKeysWith: +)
        refused.merge(other.refused, uniquingKeysWith: +)
        for index in durationBuckets.indices { durationBuckets[index] += other.durationBuckets[index] }
        durationNanoseconds += other.durationNanoseconds
        clientConnections += other.clientConnections
        upstreamConnections += other.upstreamConnections
        replaysAccepted += other.replaysAccepted
        replaysRejected += other.replaysRejected
        resends += other.resends
    }
}
