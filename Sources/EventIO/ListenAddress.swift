/// An address to accept connections on: a configured one, or that of a bound socket.
public enum ListenAddress: Sendable, Equatable, CustomStringConvertible {
    /// A host name or address, and a port. Port 0 asks for a free one. A bound socket has a numeric address and its
    /// actual port.
    case tcp(host: String, port: Int)
    case unix(path: String)

    /// `HOST:PORT`, or `unix:PATH`.
    public var description: String {
        switch self {
        case .tcp(let host, let port): SocketAddress(host: host, port: port).description
        case .unix(let path): UnixSpelling.text(path)
        }
    }

    /// The address for clients: `http://HOST:PORT`, or `unix:PATH`, which is not a URL.
    public var url: String {
        switch self {
        case .tcp: "http://\(description)"
        case .unix: description
        }
    }
}
