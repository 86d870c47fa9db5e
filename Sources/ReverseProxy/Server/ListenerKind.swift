public import EventIO
import HTTP1

/// How far away the clients of a listener can be.
public enum ListenerKind: Sendable {
    /// A Unix socket.
    case unix
    /// An address of this machine's loopback interface.
    case loopback
    /// Any other address.
    case network

    public init(_ address: ListenAddress) {
        switch address {
        case .unix: self = .unix
        case .tcp(let host, _): self = Authority(host: host, port: nil).isLoopback ? .loopback : .network
        }
    }
}
