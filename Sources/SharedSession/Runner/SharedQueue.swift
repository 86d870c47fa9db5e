import Credentials
import Threads

/// The queue from the protocol's thread to the session's thread.
///
/// *Threading*: `put` on the protocol's thread, everything else on the session's.
final class SharedQueue: Sendable {
    enum Item: Sendable {
        /// A deed of another machine.
        case deed(SharedDeed)
        /// The next step of the change in progress.
        case step(SharedStep)
        /// The end of the change.
        case end(SharedEnding)
    }

    private struct Contents {
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

    private let contents = Guarded(Contents())

    /// Adds an item. Returns true if the session must be called.
    func put(_ item: Item) -> Bool {
        contents.with { contents in
            contents.items.append(item)
            switch contents.reader {
            case .none: return true
            case .changing: return false
            case .waiting(let latch):
                contents.reader = .changing
                latch.set(())
                return false
            }
        }
    }

    func beginChange() {
        contents.with { $0.reader = .changing }
    }

    /// Returns true if items are left for which the session must be called.
    func endChange() -> Bool {
        contents.with { contents in
            contents.reader = .none
            return !contents.items.isEmpty
        }
    }

    /// Waits for the next item. Call between `beginChange` and `endChange`.
    func take() -> Item {
        while true {
            let latch = Latch<Void>()
            let item: Item? = contents.with { contents in
                guard contents.items.isEmpty else { return contents.items.removeFirst() }
                contents.reader = .waiting(latch)
                return nil
            }
            if let item { return item }
            latch.wait()
        }
    }

    /// The next deed outside a change. Nil if there is none, or if a change in progress will take it.
    func takeDeed() -> SharedDeed? {
        contents.with { contents in
            guard case .none = contents.reader else { return nil }
            while !contents.items.isEmpty {
                // Steps of a change that has ended have no receiver.
                if case .deed(let deed) = contents.items.removeFirst() { return deed }
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
