public import EventIO

/// A small HTTP/1.1 server for the pages that this program serves itself: the playground and the inspector. Never on
/// the data path.
///
/// *Threading*: created and used on its loop. *Ownership*: owns the listening socket.
public final class LocalServer {
    /// The limit for a collected body.
    static let maxBody = 8 << 20
    /// How many bytes of a streamed response may be pending.
    public static let maxPending = 1 << 20
    /// Below this number there is room again.
    public static let lowPending = 64 * 1024
    let loop: EventLoop
    /// How long a client may take for a request's head, and without sending or accepting anything when it is its turn.
    let period: Duration
    private let socket: ListeningSocket
    private var listener: SocketListener?
    private let maxConnections: Int
    private let admits: (Int32) -> Bool
    private var connections: [ObjectIdentifier: LocalConnection] = [:]
    /// A connection that was accepted when there was no room. No other is accepted meanwhile.
    private var waiting: Int32?
    private var ticks = 0
    let handler: any LocalHandler
    private var lastRequest = 0
    /// Work for the loop's next turn, outside of any caller's stack frame.
    private var due: [() -> Void] = []
    private lazy var turn = EventTimer(loop: loop) { [unowned self] in workOff() }

    /// `admits` decides about an accepted connection before anything is read from it. If there are `maxConnections`, a
    /// new one replaces the one that has been silent for longest, or waits for one to end.
    public init(
        loop: EventLoop,
        socket: ListeningSocket,
        handler: any LocalHandler,
        maxConnections: Int = 4096,
        period: Duration = .seconds(60),
        admits: @escaping (Int32) -> Bool = { _ in true }
    ) {
        self.loop = loop
        self.socket = socket
        self.handler = handler
        self.period = period
        self.maxConnections = maxConnections
        self.admits = admits
        listener = SocketListener(loop: loop, socket: socket) { [unowned self] descriptor in
            guard waiting == nil, admits(descriptor) else { return SocketIO.close(descriptor) }
            SocketIO.disableDelay(descriptor)
            if connections.count >= maxConnections { closeTheMostSilent() }
            guard connections.count >= maxConnections else { return start(descriptor) }
            waiting = descriptor
            listener?.suspend()
        }
    }

    private func start(_ descriptor: Int32) {
        let connection = LocalConnection(server: self, descriptor: descriptor)
        connections[ObjectIdentifier(connection)] = connection
        connection.start()
    }

    /// Closes the connections that would not be admitted any more.
    public func closeUnadmitted() {
        for connection in Array(connections.values) where !admits(connection.descriptor) { connection.close() }
        guard let descriptor = waiting, !admits(descriptor) else { return }
        waiting = nil
        SocketIO.close(descriptor)
        listener?.resume()
    }

    private func closeTheMostSilent() {
        connections.values.filter { !$0.isBusy }.min { $0.idleSince < $1.idleSince }?.close()
    }

    /// The number of open connections.
    public var connectionCount: Int { connections.count }

    /// Connections whose request was read and whose response is not written yet.
    public var busyCount: Int { connections.values.count { $0.isBusy } }

    /// A logical clock: later moments get higher numbers.
    func tick() -> Int {
        ticks += 1
        return ticks
    }

    func nextRequest() -> Int {
        lastRequest += 1
        return lastRequest
    }

    func connectionClosed(_ connection: LocalConnection) {
        connections[ObjectIdentifier(connection)] = nil
        guard connections.count < maxConnections, let next = waiting else { return }
        waiting = nil
        start(next)
        listener?.resume()
    }

    func soon(_ work: @escaping () -> Void) {
        due.append(work)
        turn.arm(nanoseconds: 0)
    }

    private func workOff() {
        let work = due
        due = []
        for item in work { item() }
    }

    /// Stops accepting and closes all connections.
    public func stop() {
        listener = nil
        if let waiting { SocketIO.close(waiting) }
        waiting = nil
        for connection in Array(connections.values) { connection.close() }
        turn.cancel()
        due = []
        socket.close()
    }
}
