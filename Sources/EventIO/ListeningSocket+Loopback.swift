import Platform

extension ListeningSocket {
    /// How many ports are tried to find one that is free at both addresses.
    private static let maximumTries = 100

    /// Binds 127.0.0.1 and ::1 at one port, which `localhost` means to some tools and to others; port 0 takes one that
    /// is free at both. An address of a family that this machine does not have is left out. Throws `SystemError` if the
    /// port is taken at either: half of a name is nobody's.
    public static func loopback(port: Int) throws -> [ListeningSocket] {
        for _ in 1..<maximumTries {
            do {
                return try pair(port: port)
            } catch let error as SystemError where port == 0 && error.code == EADDRINUSE {
                // Another's at the second address: the next free port is another one.
                continue
            }
        }
        return try pair(port: port)
    }

    private static func pair(port: Int) throws -> [ListeningSocket] {
        var sockets: [ListeningSocket] = []
        var port = port
        var missing: SystemError?
        for host in ["127.0.0.1", "::1"] {
            do {
                let socket = try tcp(host: host, port: port)
                sockets.append(socket)
                if case .tcp(_, let bound) = socket.name { port = bound }
            } catch let error as SystemError where [EAFNOSUPPORT, EADDRNOTAVAIL].contains(error.code) {
                missing = error
            } catch {
                for socket in sockets { socket.close() }
                throw error
            }
        }
        if sockets.isEmpty, let missing { throw missing }
        return sockets
    }
}
