internal import CLibevent

/// Receives the events of a `DescriptorWatch`. Called on the loop.
public protocol DescriptorWatchDelegate: AnyObject {
    func descriptorIsReadable(_ watch: DescriptorWatch)
    func descriptorIsWritable(_ watch: DescriptorWatch)
}

/// Calls back when a descriptor is readable or writable. Level-triggered.
///
/// *Ownership*: owns two libevent events (unretained pointers to this object), not the descriptor. Call `close()`
/// before the descriptor is closed, because its number is reused at once, and before the delegate goes away.
/// *Threading*: created and used on its loop.
public final class DescriptorWatch {
    private var readEvent: OpaquePointer?
    private var writeEvent: OpaquePointer?
    /// Keeps the `event_base` alive while events are registered with it.
    private let loop: EventLoop
    public let descriptor: Int32
    /// Not retained, and not checked because every event reads it: the delegate closes the watch before it goes away.
    private unowned(unsafe) let delegate: any DescriptorWatchDelegate
    private var isClosed = false
    /// Whether the descriptor is watched for reading. Changing it costs a system call; leave it on in steady state.
    public private(set) var isReading = false
    public private(set) var isWriting = false

    public init(loop: EventLoop, descriptor: Int32, delegate: any DescriptorWatchDelegate) {
        self.loop = loop
        self.descriptor = descriptor
        self.delegate = delegate
        let context = Unmanaged.passUnretained(self).toOpaque()
        readEvent = clibevent_new(
            loop.base,
            descriptor,
            EV_READ | EV_PERSIST,
            { _, _, context in
                let watch = Unmanaged<DescriptorWatch>.fromOpaque(context!).takeUnretainedValue()
                if !watch.isClosed { watch.delegate.descriptorIsReadable(watch) }
            },
            context
        )
    }

    deinit {
        close()
    }

    public func setReading(_ on: Bool) {
        guard on != isReading, let readEvent else { return }
        guard on else {
            isReading = false
            _ = event_del(readEvent)
            return
        }
        loop.forgetLook()
        // The kernel may watch no more descriptors (epoll_ctl(2): ENOSPC).
        isReading = event_add(readEvent, nil) == 0
    }

    /// Whether the loop's look, which has just been taken, showed that nothing can be read: neither bytes nor the peer's
    /// end. False if that is not known, as everywhere but in `EventLoop.turnStarted`. Costs no system call.
    ///
    /// Everything that arrived before that turn began is seen. What arrived since is not: `now`, in monotonic nanoseconds,
    /// is at most 0.2 ms later.
    public func wasFoundQuiet(at now: UInt64) -> Bool {
        guard loop.hasJustLooked(at: now), isReading, let readEvent else { return false }
        // libevent refuses to change the priority of an event that is due, and only then (event_priority_set in
        // event.c); this one keeps its own.
        return event_priority_set(readEvent, event_get_priority(readEvent)) == 0
    }

    /// Calls back as if the descriptor were readable, in the loop's next turn; does nothing unless it is watched for
    /// reading.
    public func activateRead() {
        guard isReading, let readEvent else { return }
        event_active(readEvent, Int32(EV_READ), 0)
    }

    public func setWriting(_ on: Bool) {
        guard on != isWriting, !isClosed else { return }
        isWriting = on
        let event = writeEvent ?? makeWriteEvent()
        _ = on ? event_add(event, nil) : event_del(event)
    }

    /// Created on first use: most connections never wait before they write, and many are idle.
    private func makeWriteEvent() -> OpaquePointer? {
        writeEvent = clibevent_new(
            loop.base,
            descriptor,
            EV_WRITE | EV_PERSIST,
            { _, _, context in
                let watch = Unmanaged<DescriptorWatch>.fromOpaque(context!).takeUnretainedValue()
                if !watch.isClosed { watch.delegate.descriptorIsWritable(watch) }
            },
            Unmanaged.passUnretained(self).toOpaque()
        )
        return writeEvent
    }

    /// Stops watching; no callback follows.
    public func close() {
        if let readEvent { event_free(readEvent) }
        if let writeEvent { event_free(writeEvent) }
        readEvent = nil
        writeEvent = nil
        isReading = false
        isWriting = false
        isClosed = true
    }
}
