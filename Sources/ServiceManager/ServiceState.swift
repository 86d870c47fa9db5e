/// What a service manager has to be told, and when: a service starts, serves, reads its configuration again, ends.
///
/// `starting` leads to `serving`; that to `reloading`, and back; each of them to `stopping`, which is the end. Pure.
public enum ServiceState: Sendable, Equatable {
    /// Nothing is said: the manager knows that much.
    case starting
    /// With the status that the manager has.
    case serving(status: String)
    /// So many reloads have begun, one within another: they are one for the manager.
    case reloading(depth: Int)
    case stopping

    public init() { self = .starting }

    /// Requests are served.
    public mutating func served(_ status: String) -> Notice? {
        guard case .starting = self else { return nil }
        self = .serving(status: status)
        return .ready(status: status)
    }

    /// `now` is the time of CLOCK_MONOTONIC in microseconds.
    public mutating func reloadBegan(at now: UInt64) -> Notice? {
        switch self {
        case .starting, .stopping: return nil
        case .reloading(let depth):
            self = .reloading(depth: depth + 1)
            return nil
        case .serving:
            self = .reloading(depth: 1)
            return .reloading(at: now)
        }
    }

    /// Whatever came of it.
    public mutating func reloadEnded(_ status: String) -> Notice? {
        switch self {
        case .starting, .serving, .stopping: return nil
        case .reloading(let depth) where depth > 1:
            self = .reloading(depth: depth - 1)
            return nil
        case .reloading:
            self = .serving(status: status)
            return .ready(status: status)
        }
    }

    /// There may be something else to say of it. During a reload that comes with its end.
    public mutating func changed(_ status: String) -> Notice? {
        guard case .serving(let known) = self, known != status else { return nil }
        self = .serving(status: status)
        return .status(status)
    }

    /// It ends; all that is to be waited for lasts no longer than `within` microseconds.
    public mutating func ends(_ status: String, within: UInt64) -> Notice? {
        guard self != .stopping else { return nil }
        self = .stopping
        return .stopping(status: status, within: within)
    }
}
