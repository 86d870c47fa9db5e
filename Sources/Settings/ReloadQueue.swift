/// Wishes to have the configuration read again. One reading at a time, and each wish is granted by one that began after
/// it: what is read while it comes may be older than what it is about.
///
/// It is idle, or reads for some wishes, while more may come for the next reading; in the end it has closed. Pure.
public struct ReloadQueue<Wish> {
    private enum State {
        case idle
        case reading(granted: [Wish], next: [Wish])
        case closed
    }

    private var state = State.idle

    /// Wishes that wait for one reading.
    public static var maximum: Int { 64 }

    public init() {}

    /// What becomes of a wish.
    public enum Answer: Equatable, Sendable {
        /// Read now.
        case read
        /// It is kept for the next reading.
        case wait
        /// The next reading will grant it, too, but it is not told: so many wait for that.
        case tooMany
        case closed
    }

    public mutating func add(_ wish: Wish) -> Answer {
        switch state {
        case .idle:
            state = .reading(granted: [wish], next: [])
            return .read
        case .reading(_, let next) where next.count >= Self.maximum: return .tooMany
        case .reading(let granted, let next):
            state = .reading(granted: granted, next: next + [wish])
            return .wait
        case .closed: return .closed
        }
    }

    /// The reading has ended. Gives the wishes to answer, and whether to read again at once.
    public mutating func ended() -> (granted: [Wish], readsAgain: Bool) {
        switch state {
        case .reading(let granted, let next) where next.isEmpty:
            state = .idle
            return (granted, false)
        case .reading(let granted, let next):
            state = .reading(granted: next, next: [])
            return (granted, true)
        // Closed while it was on its way: who wished was told then.
        case .idle, .closed: return ([], false)
        }
    }

    /// No more is read. Gives those that wait still.
    public mutating func close() -> [Wish] {
        defer { state = .closed }
        guard case .reading(let granted, let next) = state else { return [] }
        return granted + next
    }
}
