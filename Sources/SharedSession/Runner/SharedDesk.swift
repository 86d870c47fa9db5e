import Credentials
import Threads

/// The queue from the protocol's thread to the session's thread.
///
/// *Threading*: `put` on the protocol's thread, everything else on the session's.
final class SharedDesk: Sendable {
    enum Item: Sendable {
        /// A deed of another machine.
        case deed(SharedDeed)
        /// The next step of the change in progress.
        case step(SharedStep)
        /// The end of the change.
        case end(SharedEnding)
    }

    private struct Pile {
        var items: [Item] = []
        var reader = Reader.none
    }

    private enum Reader {
        /// Nobody reads. Whoever adds an item must call the session.
        case none
        /// The session's thread makes a change, and will take the item by itself.
        case changing
        /// The same, and it is waiting for an item.
        case waiting(Latch<Void>)
    }

    private let pile = Guarded(Pile())

    /// Adds an item. Returns true if the session must be called.
    func put(_ item: Item) -> Bool {
        pile.with { pile in
            pile.items.append(item)
            switch pile.reader {
            case .none: return true
            case .changing: return false
            case .waiting(let latch):
                pile.reader = .changing
                latch.set(())
                return false
            }
        }
    }

    func beginChange() {
        pile.with { $0.reader = .changing }
    }

    /// Returns true if items are left for which the session must be called.
    func endChange() -> Bool {
        pile.with { pile in
            pile.reader = .none
            return !pile.items.isEmpty
        }
    }

    /// Waits for the next item. Call between `beginChange` and `endChange`.
    func take() -> Item {
        while true {
            let latch = Latch<Void>()
            let item: Item? = pile.with { pile in
                guard pile.items.isEmpty else { return pile.items.removeFirst() }
                pile.reader = .waiting(latch)
                return nil
            }
            if let item { return item }
            latch.wait()
        }
    }

    /// The next deed outside a change. Nil if there is none, or if a change in progress will take it.
    func takeDeed() -> SharedDeed? {
        pile.with { pile in
            guard case .none = pile.reader else { return nil }
            while !pile.items.isEmpty {
                // Steps of a change that has ended have no receiver.
                if case .deed(let deed) = pile.items.removeFirst() { return deed }
            }
            return nil
        }
    }
}

/// A step of a change: see `SharedSteps`.
enum SharedStep: Sendable {
    case prepare
    case send(after: SharedDoubt)
    case save(SharedIdentity, over: SessionRecord?)
    case forget(SharedIdentity, SharedMark)
}
