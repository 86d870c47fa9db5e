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
    /// Accepting continues when there is none.
    private var holds: Holds = []
    /// Connections accepted since the loop's last turn.
    private var burst = 0
    private var retry: EventTimer?
    private var turn: EventTimer?

    /// Reasons for not accepting at the moment.
    private struct Holds: OptionSet {
        let rawValue: UInt8

        /// The owner suspended it.
        static let owner = Holds(rawValue: 1)
        /// The process is out of descriptors.
        static let failure = Holds(rawValue: 2)
        /// The loop should handle other events first.
        static let turn = Holds(rawValue: 4)
    }

    /// How long accepting pauses when the process is out of descriptors, so that it does not spin.
    private static let pause = Duration.milliseconds(100)
    /// libevent accepts until the queue is empty. Clients that connect as fast as they are accepted would monopolise
    /// the loop.
    private static let maximumBurst = 64

    /// `accepted` receives each new descriptor, non-blocking and close-on-exec.
    public init(loop: EventLoop, socket: ListeningSocket, accepted: @escaping (Int32) -> Void) {
        self.loop = loop
        self.accepted = accepted
        let context = Unmanaged.passUnretained(self).toOpaque()
        listener = evconnlistener_new(
            loop.base,
            { _, descriptor, _, _, context in
                Unmanaged<SocketListener>.fromOpaque(context!).takeUnretainedValue().accept(descriptor)
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
        turn = nil
    }

    /// Stops accepting for the time being; `resume()` continues.
    public func suspend() {
        hold(.owner)
    }

    public func resume() {
        release(.owner)
    }

    private func accept(_ descriptor: Int32) {
        burst += 1
        if burst >= Self.maximumBurst { endBurst() }
        accepted(descriptor)
    }

    private func endBurst() {
        burst = 0
        hold(.turn)
        let timer = turn ?? EventTimer(loop: loop) { [unowned self] in release(.turn) }
        turn = timer
        timer.arm(nanoseconds: 0)
    }

    /// EMFILE and similar errors: the connection stays in the queue and the listener stays readable, so without a pause
    /// the loop spins.
    private func acceptFailed() {
        hold(.failure)
        let timer = retry ?? EventTimer(loop: loop) { [unowned self] in release(.failure) }
        retry = timer
        timer.arm(after: Self.pause)
    }

    private func hold(_ reason: Holds) {
        holds.insert(reason)
        if let listener { evconnlistener_disable(listener) }
    }

    private func release(_ reason: Holds) {
        holds.remove(reason)
        if holds.isEmpty, let listener { evconnlistener_enable(listener) }
    }
}
