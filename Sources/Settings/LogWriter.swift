import EventIO
import Platform
import Threads

/// Writes log lines to standard error from a thread of its own: a reader that is slow, or gone, delays no exchange.
/// What does not fit is dropped and counted.
///
/// *Threading*: any thread.
public final class LogWriter: @unchecked Sendable {
    // `@unchecked`: `pending`, `dropped` and `isWriting` are protected by `lock`.
    public static let standardError = LogWriter(descriptor: 2)

    private static let capacity = 1 << 20
    private let descriptor: Int32
    private let lock = Lock()
    private let thread = WorkThread(name: "squire-log")
    private var pending = ByteBuffer(capacity: 4096)
    private var dropped = 0
    /// The thread writes, or was told to: it need not be told again.
    private var isWriting = false
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
            pending.append(line)
            pending.append("\n")
            defer { isWriting = true }
            return !isWriting
        }
        // After `finish` the process ends: nobody reads the log then.
        if wakes { _ = thread.execute { self.drain() } }
    }

    /// Waits until everything is written, a second at most. For the end of the process.
    public func finish() {
        _ = thread.finish(timeout: .seconds(1))
    }

    /// How long lines gather before they are written, in microseconds. Nobody notices; but a busy proxy would otherwise
    /// wake this thread and write for each line, which took as long as the request.
    private static let gathering: UInt32 = 2000

    private func drain() {
        while true {
            usleep(Self.gathering)
            leaving.clear()
            let lost = lock.withLock {
                swap(&leaving, &pending)
                isWriting = !leaving.isEmpty || dropped > 0
                defer { dropped = 0 }
                return dropped
            }
            if lost > 0 { leaving.append("(\(lost) log lines were dropped: standard error is not read)\n") }
            guard !leaving.isEmpty else { return }
            while !leaving.isEmpty {
                let count = SystemCall.write(descriptor, leaving.readable)
                if count < 0, errno == EAGAIN {
                    // Whoever shares it made it non-blocking.
                    var writable = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                    poll(&writable, 1, -1)
                    continue
                }
                // Nobody reads any more.
                guard count > 0 else { break }
                leaving.consume(count)
            }
        }
    }
}
