import Threads

/// A thread that runs one event loop.
///
/// *Threading*: `stop` and `join` from the thread that made it.
public final class LoopThread: Sendable {
    public let loop: EventLoop
    private let thread: NativeThread

    public init(name: String) {
        let loop = EventLoop()
        self.loop = loop
        thread = NativeThread(name: name) { loop.run() }
    }

    /// Ends the loop and waits for the thread.
    public func stop() {
        loop.stop()
        thread.join()
    }
}
