import EventIO
import HTTP1
import Platform
import ReverseProxy
import Settings

/// Binds the addresses that a configuration asks for.
enum Listeners {
    private static let maximumTries = 100

    /// Throws what is wrong, who asked for the address and what to do. `takesNextPort` goes on to the next port when
    /// one is taken, but never to one of `avoiding`.
    static func bind(
        _ asked: AskedAddress,
        takesNextPort: Bool,
        avoiding: Set<Int> = []
    ) throws -> ListeningSocket {
        var address = asked.address
        for _ in 0..<maximumTries {
            do {
                switch address {
                case .tcp(_, let port) where takesNextPort && address != asked.address && avoiding.contains(port):
                    throw SystemError("cannot listen on \(address)", code: EADDRINUSE)
                case .tcp(let host, let port): return try .tcp(host: host, port: port)
                case .unix(let path): return try .unix(path: path)
                }
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
        case EADDRINUSE: ". Something listens there already. \(choice(asked))"
        case EACCES: ". It is not allowed: ports below 1024 need privileges. \(choice(asked))"
        default: ". \(choice(asked))"
        }
    }

    /// Who asked, and where another address is named.
    private static func choice(_ asked: AskedAddress) -> String {
        guard let source = asked.source, source != "--\(asked.key)" else {
            let who = asked.source == nil ? "It is the default of \(asked.key)" : "It was asked for by --\(asked.key)"
            return "\(who): choose another with --\(asked.key) ADDR"
        }
        return "It was asked for by \(asked.asker): choose another there, or with --\(asked.key) ADDR"
    }
}
