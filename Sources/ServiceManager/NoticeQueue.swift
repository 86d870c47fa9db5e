/// Notices that a busy manager has not taken yet, in order. Bounded: a status is dropped if a later one follows. Pure.
public struct NoticeQueue: Sendable {
    public private(set) var waiting: [Notice] = []

    /// The maximum length of the queue, for a manager that reads nothing.
    public static let maximum = 16

    public init() {}

    public var first: Notice? { waiting.first }

    /// Returns false, and drops the queue, if there are too many.
    public mutating func add(_ notice: Notice) -> Bool {
        if case .status(let status) = notice {
            switch waiting.last {
            case .status:
                waiting[waiting.count - 1] = notice
                return true
            case .ready:
                waiting[waiting.count - 1] = .ready(status: status)
                return true
            case .reloading, .stopping, nil: break
            }
        }
        guard waiting.count < Self.maximum else {
            waiting = []
            return false
        }
        waiting.append(notice)
        return true
    }

    /// Removes the first notice after it was taken.
    public mutating func removeFirst() {
        if !waiting.isEmpty { waiting.removeFirst() }
    }
}
