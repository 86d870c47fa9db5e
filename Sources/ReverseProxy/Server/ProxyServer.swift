public import EventIO
import Threads

/// One proxy: its listeners and workers.
///
/// *Threading*: methods from the thread that made it; the workers run on threads of their own.
public final class ProxyServer {
    private let threads: [LoopThread]
    private let boxes: [WorkerBox]
    private let counters: [Counters]
    private let sockets: [ListeningSocket]
    /// What the listeners are really bound to.
    public let names: [ListeningSocket.Name]

    /// Lets a worker be named on other threads; it is touched on its loop only.
    private final class WorkerBox: @unchecked Sendable {
        // `@unchecked`: `worker` and `listeners` are made, used and released on the worker's loop.
        var worker: Worker?
        var listeners: [SocketListener] = []

        func adopt(_ descriptor: Int32, isUnixSocket: Bool) {
            // It may have been dealt to a worker that has stopped meanwhile.
            guard let worker else { return SocketIO.close(descriptor) }
            worker.adopt(descriptor, isUnixSocket: isUnixSocket)
        }
    }

    /// Starts accepting on `sockets`, which it owns from now on, unless it throws: when the process may have no more descriptors or threads.
    public init(context: ProxyContext, sockets: [ListeningSocket], workers: Int) throws(SystemError) {
        self.sockets = sockets
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
        boxes = threads.map { _ in WorkerBox() }
        counters = threads.map { _ in Counters() }
        for (index, thread) in threads.enumerated() {
            let (loop, box, counters) = (thread.loop, boxes[index], counters)
            loop.execute { box.worker = Worker(loop: loop, context: context, counters: counters, index: index) }
        }
        startListeners()
    }

    /// The first worker accepts and deals the connections out in turn.
    private func startListeners() {
        let (first, loop, sockets, boxes) = (boxes[0], threads[0].loop, sockets, boxes)
        let loops = threads.map(\.loop)
        loop.execute {
            var next = 0
            for socket in sockets {
                let isUnixSocket = if case .unix = socket.name { true } else { false }
                first.listeners.append(
                    SocketListener(loop: loop, socket: socket) { descriptor in
                        let index = next
                        next = (next + 1) % boxes.count
                        let box = boxes[index]
                        if index == 0 {
                            box.adopt(descriptor, isUnixSocket: isUnixSocket)
                        } else {
                            loops[index].execute { box.adopt(descriptor, isUnixSocket: isUnixSocket) }
                        }
                    }
                )
            }
        }
    }

    /// From now on new exchanges follow `context`; running ones end as they began.
    public func reconfigure(_ context: ProxyContext) {
        for (thread, box) in zip(threads, boxes) {
            thread.loop.execute { box.worker?.reconfigure(context) }
        }
    }

    /// All workers' counts. Any thread.
    public func snapshot() -> Counters.Snapshot {
        counters.reduce(into: Counters.Snapshot()) { $0.add($1.snapshot()) }
    }

    /// Stops accepting and lets running exchanges end; `completion` is called, on any thread, when the last has.
    public func drain(completion: @escaping @Sendable () -> Void) {
        // A Unix socket's name goes first: nobody may connect to what nobody answers.
        for socket in sockets { socket.removeName() }
        let remaining = Countdown(boxes.count, completion: completion)
        for (thread, box) in zip(threads, boxes) {
            thread.loop.execute {
                box.listeners = []
                box.worker?.drain { remaining.countDown() }
            }
        }
    }

    /// Ends everything that is left, and the threads.
    public func stop() {
        for (thread, box) in zip(threads, boxes) {
            thread.loop.execute {
                box.listeners = []
                box.worker?.stop()
                box.worker = nil
            }
            thread.stop()
        }
        for socket in sockets { socket.close() }
    }
}
