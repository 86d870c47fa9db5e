import Platform
import Threads

/// Watches the session file for changes by any process: inotify(7) on its directory, on a thread of its own.
///
/// Linux only; elsewhere there is no watch, and `Session.recheckFile` polls. *Threading*: calls `changed` on its own
/// thread. Call `stop` on any thread that holds no lock which `changed` takes.
public final class SessionFileWatch: Sendable {
    #if os(Linux)
    private let thread: StoppableThread

    /// How often to look for a missing directory, in milliseconds.
    private static let lookInterval: Int32 = 1000

    /// Nil if the system has no more watches, descriptors or threads.
    public init?(_ file: SessionFile, changed: @escaping @Sendable () -> Void) {
        let notify = inotify_init1(Int32(IN_CLOEXEC) | Int32(IN_NONBLOCK))
        guard notify >= 0 else { return nil }
        try? file.makeDirectory()
        let thread = StoppableThread(name: "squire-watch") { stop in
            Self.run(notify: notify, stop: stop, file, changed)
            close(notify)
        }
        guard let thread else {
            close(notify)
            return nil
        }
        self.thread = thread
    }

    /// Ends the thread and waits for it, unless it is the calling thread. Call once.
    public func stop() { thread.stop() }

    private static func run(notify: Int32, stop: Int32, _ file: SessionFile, _ changed: () -> Void) {
        let mask = UInt32(IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF)
        var isWatching = false
        var events = [UInt8](repeating: 0, count: 4096)
        while true {
            if !isWatching {
                isWatching = unsafe inotify_add_watch(notify, file.directory, mask) >= 0
                // The file may have changed before the watch began.
                if isWatching { changed() }
            }
            var polled = [
                pollfd(fd: notify, events: Int16(POLLIN), revents: 0),
                pollfd(fd: stop, events: Int16(POLLIN), revents: 0),
            ]
            guard unsafe poll(&polled, 2, isWatching ? -1 : lookInterval) >= 0 || errno == EINTR else { return }
            if polled[1].revents != 0 { return }
            let count = unsafe read(notify, &events, events.count)
            guard count > 0 else { continue }
            let seen = parse(events[..<count], name: Array(file.name.utf8))
            if seen.hasLostDirectory {
                _ = inotify_rm_watch(notify, seen.watch)
                isWatching = false
            }
            if seen.concernsFile || seen.hasLostDirectory { changed() }
        }
    }

    private struct Seen {
        var concernsFile = false
        var hasLostDirectory = false
        var watch: Int32 = 0
    }

    /// `struct inotify_event`: descriptor, mask, cookie, length of the name that follows, which is padded with zeros.
    private static func parse(_ bytes: ArraySlice<UInt8>, name: [UInt8]) -> Seen {
        var result = Seen()
        unsafe bytes.withUnsafeBytes { bytes in
            var offset = 0
            while offset + 16 <= bytes.count {
                let mask = unsafe bytes.loadUnaligned(fromByteOffset: offset + 4, as: UInt32.self)
                let length = unsafe Int(bytes.loadUnaligned(fromByteOffset: offset + 12, as: UInt32.self))
                let text = unsafe bytes[min(offset + 16, bytes.count)..<min(offset + 16 + length, bytes.count)].prefix {
                    $0 != 0
                }
                if unsafe text.elementsEqual(name) || mask & UInt32(IN_Q_OVERFLOW) != 0 { result.concernsFile = true }
                if mask & UInt32(IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED) != 0 {
                    result.hasLostDirectory = true
                    result.watch = unsafe bytes.loadUnaligned(fromByteOffset: offset, as: Int32.self)
                }
                offset += 16 + length
            }
        }
        return result
    }
    #else
    public init?(_ file: SessionFile, changed: @escaping @Sendable () -> Void) { return nil }

    public func stop() {}
    #endif
}
