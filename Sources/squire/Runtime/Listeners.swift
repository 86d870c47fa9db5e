import Credentials
import EventIO
import HTTP1
import Platform
import ReverseProxy
import Settings

/// Binds the configured addresses.
enum Listeners {
    private static let maximumTries = 100

    /// The sockets of one address of `listen`. `localhost` has one for each loopback address.
    struct Bound {
        let sockets: [ListeningSocket]
        /// What differs from the configured address: a socket is missing, or the port is another.
        var notices: [String] = []

        /// The address of the first socket.
        var address: ListenAddress { sockets[0].address }
    }

    /// Binds an address for clients. Throws an error that says what failed, who asked for the address, and what to do.
    /// `takesNextPort` tries the following ports if one is taken.
    static func bindAll(_ asked: AskedAddress, takesNextPort: Bool) throws -> Bound {
        let (bound, isMoved) = try search(asked, takesNextPort: takesNextPort) { address in
            guard case .tcp("localhost", let port) = address else { return Bound(sockets: [try bind(address)]) }
            let sockets = try ListeningSocket.loopback(port: port)
            guard sockets.count == 1, case .tcp(let host, _) = sockets[0].address else {
                return Bound(sockets: sockets)
            }
            let missing = host == "::1" ? "127.0.0.1" : "::1"
            return Bound(
                sockets: sockets,
                notices: ["localhost is \(host) only: this machine does not have \(missing)"]
            )
        }
        guard isMoved else { return bound }
        return Bound(sockets: bound.sockets, notices: bound.notices + [moved(asked, to: bound.address)])
    }

    /// Binds a single socket, as `bindAll` does, but to no port of `avoiding` except the requested one.
    static func bindOne(_ asked: AskedAddress, takesNextPort: Bool, avoiding: Set<Int> = []) throws -> Bound {
        let (socket, isMoved) = try search(asked, takesNextPort: takesNextPort) { address in
            if case .tcp(_, let port) = address, takesNextPort, address != asked.address, avoiding.contains(port) {
                throw SystemError("cannot listen on \(address)", code: EADDRINUSE)
            }
            return try bind(address)
        }
        return Bound(sockets: [socket], notices: isMoved ? [moved(asked, to: socket.address)] : [])
    }

    private static func moved(_ asked: AskedAddress, to address: ListenAddress) -> String {
        let what = asked.key == "listen" ? "the proxy" : "the inspector"
        guard case .tcp(_, let port) = address else { return "\(asked.address) is taken" }
        return "\(asked.address) is taken: \(what) is on port \(port)"
    }

    private static func bind(_ address: ListenAddress) throws -> ListeningSocket {
        switch address {
        case .tcp(let host, let port): try .tcp(host: host, port: port)
        case .unix(let path): try unix(path)
        }
    }

    /// Also creates the directory, with access for this user alone.
    private static func unix(_ path: String) throws -> ListeningSocket {
        // If the directory cannot be created, binding the socket reports why.
        try? ParentDirectory.make(for: path)
        return try .unix(path: path)
    }

    private static func search<Socket>(
        _ asked: AskedAddress,
        takesNextPort: Bool,
        _ bind: (ListenAddress) throws -> Socket
    ) throws -> (Socket, isMoved: Bool) {
        var address = asked.address
        for _ in 0..<maximumTries {
            do {
                return (try bind(address), address != asked.address)
            } catch let error as SystemError {
                if takesNextPort, error.code == EADDRINUSE, case .tcp(let host, let port) = address, port < 65_535 {
                    address = .tcp(host: host, port: port + 1)
                    continue
                }
                throw ExitFailure.inputOutput("squire: \(error.description)\(advice(error.code, asked))")
            }
        }
        throw ExitFailure.inputOutput("squire: no free port near \(asked.address). \(choice(asked))")
    }

    private static func advice(_ code: Int32, _ asked: AskedAddress) -> String {
        switch code {
        case EADDRINUSE: ". \(PortHolder.words(asked.address) ?? "Something") listens there already. \(choice(asked))"
        case EACCES: ". It is not allowed: ports below 1024 need privileges. \(choice(asked))"
        default: ". \(choice(asked))"
        }
    }

    /// Who asked for the address, and where to configure another.
    private static func choice(_ asked: AskedAddress) -> String {
        if let file = asked.oneOfSeveral {
            guard asked.source != nil else { return "It is \(asked.asker): set \(asked.key) there" }
            return "It was asked for by \(asked.asker): choose another in \(file)"
        }
        guard let source = asked.source, source != "--\(asked.key)" else {
            let who = asked.source == nil ? "It is the default of \(asked.key)" : "It was asked for by --\(asked.key)"
            return "\(who): choose another with --\(asked.key) ADDR"
        }
        return "It was asked for by \(asked.asker): choose another there, or with --\(asked.key) ADDR"
    }
}
