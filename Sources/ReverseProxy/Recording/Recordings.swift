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

    /// What became of the exchanges that ended.
    public struct Counts: Sendable, Equatable {
        /// Ended since the process began, recorded or not.
        public var ended: UInt64 = 0
        public var recorded: UInt64 = 0
        /// Not recorded, by reason.
        public var rate: UInt64 = 0
        public var slab: UInt64 = 0
        public var paused: UInt64 = 0
        public var off: UInt64 = 0
    }

    /// Bytes of each body that are recorded.
    public let bodyLimit: Int

    public init(workers: Int, mode: Mode = .auto, bodyLimit: Int = 64 * 1024) {
        self.bodyLimit = bodyLimit
    }

    // MARK: The inspector's side

    /// What is recorded from now on.
    public func set(mode: Mode) {}
    public func set(isPaused: Bool) {}
    /// How many look: with one, more is recorded, and the inspector is woken soon.
    public func set(viewers: Int) {}

    /// Calls `wake`, on a worker's thread, when there is something to read: soon with a viewer, else when a quarter of
    /// the room is taken. Must not block.
    public func onNews(_ wake: @escaping @Sendable () -> Void) {}

    /// Hands over what was recorded, in each worker's order; at most so many events. True if more is there. What was
    /// handed over is wiped.
    public func drain(limit: Int, _ body: (RecordedEvent) -> Void) -> Bool { false }

    public var counts: Counts { Counts() }

    /// This run has given the identifier to an exchange.
    public func hasGiven(_ id: ExchangeID) -> Bool { false }
}
