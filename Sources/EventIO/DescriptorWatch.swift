internal import CLibevent

/// Calls back when a descriptor can be read or written. Level-triggered.
///
/// *Ownership*: owns two libevent events (unretained pointers to this object), not the descriptor. `close()` must come
/// before the descriptor is closed, since descriptors are reused at once.
/// *Threading*: made and used on its loop.
package final class DescriptorWatch {
    private var readEvent: OpaquePointer?
    private var writeEvent: OpaquePointer?
    /// Keeps the `event_base` alive while events are registered with it.
    private let loop: EventLoop
    package let descriptor: Int32
    private var onReadable: (() -> Void)?
    private var onWritable: (() -> Void)?
    /// Whether the descriptor is watched for reading. Changing it costs a system call; leave it on in steady state.
    package private(set) var isReading = false
    package private(set) var isWriting = false

    /// The closures should capture their owner weakly or unowned; `close()` releases them.
    package init(
        loop: EventLoop,
        descriptor: Int32,
        onReadable: @escaping () -> Void,
        onWritable: @escaping () -> Void
    ) {
        self.loop = loop
        self.descriptor = descriptor
        self.onReadable = onReadable
        self.onWritable = onWritable
        let context = Unmanaged.passUnretained(self).toOpaque()
        readEvent = clibevent_new(
            loop.base,
            descriptor,
            EV_READ | EV_PERSIST,
            { _, _, context in
                let watch = Unmanaged<DescriptorWatch>.fromOpaque(context!).takeUnretainedValue()
                withExtendedLifetime(watch) { watch.onReadable?() }
            },
            context
        )
        writeEvent = clibevent_new(
            loop.base,
            descriptor,
            EV_WRITE | EV_PERSIST,
            { _, _, context in
                let watch = Unmanaged<DescriptorWatch>.fromOpaque(context!).takeUnretainedValue()
                withExtendedLifetime(watch) { watch.onWritable?() }
            },
            context
        )
    }

    deinit {
        close()
    }

    package func setReading(_ on: Bool) {
        guard on != isReading, let readEvent else { return }
        isReading = on
        _ = on ? event_add(readEvent, nil) : event_del(readEvent)
    }

    package func setWriting(_ on: Bool) {
        guard on != isWriting, let writeEvent else { return }
        isWriting = on
        _ = on ? event_add(writeEvent, nil) : event_del(writeEvent)
    }

    /// Forgets the descriptor; no callback comes afterwards.
    package func close() {
        if let readEvent { event_free(readEvent) }
        if let writeEvent { event_free(writeEvent) }
        readEvent = nil
        writeEvent = nil
        isReading = false
        isWriting = false
        onReadable = nil
        onWritable = nil
    }
}
