public import EventIO
import Logging
import Platform
import Threads

/// Writes log lines to standard error from a thread of its own: a reader that is slow, or gone, delays no exchange.
/// What does not fit is dropped and counted.
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
    /// Of what the writer has to say itself.
    private var style = LogStyle(format: .text, isColoured: false)
    private var activity = Activity.idle

    private enum Activity {
        /// Lines gather behind the one that is to be the first.
        case held
        case idle
        /// The thread writes, or was told to: it need not be told again.
        case writing
    }

    /// What is being written: the thread's own. It and `pending` change places, so that neither has to grow again.
    private var leaving = ByteBuffer(capacity: 4096)

    public init(descriptor: Int32) {
        self.descriptor = descriptor
    }

    /// `line` without its end.
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

    /// How lines look that the writer adds by itself: a program that reads JSON finds nothing else.
    public func use(_ style: LogStyle) {
        lock.withLock { self.style = style }
    }

    /// From now on lines gather until `release`: something else is to be the first.
    public func hold() {
        lock.withLock { if case .idle = activity { activity = .held } }
    }

    /// Writes `lines`, each without its end, then what was held.
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
        // After `finish` the process ends: nobody reads the log then.
        _ = thread.execute { self.drain() }
    }

    /// Waits until everything is written, a second at most unless `timeout` says less. For the end of the process.
    public func finish(timeout: Duration = .seconds(1)) {
        let isHeld = lock.withLock { if case .held = activity { true } else { false } }
        if isHeld { release() }
        _ = thread.finish(timeout: timeout)
    }

    /// How long lines gather before they are written, in microseconds. Nobody notices; but a busy proxy would otherwise
    /// wake this thread and write for each line, which took as long as the request.
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
                    // Whoever shares it made it non-blocking.
                    var writable = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                    unsafe poll(&writable, 1, -1)
                    continue
                }
                // Nobody reads any more.
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
