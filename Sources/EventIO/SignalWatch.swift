internal import CLibevent

/// Calls back on the loop when the process gets a signal.
///
/// *Ownership*: owns its libevent event (unretained pointer to this object). One loop per process may watch signals.
public final class SignalWatch {
    private let loop: EventLoop
    private var event: OpaquePointer?
    private let received: () -> Void

    public init(loop: EventLoop, signal: Int32, received: @escaping () -> Void) {
        self.loop = loop
        self.received = received
        let context = Unmanaged.passUnretained(self).toOpaque()
        event = clibevent_new(
            loop.base,
            signal,
            EV_SIGNAL | EV_PERSIST,
            { _, _, context in
                Unmanaged<SignalWatch>.fromOpaque(context!).takeUnretainedValue().received()
            },
            context
        )
        event_add(event, nil)
    }

    deinit {
        if let event { event_free(event) }
    }
}
