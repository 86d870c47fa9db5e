/// What a service manager has to be told, and when: a service starts, serves, reads its configuration again, ends.
///
/// `starting` leads to `serving`; that to `reloading`, and back; each of them to `stopping`, which is the end. Pure.
public enum ServiceState: Sendable, Equatable {
    /// Nothing is said: the manager knows that much.
    case starting
    /// With the status that the manager has.
    case serving(status: String)
    /// So many reloads have begun and not ended: they are one for the manager, who was told last of one that was asked
    /// for at `time`.
    case reloading(count: Int, time: UInt64)
    case stopping

    public init() { self = .starting }

    /// Requests are served.
    public mutating func served(_ status: String) -> Notice? {
        guard case .starting = self else { return nil }
        self = .serving(status: status)
        return .ready(status: status)
    }

    /// `time` is when it was asked for, of CLOCK_MONOTONIC in microseconds. A manager that asks while another is under
    /// way waits for a word that is younger than its signal.
    public mutating func reloadBegan(at time: UInt64) -> Notice? {
        switch self {
        case .starting, .stopping: return nil
        case .reloading(let count, let last):
            self = .reloading(count: count + 1, time: max(last, time))
            return time > last ? .reloading(at: time) : nil
        case .serving:
            self = .reloading(count: 1, time: time)
            return .reloading(at: time)
        }
    }

    /// Whatever came of it.
    public mutating func reloadEnded(_ status: String) -> Notice? {
        switch self {
        case .starting, .serving, .stopping: return nil
        case .reloading(let count, let time) where count > 1:
            self = .reloading(count: count - 1, time: time)
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
