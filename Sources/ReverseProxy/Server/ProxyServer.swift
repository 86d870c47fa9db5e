public import Credentials
public import EventIO
public import Platform
import Synchronization
import Threads

/// One proxy: its listeners and workers.
///
/// *Threading*: `snapshot`, `generationCounts` and `adopt` from any thread, everything else from the thread that made it; the workers run on threads of
/// their own.
public final class ProxyServer: Sendable {
    private let threads: [LoopThread]
    private let running: [LoopBound<Running>]
    private let counters: [Counters]
    private let generations: [GenerationTable]
    /// Which worker takes the next connection that is not accepted.
    private let nextAdopted = Atomic<Int>(0)
    private let sockets: Guarded<[ListeningSocket]>
    /// What the listeners are really bound to.
    public let names: [ListeningSocket.Name]

    /// What runs on one worker's loop.
    private struct Running {
        var worker: Worker?
        var listeners: [SocketListener] = []

        func adopt(_ descriptor: Int32, from listener: ListenerKind, origin: ConnectionOrigin = .client) {
            // It may have been dealt to a worker that has stopped meanwhile.
            guard let worker else { return SocketIO.close(descriptor) }
            worker.adopt(descriptor, from: listener, origin: origin)
        }
    }

    /// Starts accepting on `sockets`, which it owns from now on, unless it throws: when the process may have no more
    /// descriptors or threads. Exchanges are recorded in `recordings`, which has room for that many workers; nil
    /// records nothing.
    public init(
        context: ProxyContext,
        sockets: [ListeningSocket],
        workers: Int,
        recordings: Recordings? = nil
    ) throws(SystemError) {
        self.sockets = Guarded(sockets)
        names = sockets.map(\.name)
        var threads: [LoopThread] = []
        for index in 0..<max(1, workers) {
            do throws(SystemError) {
                threads.append(try LoopThread(name: "squire-worker\(index)"))
            } catch {
                for thread in threads { thread.stop() }
                throw error
            }
        }
        self.threads = threads
        running = threads.map { LoopBound(Running(), loop: $0.loop) }
        counters = threads.map { _ in Counters() }
        generations = threads.map { _ in GenerationTable() }
        let names = WorkerNames(recordings: recordings, spare: ExchangeID.prefixes(threads.count))
        for (index, thread) in threads.enumerated() {
            let (loop, running, counters, generations) = (thread.loop, running[index], counters, generations[index])
            loop.execute {
                running.value.worker = Worker(
                    loop: loop,
                    context: context,
                    counters: counters,
                    generations: generations,
                    names: names,
                    index: index
                )
            }
        }
        startListeners()
    }

    /// The first worker accepts and deals the connections out in turn.
    private func startListeners() {
        let (loop, sockets, running) = (threads[0].loop, sockets.with { $0 }, running)
        let loops = threads.map(\.loop)
        loop.execute {
            var next = 0
            for socket in sockets {
                let listener = ListenerKind(socket.name)
                running[0].value.listeners.append(
                    SocketListener(loop: loop, socket: socket) { descriptor in
                        let index = next
                        next = (next + 1) % running.count
                        let chosen = running[index]
                        if index == 0 {
                            chosen.value.adopt(descriptor, from: listener)
                        } else {
                            loops[index].execute { chosen.value.adopt(descriptor, from: listener) }
                        }
                    }
                )
            }
        }
    }

    /// From now on new exchanges follow `context`; running ones end as they began.
    public func reconfigure(_ context: ProxyContext) {
        for (thread, running) in zip(threads, running) {
            thread.loop.execute { running.value.worker?.reconfigure(context) }
        }
    }

    /// Takes one end of a socket pair as a client's connection, which it owns from now on: the process's own user
    /// speaks on it. Counts and ends like any other.
    public func adopt(_ descriptor: Int32, origin: ConnectionOrigin) {
        SocketIO.setNonBlocking(descriptor)
        let index = nextAdopted.wrappingAdd(1, ordering: .relaxed).oldValue
        let chosen = Int(UInt(bitPattern: index) % UInt(running.count))
        let (running, owned) = (running[chosen], OwnedDescriptor(descriptor))
        threads[chosen].loop.execute {
            guard let descriptor = owned.take() else { return }
            running.value.adopt(descriptor, from: .unix, origin: origin)
        }
    }

    /// What came of exchanges under each of the last 64 tokens; nothing without recordings. Any thread.
    public func generationCounts() -> [Generation: GenerationCounts] {
        generations.reduce(into: [:]) { $1.add(to: &$0) }
    }

    /// All workers' counts. Any thread.
    public func snapshot() -> Counters.Snapshot {
        counters.reduce(into: Counters.Snapshot()) { $0.add($1.snapshot()) }
    }

    /// What a stop waits for.
    public struct Remainder: Sendable {
        /// Those that run.
        public var exchanges = 0
        /// Clients' that have no exchange any more, and are not closed yet.
        public var connections = 0

        public var isEmpty: Bool { exchanges == 0 && connections == 0 }
    }

    /// Stops accepting and lets running exchanges end; `completion` is called, on any thread, when the last has. Before
    /// that `waits` is told, once, what is waited for, if anything is.
    public func drain(
        waits: @escaping @Sendable (Remainder) -> Void,
        completion: @escaping @Sendable () -> Void
    ) {
        // A Unix socket's name goes first: nobody may connect to what nobody answers.
        for socket in sockets.with({ $0 }) { socket.removeName() }
        let remaining = Countdown(running.count, completion: completion)
        let remainder = Guarded(Remainder())
        let asked = Countdown(running.count) {
            let remainder = remainder.with { $0 }
            if !remainder.isEmpty { waits(remainder) }
        }
        for (thread, running) in zip(threads, running) {
            thread.loop.execute { [self] in
                endListeners(of: running)
                running.value.worker?.drain { part in
                    remainder.with {
                        $0.exchanges += part.exchanges
                        $0.connections += part.connections
                    }
                    asked.countDown()
                } completion: {
                    remaining.countDown()
                }
            }
        }
    }

    /// Ends everything that is left, and the threads.
    public func stop() {
        for (thread, running) in zip(threads, running) {
            thread.loop.execute { [self] in
                endListeners(of: running)
                running.value.worker?.stop()
                running.value.worker = nil
            }
            thread.stop()
        }
    }

    /// Closes the sockets with the listeners, so that whoever comes now is refused at once, and another process may have
    /// the port. On the worker's loop; only the first has any.
    private func endListeners(of running: LoopBound<Running>) {
        guard !running.value.listeners.isEmpty else { return }
        running.value.listeners = []
        let closed = sockets.with { sockets in
            defer { sockets = [] }
            return sockets
        }
        for socket in closed { socket.close() }
    }
}
