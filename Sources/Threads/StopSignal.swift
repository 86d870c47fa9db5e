import Platform

/// Tells a thread that waits in poll(2) to stop: a pipe whose writing end is closed. Given once, for good.
///
/// *Threading*: any thread. *Ownership*: of both ends; keep this object for as long as somebody polls `descriptor`.
public final class StopSignal: Sendable {
    /// Becomes readable, at end of file, once the signal is given.
    public let descriptor: Int32
    /// -1 once the signal is given.
    private let writer: Guarded<Int32>

    /// Nil if the process may have no more descriptors.
    public init?() {
        var ends: [Int32] = [-1, -1]
        guard unsafe pipe(&ends) == 0 else { return nil }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        descriptor = ends[0]
        writer = Guarded(ends[1])
    }

    deinit {
        give()
        close(descriptor)
    }

    public func give() {
        let end = writer.with { end in
            defer { end = -1 }
            return end
        }
        if end >= 0 { close(end) }
    }

    public var isGiven: Bool { writer.with { $0 < 0 } }
}
