import EventIO
import ReverseProxy
import ServiceManager
import Settings

/// The sockets that a service manager has passed for a proxy and its inspector.
struct InheritedSockets {
    var proxy: [ListeningSocket] = []
    var inspector: ListeningSocket?
    /// What they are bound to, and who may connect, looked at now: a file's mode may change.
    var addresses: InheritedAddresses {
        InheritedAddresses(proxy: proxy.map(Self.address), inspector: inspector.map(Self.address))
    }
    /// What to say of sockets that are not used; nil if there are none.
    var notice: String?

    /// None.
    init() {}

    /// Throws, as a configuration's mistakes, what no client can be accepted from.
    init(_ environment: ServiceEnvironment) throws(ConfigurationError) {
        switch environment.activation {
        case .none, .passed: break
        case .foreign(let process):
            notice =
                "the sockets of LISTEN_FDS are not used: they are for the process \(process) (LISTEN_PID), not for this "
                + "one. Start squire by exec where a script starts it"
        case .malformed(let variable, let detail):
            throw ConfigurationError([.init(source: variable, message: detail)])
        }
        var issues: [ConfigurationError.Issue] = []
        for one in environment.sockets {
            switch one.socket {
            case .failure(let unfit):
                issues.append(
                    .init(source: InheritedAddresses.source, message: "descriptor \(one.descriptor) \(unfit)")
                )
            case .success(let socket): add(socket, as: one.role)
            }
        }
        guard issues.isEmpty else { throw ConfigurationError(issues) }
    }

    private mutating func add(_ socket: ListeningSocket, as role: SocketActivation.Role) {
        switch role {
        case .proxy: proxy.append(socket)
        case .inspector: inspector = socket
        }
    }

    private static func address(_ socket: ListeningSocket) -> InheritedAddresses.Address {
        let bound: ListenAddress =
            switch socket.name {
            case .tcp(let host, let port): .tcp(host: host, port: port)
            case .unix(let path): .unix(path: path)
            }
        return .init(bound, descriptor: socket.descriptor, admitsOtherUsers: socket.admitsOtherUsers)
    }
}
