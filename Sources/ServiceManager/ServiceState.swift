/// Decides which notices a service manager gets, while a service starts, serves, reloads and ends.
///
/// `starting` leads to `serving`, which leads to `reloading` and back. Each of them leads to `stopping`, the final
/// state. Pure.
public enum ServiceState: Sendable, Equatable {
    /// No notice is needed: the manager has started the service itself.
    case starting
    /// `status` is the last one that the manager got.
    case serving(status: String)
    /// `count` reloads have begun and not ended, which are one reload to the manager. Its last notice was about the
    /// reload requested at `time`.
    case reloading(count: Int, time: UInt64)
    case stopping

    public init() { self = .starting }

    /// Requests are served from now on.
    public mutating func served(_ status: String) -> Notice? {
        guard case .starting = self else { return nil }
        self = .serving(status: status)
        return .ready(status: status)
    }

    /// `time` is when the reload was requested, in microseconds of CLOCK_MONOTONIC. A manager that requests another
    /// reload meanwhile waits for a notice that is younger than its signal.
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

    /// The reload ended, whether or not it succeeded.
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

    /// The status may have changed. During a reload, the notice at its end includes that.
    public mutating func changed(_ status: String) -> Notice? {
        guard case .serving(let known) = self, known != status else { return nil }
        self = .serving(status: status)
        return .status(status)
    }

    /// The service ends, and takes `within` microseconds at most.
    public mutating func ends(_ status: String, within: UInt64) -> Notice? {
        guard self != .stopping else { return nil }
        self = .stopping
        return .stopping(status: status, within: within)
    }
}
