public import EventIO

/// A small HTTP/1.1 server for what this program serves itself: the playground and the inspector. Never on the data
/// path.
///
/// *Threading*: made and used on its loop. *Ownership*: owns the listening socket.
public final class LocalServer {
    /// What a collected body may be.
    static let maxBody = 8 << 20
    let loop: EventLoop
    private let socket: ListeningSocket
    private var listener: SocketListener?
    private var connections: [ObjectIdentifier: LocalConnection] = [:]
    let handler: any LocalHandler
    private var lastRequest = 0

    /// `admits` decides about a connection that was accepted, before anything is read from it.
    public init(
        loop: EventLoop,
        socket: ListeningSocket,
        handler: any LocalHandler,
        maxConnections: Int = 4096,
        admits: @escaping (Int32) -> Bool = { _ in true }
    ) {
        self.loop = loop
        self.socket = socket
        self.handler = handler
        listener = SocketListener(loop: loop, socket: socket) { [unowned self] descriptor in
            guard connections.count < maxConnections, admits(descriptor) else { return SocketIO.close(descriptor) }
            SocketIO.disableDelay(descriptor)
            let connection = LocalConnection(server: self, descriptor: descriptor)
            connections[ObjectIdentifier(connection)] = connection
            connection.start()
        }
    }

    func nextRequest() -> Int {
        lastRequest += 1
        return lastRequest
    }

    func connectionClosed(_ connection: LocalConnection) {
        connections[ObjectIdentifier(connection)] = nil
    }

    /// Stops accepting and ends all connections.
    public func stop() {
        listener = nil
        for connection in Array(connections.values) { connection.close() }
        socket.close()
    }
}
