import Platform
import Threads

/// Reports when a file may have changed: uses inotify(7) on the directories of the file and of each link that leads to
/// it, because Kubernetes swaps `..data`. Also reports at intervals, for changes that the system does not report.
///
/// *Threading*: calls `look` on its own thread, also at the start. Call `stop` on any thread that holds no lock which
/// `look` acquires.
public final class TokenFileWatch: Sendable {
    private let thread: StoppableThread

    public static let standardInterval = Duration.seconds(60)

    /// Nil if the system has no more descriptors or threads. `interval` is the longest time between two reports.
    public init?(
        _ path: String,
        interval: Duration = TokenFileWatch.standardInterval,
        look: @escaping @Sendable () -> Void
    ) {
        let thread = StoppableThread(name: "squire-token") { stop in
            var loop = Loop(path, stop: stop, interval: interval, look)
            loop.run()
        }
        guard let thread else { return nil }
        self.thread = thread
    }

    /// Ends the thread, and waits for it unless it is the calling thread. Call once.
    public func stop() { thread.stop() }

    /// The thread's work.
    private struct Loop: ~Copyable {
        private let path: String
        private let stop: Int32
        private let interval: UInt64
        private let look: () -> Void
        private var watches = DirectoryWatches()

        init(_ path: String, stop: Int32, interval: Duration, _ look: @escaping () -> Void) {
            self.path = path
            self.stop = stop
            self.interval = interval.nanoseconds
            self.look = look
        }

        mutating func run() {
            while true {
                // Watches before looking, so that no change is missed.
                watches.set(LinkedFile.entries(of: path))
                look()
                guard waitForMore() else { return }
            }
        }

        /// Waits until the file may have changed. False if the thread should stop.
        private mutating func waitForMore() -> Bool {
            let deadline = MonotonicClock.now().adding(saturating: interval)
            while true {
                var polled = [pollfd(fd: stop, events: Int16(POLLIN), revents: 0)]
                if let descriptor = watches.descriptor {
                    polled.append(pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0))
                }
                let now = MonotonicClock.now()
                guard now < deadline else { return true }
                let count = unsafe poll(
                    &polled,
                    nfds_t(polled.count),
                    Int32(clamping: (deadline - now) / 1_000_000 + 1)
                )
                if polled[0].revents != 0 || count < 0 && errno != EINTR { return false }
                if count > 0, watches.hear() { return true }
            }
        }
    }
}

/// Watches directory entries. Linux only; reports nothing elsewhere.
struct DirectoryWatches: ~Copyable {
    #if os(Linux)
    private let notify: Int32
    /// The watched names in each directory, by watch descriptor.
    private var names: [Int32: Set<String>] = [:]

    private static let mask = UInt32(
        IN_CLOSE_WRITE | IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF
            | IN_ONLYDIR
    )
    private static let lost = UInt32(IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED | IN_Q_OVERFLOW)

    init() {
        notify = inotify_init1(Int32(IN_CLOEXEC) | Int32(IN_NONBLOCK))
    }

    deinit {
        if notify >= 0 { close(notify) }
    }

    /// Becomes readable when there are events; nil if the system has no more inotify instances.
    var descriptor: Int32? { notify >= 0 ? notify : nil }

    /// Replaces the watched entries.
    mutating func set(_ entries: [LinkedFile.Entry]) {
        guard notify >= 0 else { return }
        var next: [Int32: Set<String>] = [:]
        for entry in entries {
            let watch = unsafe inotify_add_watch(notify, entry.directory, Self.mask)
            if watch >= 0 { next[watch, default: []].insert(entry.name) }
        }
        for watch in names.keys where next[watch] == nil { _ = inotify_rm_watch(notify, watch) }
        names = next
    }

    /// Reads all pending events. True if one concerns a watched entry.
    mutating func hear() -> Bool {
        var events = [UInt8](repeating: 0, count: 4096)
        let count = unsafe read(notify, &events, events.count)
        guard count > 0 else { return false }
        var concerns = false
        // `struct inotify_event`: watch descriptor, mask, cookie, length of the name that follows, padded with zeros.
        unsafe events[..<count].withUnsafeBytes { bytes in
            var offset = 0
            while offset + 16 <= bytes.count {
                let watch = unsafe bytes.loadUnaligned(fromByteOffset: offset, as: Int32.self)
                let mask = unsafe bytes.loadUnaligned(fromByteOffset: offset + 4, as: UInt32.self)
                let length = unsafe Int(bytes.loadUnaligned(fromByteOffset: offset + 12, as: UInt32.self))
                let end = min(offset + 16 + length, bytes.count)
                let name = unsafe String(decoding: bytes[(offset + 16)..<end].prefix { $0 != 0 }, as: UTF8.self)
                // The queue may still contain events of a removed watch.
                if mask & UInt32(IN_Q_OVERFLOW) != 0 { concerns = true }
                if let names = names[watch], names.contains(name) || mask & Self.lost != 0 { concerns = true }
                offset = end
            }
        }
        return concerns
    }
    #else
    var descriptor: Int32? { nil }
    mutating func set(_ entries: [LinkedFile.Entry]) {}
    mutating func hear() -> Bool { false }
    #endif
}
