public import EventIO

/// A small HTTP/1.1 server for what this program serves itself: the playground and the inspector. Never on the data
/// path.
///
/// *Threading*: made and used on its loop. *Ownership*: owns the listening socket.
public final class LocalServer {
    /// What a collected body may be.
    static let maxBody = 8 << 20
    /// How many bytes of a streamed response may wait for its client.
    public static let maxPending = 1 << 20
    /// Below that many there is room again.
    public static let lowPending = 64 * 1024
    let loop: EventLoop
    /// How long a client has for a request's head, and to move something while bytes are its to send or to take.
    let period: Duration
    private let socket: ListeningSocket
    private var listener: SocketListener?
    private var connections: [ObjectIdentifier: LocalConnection] = [:]
    let handler: any LocalHandler
    private var lastRequest = 0
    /// What is done in the loop's next turn, outside of anybody's call.
    private var due: [() -> Void] = []
    private lazy var turn = EventTimer(loop: loop) { [unowned self] in workOff() }

    /// `admits` decides about a connection that was accepted, before anything is read from it.
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
        listener = SocketListener(loop: loop, socket: socket) { [unowned self] descriptor in
            guard connections.count < maxConnections, admits(descriptor) else { return SocketIO.close(descriptor) }
            SocketIO.disableDelay(descriptor)
            let connection = LocalConnection(server: self, descriptor: descriptor)
            connections[ObjectIdentifier(connection)] = connection
            connection.start()
        }
    }

    /// Connections that are open.
    public var connectionCount: Int { connections.count }

    func nextRequest() -> Int {
        lastRequest += 1
        return lastRequest
    }

    func connectionClosed(_ connection: LocalConnection) {
        connections[ObjectIdentifier(connection)] = nil
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

    /// Stops accepting and ends all connections.
    public func stop() {
        listener = nil
        for connection in Array(connections.values) { connection.close() }
        turn.cancel()
        due = []
        socket.close()
    }
}
