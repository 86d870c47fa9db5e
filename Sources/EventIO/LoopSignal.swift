/// Calls a handler on a loop. Several sends before the loop gets to it make one call. Sending allocates nothing, unlike
/// `EventLoop.execute`.
///
/// *Ownership*: holds the loop, which holds the signal while it is pending. *Threading*: create and send it on any
/// thread; the handler runs on the loop, in no fixed order relative to `execute`. After the loop has ended the handler
/// is not called.
public final class LoopSignal: @unchecked Sendable {
    // `@unchecked`: `isSent` and `next` are protected by the loop's lock.
    private let loop: EventLoop
    let handler: @Sendable () -> Void
    /// The signal is pending.
    var isSent = false
    /// The pending signal that was sent before this one.
    var next: LoopSignal?

    public init(loop: EventLoop, _ handler: @escaping @Sendable () -> Void) {
        self.loop = loop
        self.handler = handler
    }

    public func send() { loop.deliver(self) }
}
