public import Credentials
public import EventIO
public import Platform
import Synchronization
import Threads

/// One proxy: its listeners and workers.
///
/// *Threading*: call `snapshot`, `generationCounts` and `adopt` on any thread, everything else on the thread that
/// created it; the workers have threads of their own.
public final class ProxyServer: Sendable {
    private let threads: [LoopThread]
    private let running: [LoopBound<Running>]
    private let counters: [Counters]
    private let generations: [GenerationTable]
    /// The worker for the next connection that was not accepted by a listener.
    private let nextAdopted = Atomic<Int>(0)
    private let sockets: Guarded<[ListeningSocket]>
    /// The actual addresses of the listeners.
    public let addresses: [ListenAddress]

    /// The objects that belong to one worker's loop.
    private struct Running {
        var worker: Worker?
        var listeners: [SocketListener] = []

        func adopt(_ descriptor: Int32, from listener: ListenerKind, origin: ConnectionOrigin = .client) {
            // The worker may have stopped meanwhile.
            guard let worker else { return SocketIO.close(descriptor) }
            worker.adopt(descriptor, from: listener, origin: origin)
        }
    }

    /// Starts accepting on `sockets`, and takes ownership of them unless it throws: if the process may have no more
    /// descriptors or threads. Records exchanges in `recordings`, which has room for that many workers; nil records
    /// nothing.
    public init(
        context: ProxyContext,
        sockets: [ListeningSocket],
        workers: Int,
        recordings: Recordings? = nil
    ) throws(SystemError) {
        self.sockets = Guarded(sockets)
        addresses = sockets.map(\.address)
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

    /// The first worker accepts, and distributes the connections in turn.
    private func startListeners() {
        let (loop, sockets, running) = (threads[0].loop, sockets.with { $0 }, running)
        let loops = threads.map(\.loop)
        loop.execute {
            var next = 0
            for socket in sockets {
                let listener = ListenerKind(socket.address)
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

    /// New exchanges follow `context` from now on; running ones end as they began.
    public func reconfigure(_ context: ProxyContext) {
        for (thread, running) in zip(threads, running) {
            thread.loop.execute { running.value.worker?.reconfigure(context) }
        }
    }

    /// Takes one end of a socket pair as a client's connection, with its ownership: the process's own user is the
    /// client. It counts and ends like any other.
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

    /// The counts of exchanges for each of the last 64 tokens; none without recordings. Any thread.
    public func generationCounts() -> [Generation: GenerationCounts] {
        generations.reduce(into: [:]) { $1.add(to: &$0) }
    }

    /// The counts of all workers. Any thread.
    public func snapshot() -> Counters.Snapshot {
        counters.reduce(into: Counters.Snapshot()) { $0.add($1.snapshot()) }
    }

    /// The work that a stop waits for.
    public struct Remainder: Sendable {
        /// Running exchanges.
        public var exchanges = 0
        /// Clients' connections that are still open and have no exchange.
        public var connections = 0

        public var isEmpty: Bool { exchanges == 0 && connections == 0 }
    }

    /// Stops accepting and lets running exchanges end. Calls `completion`, on any thread, when the last has ended.
    /// Before that calls `waits`, once, with the remaining work, if there is any.
    public func drain(
        waits: @escaping @Sendable (Remainder) -> Void,
        completion: @escaping @Sendable () -> Void
    ) {
        // Removes the names of Unix sockets first: nobody may connect to a socket that nobody answers.
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

    /// Ends everything that is left, including the threads.
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

    /// Closes the sockets together with the listeners, so that new clients are refused at once and another process may
    /// have the port. On the worker's loop; only the first one has any.
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
