import Platform
import Threads

/// Watches the session file, and what lies beside it for its place, for changes by any process, on a thread of its own:
/// see `DirectoryEvents`. Where that does not exist, there is no watch, and `Session.recheckFile` polls.
///
/// *Threading*: calls `changed` on its own thread. Call `stop` on any thread that holds no lock which `changed` takes.
public final class SessionFileWatch: Sendable {
    private let thread: StoppableThread

    /// How often to look for a missing directory, in milliseconds.
    private static let lookInterval: Int32 = 1000

    /// Nil if the system has no more watches, descriptors or threads.
    public init?(_ file: SessionFile, changed: @escaping @Sendable () -> Void) {
        guard let events = DirectoryEvents() else { return nil }
        try? file.makeDirectory()
        let thread = StoppableThread(name: "squire-watch") { stop in
            Self.run(events, stop: stop, file, changed)
        }
        guard let thread else { return nil }
        self.thread = thread
    }

    /// Ends the thread and waits for it, unless it is the calling thread. Call once.
    public func stop() { thread.stop() }

    private static func run(
        _ events: borrowing DirectoryEvents,
        stop: Int32,
        _ file: SessionFile,
        _ changed: () -> Void
    ) {
        var watch: Int32?
        while true {
            if watch == nil {
                watch = events.watch(file.directory)
                // The file may have changed before the watch began.
                if watch != nil { changed() }
            }
            var polled = [
                pollfd(fd: events.descriptor, events: Int16(POLLIN), revents: 0),
                pollfd(fd: stop, events: Int16(POLLIN), revents: 0),
            ]
            guard unsafe poll(&polled, 2, watch != nil ? -1 : lookInterval) >= 0 || errno == EINTR else { return }
            if polled[1].revents != 0 { return }
            // Those of a watch that has ended say nothing.
            let seen = events.read().filter { $0.hasOverflowed || $0.watch == watch }
            let hasLostDirectory = seen.contains(where: \.hasLostDirectory)
            if hasLostDirectory, let ended = watch {
                events.endWatch(ended)
                watch = nil
            }
            if hasLostDirectory || seen.contains(where: { $0.hasOverflowed || file.isPlace($0.name) }) { changed() }
        }
    }
}
