import EventIO
import HTTP1
import Upstream

/// One event loop's client connections. Workers share the listener's sockets, the session and nothing else.
///
/// The worker performs deferred work when a turn of the loop ends, at the bottom of the stack: see `turnEnded`.
///
/// *Threading*: created and used on its loop.
final class Worker {
    private let resources: WorkerResources
    private var context: WorkerContext
    private var formerPools = FormerPools()
    /// The counters of all workers, including this one's.
    private let allCounters: [Counters]
    /// Indexed by slot; nil for a free slot.
    private var connections: [ClientConnection?] = []
    private var freeSlots: [Int] = []
    private var count = 0
    private var whenEmpty: (() -> Void)?

    /// `counters` are those of all workers; this one's are at `index`.
    init(
        loop: EventLoop,
        context: ProxyContext,
        counters: [Counters],
        generations: GenerationTable,
        names: WorkerNames,
        index: Int
    ) {
        resources = WorkerResources(
            loop: loop,
            counters: counters[index],
            generations: generations,
            names: names,
            index: index,
            workers: counters.count
        )
        allCounters = counters
        self.context = WorkerContext(context, pool: Self.makePool(resources, context))
        loop.turnStarted = { [unowned self] in turnStarted() }
        loop.turnEnded = { [unowned self] in turnEnded() }
    }

    static let maxIdleUpstreams = 256

    private static func makePool(_ resources: WorkerResources, _ context: ProxyContext) -> UpstreamPool {
        UpstreamPool(
            resources,
            settings: context.configuration.upstreamSettings,
            maxIdle: maxIdle(context),
            maxIdleTime: context.configuration.timeouts.idle
        )
    }

    private static func maxIdle(_ context: ProxyContext) -> Int {
        min(context.configuration.limits.connections, maxIdleUpstreams)
    }

    // MARK: Connections

    /// Takes over an accepted connection.
    func adopt(_ descriptor: Int32, from listener: ListenerKind, origin: ConnectionOrigin = .client) {
        let configuration = context.proxy.configuration
        guard !resources.isDraining else { return SocketIO.close(descriptor) }
        let clients = allCounters.reduce(0) { $0 + $1.clients }
        guard clients < configuration.limits.connections else {
            return refuse(descriptor, .overloaded)
        }
        // A connection of the inspector comes from this process.
        if configuration.access.sameUser, case .client = origin {
            let peer = PeerUsers.shared.peer(of: descriptor, isUnixSocket: listener == .unix)
            // Who only looks whether somebody listens asked for nothing.
            if case .gone = peer, !SocketIO.hasInput(descriptor) { return SocketIO.close(descriptor) }
            if var refusal = peer.refusal {
                if case .user(let user) = peer { refusal.evidence = "user \(user)" }
                return refuse(descriptor, refusal)
            }
        }
        SocketIO.disableDelay(descriptor)
        let slot = freeSlots.popLast() ?? connections.count
        let connection = ClientConnection(
            descriptor,
            from: listener,
            slot: slot,
            origin: origin,
            resources: resources,
            context: context
        )
        if slot == connections.count { connections.append(connection) } else { connections[slot] = connection }
        count += 1
        resources.counters.set(.clients, count)
        connection.start()
    }

    /// Best effort: writes the response without blocking, then closes.
    private func refuse(_ descriptor: Int32, _ problem: Problem) {
        let scratch = resources.scratch
        scratch.clear()
        let date = resources.date(context.proxy.clock)
        let bytes = OwnResponse(method: .get, date: date, closes: true).append(problem, to: scratch)
        let name = ClientName(number: resources.nextConnection(), origin: .client)
        var refusal = WorkerResources.Refusal(problem: problem, client: name, responseBytes: bytes)
        refusal.answer = scratch.readable
        resources.reportRefusal(refusal, to: context.proxy.observer)
        _ = SocketIO.write(descriptor, scratch.readable)
        SocketIO.shutdownWriting(descriptor)
        // The bytes that the client has already sent must be read; otherwise closing resets the connection and discards
        // the response.
        scratch.clear()
        _ = SocketIO.read(descriptor, into: scratch.writable(minimum: 4096))
        scratch.clear()
        SocketIO.close(descriptor)
    }

    // MARK: The turn's start and end

    /// Begins the requests that were read in the turn before. The loop has looked at all descriptors since, so it takes
    /// no system call to know that an idle upstream connection has not ended, up to the moment at which the request was
    /// there.
    private func turnStarted() {
        var next = 0
        while next < resources.arrivedConnections.count {
            connections[resources.arrivedConnections[next]]?.turnStarted()
            next += 1
        }
        resources.clearArrivedConnections()
    }

    /// Performs the deferred work of a turn: ends exchanges, writes their responses, begins the next ones, and gives
    /// connections to waiters. Each of these may defer further work, so it continues until nothing is left. That ends,
    /// because each client has at most one buffer of requests, and each request one connection.
    private func turnEnded() {
        repeat {
            var next = 0
            while next < resources.dueConnections.count {
                call(slot: resources.dueConnections[next])
                next += 1
            }
            resources.clearDueConnections()
            if !resources.duePools.isEmpty {
                for pool in resources.takeDuePools() { pool.turnEnded() }
            }
        } while !resources.dueConnections.isEmpty || !resources.duePools.isEmpty
        resources.counters.set(.upstreams, context.pool.connectionCount + formerPools.connectionCount)
        if resources.recordingGate.hasNews { resources.recorder?.turnEnded() }
        if resources.isDraining, count == 0 { finishDraining() }
    }

    private func call(slot: Int) {
        guard let connection = connections[slot] else { return }
        if !connection.isClosed { connection.turnEnded() }
        guard connection.isClosed else { return }
        connections[slot] = nil
        freeSlots.append(slot)
        count -= 1
        resources.counters.set(.clients, count)
    }

    // MARK: Changes

    /// New exchanges follow `context` from now on.
    func reconfigure(_ proxy: ProxyContext) {
        let former = context.proxy.configuration
        let settings = proxy.configuration.upstreamSettings
        // The files may have other contents now, such as a new certificate.
        let keepsPool = settings == former.upstreamSettings && !settings.namesFiles
        if keepsPool {
            context.pool.limit(maxIdle: Self.maxIdle(proxy), maxIdleTime: proxy.configuration.timeouts.idle)
        } else {
            context.pool.closeAll()
            formerPools.add(context.pool)
        }
        let pool = keepsPool ? context.pool : Self.makePool(resources, proxy)
        context = WorkerContext(proxy, pool: pool, former: context)
        for connection in connections { connection?.reconfigure(context) }
        guard proxy.configuration.access.sameUser, !former.access.sameUser else { return }
        for connection in connections { connection?.endForOtherUser() }
    }

    /// Closes idle connections now and the others after their response. `begun` receives the remaining work;
    /// `completion` is called when it is done.
    func drain(begun: (ProxyServer.Remainder) -> Void, completion: @escaping () -> Void) {
        // What has been read is still served.
        turnStarted()
        resources.isDraining = true
        whenEmpty = completion
        for connection in connections { connection?.drain() }
        var remainder = ProxyServer.Remainder()
        for case let connection? in connections where !connection.isClosed {
            if connection.isExchanging { remainder.exchanges += 1 } else { remainder.connections += 1 }
        }
        begun(remainder)
        if count == 0 { finishDraining() }
    }

    private func finishDraining() {
        context.pool.closeAll()
        let completion = whenEmpty
        whenEmpty = nil
        completion?()
    }

    /// Ends everything that is left, at once. No turn's end is reported any more.
    func stop() {
        for connection in connections { connection?.stop() }
        connections = []
        resources.loop.turnStarted = nil
        resources.loop.turnEnded = nil
        resources.dropRunners()
        _ = resources.takeDuePools()
        context.pool.closeAll()
        resources.recorder?.turnEnded()
    }
}
