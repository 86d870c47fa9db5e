import Threads

/// A thread that runs one event loop.
///
/// *Threading*: `stop` and `join` from the thread that made it.
package final class LoopThread: Sendable {
    package let loop: EventLoop
    private let thread: NativeThread

    package init(name: String) {
        let loop = EventLoop()
        self.loop = loop
        thread = NativeThread(name: name) { loop.run() }
    }

    /// Ends the loop and waits for the thread.
    package func stop() {
        loop.stop()
        thread.join()
    }
}
