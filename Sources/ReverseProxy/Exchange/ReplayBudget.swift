/// Limits the memory and disk used by request bodies that are kept for a replay; each worker has an equal share. A body
/// that gets no share is forwarded all the same, but cannot be replayed.
///
/// *Threading*: belongs to one loop.
public final class ReplayBudget {
    public struct Amount: Sendable {
        /// Bytes in memory.
        public var memory: Int
        /// Bytes in temporary files.
        public var file: Int

        public init(memory: Int, file: Int) {
            self.memory = memory
            self.file = file
        }
    }

    /// The limit for the whole process.
    public static let whole = Amount(memory: 64 << 20, file: 1 << 30)

    private(set) var left: Amount

    public init(_ amount: Amount) {
        left = amount
    }

    public convenience init(workers: Int) {
        self.init(Amount(memory: Self.whole.memory / workers, file: Self.whole.file / workers))
    }

    func take(_ kind: WritableKeyPath<Amount, Int>, _ bytes: Int) -> Bool {
        guard bytes <= left[keyPath: kind] else { return false }
        left[keyPath: kind] -= bytes
        return true
    }

    func give(_ kind: WritableKeyPath<Amount, Int>, _ bytes: Int) {
        left[keyPath: kind] += bytes
    }
}
