internal import CLibevent
import Platform

/// A timer that fires once each time it is armed.
///
/// *Ownership*: owns its libevent event, which holds an unretained pointer to this object; freed in `deinit`.
/// *Threading*: made, armed, cancelled and released on its loop.
public final class EventTimer {
    private let loop: EventLoop
    private var event: OpaquePointer?
    private let fire: () -> Void
    /// Whether the timer is going to fire.
    public private(set) var isArmed = false

    /// `fire` should capture its owner weakly or unowned: the timer retains the closure.
    public init(loop: EventLoop, fire: @escaping () -> Void) {
        self.loop = loop
        self.fire = fire
        let context = Unmanaged.passUnretained(self).toOpaque()
        event = event_new(
            loop.base,
            -1,
            0,
            { _, _, context in
                Unmanaged<EventTimer>.fromOpaque(context!).takeUnretainedValue().fired()
            },
            context
        )
    }

    deinit {
        if let event { event_free(event) }
    }

    /// Fires `nanoseconds` from now, and not at any earlier set time.
    public func arm(nanoseconds: UInt64) {
        var interval = timeval()
        interval.tv_sec = .init(nanoseconds / 1_000_000_000)
        interval.tv_usec = .init((nanoseconds % 1_000_000_000 + 999) / 1_000)
        if interval.tv_usec >= 1_000_000 {
            interval.tv_sec += 1
            interval.tv_usec -= 1_000_000
        }
        isArmed = true
        event_add(event, &interval)
    }

    /// Fires `duration` from now, and not at any earlier set time.
    public func arm(after duration: Duration) {
        arm(nanoseconds: duration.nanoseconds)
    }

    public func cancel() {
        guard isArmed else { return }
        isArmed = false
        event_del(event)
    }

    private func fired() {
        isArmed = false
        // The closure may release the timer's owner, and with it this object.
        withExtendedLifetime(self) { fire() }
    }
}
