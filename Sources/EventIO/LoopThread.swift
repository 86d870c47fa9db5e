public import Platform
import Threads

/// A thread that runs one event loop.
///
/// *Threading*: call `stop` on the thread that created it.
public final class LoopThread: Sendable {
    public let loop: EventLoop
    private let thread: NativeThread

    /// Throws if the process may have no more descriptors or threads.
    public init(name: String) throws(SystemError) {
        let loop = try EventLoop()
        self.loop = loop
        guard let thread = NativeThread(name: name, run: { loop.run() }) else {
            throw SystemError("a thread cannot be started", code: EAGAIN)
        }
        self.thread = thread
    }

    /// Ends the loop and waits for the thread.
    public func stop() {
        loop.stop()
        thread.join()
    }
}
