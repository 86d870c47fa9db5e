/// A thread that waits for descriptors with poll(2), and is told to end by one of them.
///
/// *Threading*: call `stop` from any thread that holds no lock which the thread takes.
public final class StoppableThread: Sendable {
    private let thread: NativeThread
    private let signal: StopSignal

    /// `run` gets the descriptor that becomes readable, at end of file, when the thread is to return. Nil if the system
    /// has no more descriptors or threads; `run` is not called then.
    public init?(name: String, run: @escaping @Sendable (_ stop: Int32) -> Void) {
        guard let signal = StopSignal() else { return nil }
        guard let thread = NativeThread(name: name, run: { run(signal.descriptor) }) else { return nil }
        self.thread = thread
        self.signal = signal
    }

    /// Ends the thread and waits for it, unless it is the calling thread. Call once.
    public func stop() {
        signal.give()
        if thread.isCurrent { thread.detach() } else { thread.join() }
    }
}
