import Platform

/// Tells whoever waits with poll(2) to stop: a pipe, whose writing end is closed then. Given once, for good.
///
/// *Threading*: any thread. *Ownership*: of both ends; keep it for as long as somebody looks at `descriptor`.
public final class StopSignal: Sendable {
    /// Can be read, and has ended, once it is given.
    public let descriptor: Int32
    /// -1 once it is given.
    private let writer: Guarded<Int32>

    /// Nil if the process may have no more descriptors.
    public init?() {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { return nil }
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
