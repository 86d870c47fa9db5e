import EventIO
import ReverseProxy
import ServiceManager
import Settings

/// The sockets that a service manager passed for a proxy and its inspector.
struct InheritedSockets {
    var proxy: [ListeningSocket] = []
    var inspector: ListeningSocket?
    /// The sockets' addresses, and who may connect. Evaluated at each call, because the mode of a socket's file may
    /// change.
    var addresses: InheritedAddresses {
        InheritedAddresses(proxy: proxy.map(Self.address), inspector: inspector.map(Self.address))
    }
    /// Why sockets were passed but are not used; nil if they are.
    var notice: String?

    /// No sockets.
    init() {}

    /// Throws if a descriptor cannot accept clients.
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
        .init(socket.address, descriptor: socket.descriptor, admitsOtherUsers: socket.admitsOtherUsers)
    }
}
