/// Notices that a busy manager has not taken yet, in their order. Bounded: what a later status says again is left out.
/// Pure.
public struct NoticeQueue: Sendable {
    public private(set) var waiting: [Notice] = []

    /// More than this of a manager that reads nothing is not kept.
    public static let maximum = 16

    public init() {}

    public var first: Notice? { waiting.first }

    /// False, and nothing is kept any more, when there are too many.
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

    /// The first has been taken.
    public mutating func removeFirst() {
        if !waiting.isEmpty { waiting.removeFirst() }
    }
}
