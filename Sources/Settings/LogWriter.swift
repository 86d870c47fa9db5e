public import EventIO
import Logging
import Platform
import Threads

/// Writes log lines to standard error on a thread of its own, so that a slow or missing reader delays no exchange.
/// Lines that do not fit into the buffer are dropped and counted.
///
/// *Threading*: any thread.
public final class LogWriter: @unchecked Sendable {
    // `@unchecked`: `pending`, `dropped`, `style` and `activity` are protected by `lock`.
    public static let standardError = LogWriter(descriptor: 2)

    static let capacity = 1 << 20
    private let descriptor: Int32
    private let lock = Lock()
    private let thread = WorkThread(name: "squire-log")
    private var pending = ByteBuffer(capacity: 4096)
    private var dropped = 0
    /// The style of the writer's own messages.
    private var style = LogStyle(format: .text, isColoured: false)
    private var activity = Activity.idle

    private enum Activity {
        /// Lines are buffered until the first line is known.
        case held
        case idle
        /// The thread is writing, or has been told to write.
        case writing
    }

    /// The bytes that are being written; belongs to the thread. Swapped with `pending`, so that neither has to grow
    /// again.
    private var leaving = ByteBuffer(capacity: 4096)

    public init(descriptor: Int32) {
        self.descriptor = descriptor
    }

    /// `line` has no line end.
    public func write(_ line: UnsafeRawBufferPointer) {
        let wakes = lock.withLock { () -> Bool in
            guard pending.count + line.count < Self.capacity else {
                dropped += 1
                return false
            }
            unsafe pending.append(line)
            pending.append("\n")
            guard case .idle = activity else { return false }
            activity = .writing
            return true
        }
        if wakes { wake() }
    }

    /// Sets the style of the writer's own messages, so that a program that reads JSON finds nothing else.
    public func use(_ style: LogStyle) {
        lock.withLock { self.style = style }
    }

    /// Buffers lines until `release`, because another line must be the first.
    public func hold() {
        lock.withLock { if case .idle = activity { activity = .held } }
    }

    /// Writes `lines`, which have no line ends, then the buffered lines.
    public func release(first lines: [ByteBuffer] = []) {
        let wakes = lock.withLock { () -> Bool in
            let held = pending
            pending = ByteBuffer(capacity: 4096)
            for line in lines {
                unsafe pending.append(line.readable)
                pending.append("\n")
            }
            unsafe pending.append(held.readable)
            guard case .writing = activity else {
                activity = .writing
                return true
            }
            return false
        }
        if wakes { wake() }
    }

    private func wake() {
        // After `finish` the process ends, and the log no longer matters.
        _ = thread.execute { self.drain() }
    }

    /// Blocks until everything is written, or for `timeout`. For the end of the process.
    public func finish(timeout: Duration = .seconds(1)) {
        let isHeld = lock.withLock { if case .held = activity { true } else { false } }
        if isHeld { release() }
        _ = thread.finish(timeout: timeout)
    }

    /// How long lines are buffered before they are written, in microseconds. Otherwise a busy proxy would wake this
    /// thread and write for each line, which took as long as the request.
    private static let gathering: UInt32 = 2000

    private func drain() {
        while true {
            usleep(Self.gathering)
            leaving.clear()
            let (lost, style) = lock.withLock { () -> (Int, LogStyle) in
                swap(&leaving, &pending)
                activity = leaving.isEmpty && dropped == 0 ? .idle : .writing
                defer { dropped = 0 }
                return (dropped, self.style)
            }
            if lost > 0 { sayLost(lost, style) }
            guard !leaving.isEmpty else { return }
            while !leaving.isEmpty {
                let count = unsafe SystemCall.write(descriptor, leaving.readable)
                if count < 0, errno == EAGAIN {
                    // Another process that shares the file has made it non-blocking.
                    var writable = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                    unsafe poll(&writable, 1, -1)
                    continue
                }
                // The reader is gone.
                guard count > 0 else { break }
                leaving.consume(count)
            }
        }
    }

    private func sayLost(_ count: Int, _ style: LogStyle) {
        let line = ByteBuffer(capacity: 128)
        let lines = count == 1 ? "1 log line was" : "\(count) log lines were"
        style.write(
            LogMessage(
                .warning,
                event: "dropped",
                "\(lines) dropped: standard error is not read",
                [("lines", .number(count))]
            ),
            to: line
        )
        unsafe leaving.append(line.readable)
        leaving.append("\n")
    }
}
