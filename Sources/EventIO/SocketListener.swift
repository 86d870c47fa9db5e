internal import CLibevent
import Platform

/// Accepts connections from a listening socket.
///
/// *Ownership*: owns the `evconnlistener` (unretained pointer to this object), not the listening socket. The accepted
/// descriptor belongs to `accepted`.
/// *Threading*: made and used on its loop.
public final class SocketListener {
    private let loop: EventLoop
    private var listener: OpaquePointer?
    private let accepted: (Int32) -> Void
    private var retry: EventTimer?

    /// How long accepting pauses when the process is out of descriptors, so that it does not spin.
    private static let pause = Duration.milliseconds(100)

    /// `accepted` gets each new descriptor, non-blocking and close-on-exec.
    public init(loop: EventLoop, socket: ListeningSocket, accepted: @escaping (Int32) -> Void) {
        self.loop = loop
        self.accepted = accepted
        let context = Unmanaged.passUnretained(self).toOpaque()
        listener = evconnlistener_new(
            loop.base,
            { _, descriptor, _, _, context in
                Unmanaged<SocketListener>.fromOpaque(context!).takeUnretainedValue().accepted(descriptor)
            },
            context,
            UInt32(LEV_OPT_CLOSE_ON_EXEC),
            0,
            socket.descriptor
        )
        guard let listener else { return }
        evconnlistener_set_error_cb(listener) { _, context in
            Unmanaged<SocketListener>.fromOpaque(context!).takeUnretainedValue().acceptFailed()
        }
    }

    deinit {
        stop()
    }

    /// Stops accepting for good; connections in the kernel's queue stay there.
    public func stop() {
        if let listener { evconnlistener_free(listener) }
        listener = nil
        retry = nil
    }

    /// Stops accepting for a while; `resume()` goes on.
    public func suspend() {
        if let listener { evconnlistener_disable(listener) }
    }

    public func resume() {
        if let listener { evconnlistener_enable(listener) }
    }

    /// EMFILE and its like: the connection stays in the queue and the listener readable, so without a pause the loop
    /// spins.
    private func acceptFailed() {
        suspend()
        let timer = retry ?? EventTimer(loop: loop) { [unowned self] in resume() }
        retry = timer
        timer.arm(after: Self.pause)
    }
}
