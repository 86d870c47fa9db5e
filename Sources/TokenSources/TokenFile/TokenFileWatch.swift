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

/// Watches directory entries. Reports nothing where `DirectoryEvents` do not exist.
struct DirectoryWatches: ~Copyable {
    /// Nil if the system has no more of them.
    private var events = DirectoryEvents()
    /// The watched names in each directory, by watch.
    private var names: [Int32: Set<String>] = [:]

    /// Becomes readable when there are events.
    var descriptor: Int32? {
        switch events {
        case .some(let events): events.descriptor
        case .none: nil
        }
    }

    /// Replaces the watched entries.
    mutating func set(_ entries: [LinkedFile.Entry]) {
        var next: [Int32: Set<String>] = [:]
        for entry in entries {
            guard let watch = events?.watch(entry.directory) ?? nil else { continue }
            next[watch, default: []].insert(entry.name)
        }
        for watch in names.keys where next[watch] == nil { events?.endWatch(watch) }
        names = next
    }

    /// Reads the events that are waiting. True if one concerns a watched entry.
    mutating func hear() -> Bool {
        let heard = events?.read() ?? []
        return heard.contains { event in
            // The queue may still contain events of a removed watch.
            let names = names[event.watch]
            return event.hasOverflowed || names?.contains(event.name) ?? false
                || names != nil && event.hasLostDirectory
        }
    }
}
