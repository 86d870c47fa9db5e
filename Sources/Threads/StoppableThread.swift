import Platform

/// A thread that waits for descriptors with poll(2), and is told to end by one of them.
///
/// *Threading*: call `stop` from any thread that holds no lock which the thread takes.
public final class StoppableThread: Sendable {
    private let thread: NativeThread
    /// The writing end of a pipe. Closing it ends the thread.
    private let writer: Int32

    /// `run` gets the descriptor that can be read, or has ended, when it is to return. Nil if the system has no more
    /// descriptors or threads: then `run` is not called.
    public init?(name: String, run: @escaping @Sendable (_ stop: Int32) -> Void) {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { return nil }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        let reader = ends[0]
        let thread = NativeThread(name: name) {
            run(reader)
            close(reader)
        }
        guard let thread else {
            for end in ends { close(end) }
            return nil
        }
        self.thread = thread
        writer = ends[1]
    }

    /// Ends the thread and waits for it, unless it is the calling thread. Call once.
    public func stop() {
        close(writer)
        if thread.isCurrent { thread.detach() } else { thread.join() }
    }
}
