/// Calls a handler on a loop. Sent several times before the loop comes to it, it is one call. Sending takes no memory,
/// which `EventLoop.execute` does.
///
/// *Ownership*: holds the loop, which holds it while it is sent. *Threading*: made and sent by any thread; the handler
/// runs on the loop, in no order with what `execute` hands over. Once the loop has ended nothing is called.
public final class LoopSignal: @unchecked Sendable {
    // `@unchecked`: `isSent` and `next` are protected by the loop's lock.
    private let loop: EventLoop
    let handler: @Sendable () -> Void
    /// It waits for the loop.
    var isSent = false
    /// The one that was sent before it and waits, too.
    var next: LoopSignal?

    public init(loop: EventLoop, _ handler: @escaping @Sendable () -> Void) {
        self.loop = loop
        self.handler = handler
    }

    public func send() { loop.deliver(self) }
}
