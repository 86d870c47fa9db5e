import Credentials
import Threads

/// Where the protocol lays down what the session's thread is to do, in order.
///
/// *Threading*: `put` from the protocol's thread; the rest from the session's.
final class SharedDesk: Sendable {
    enum Item: Sendable {
        /// What another machine did.
        case deed(SharedDeed)
        /// The next step of the change that is under way.
        case step(SharedStep)
        /// The change is over.
        case end(SharedEnding)
    }

    private struct Pile {
        var items: [Item] = []
        var reader = Reader.none
    }

    private enum Reader {
        /// Whoever puts something down must call the session.
        case none
        /// The session's thread makes a change, and comes by itself.
        case changing
        /// The same, and it waits.
        case waiting(Latch<Void>)
    }

    private let pile = Guarded(Pile())

    /// True if the session must be called.
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

    /// True if something is left that the session must be called for.
    func endChange() -> Bool {
        pile.with { pile in
            pile.reader = .none
            return !pile.items.isEmpty
        }
    }

    /// Waits for the next item. Between `beginChange` and `endChange`.
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

    /// The next item that needs no change; nil if there is none, or a change is under way that comes to it.
    func takeDeed() -> SharedDeed? {
        pile.with { pile in
            guard case .none = pile.reader else { return nil }
            while !pile.items.isEmpty {
                // What belongs to a change that is over is nobody's.
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
