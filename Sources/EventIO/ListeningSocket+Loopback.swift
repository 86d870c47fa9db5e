import Platform

extension ListeningSocket {
    /// How many ports are tried to find one that is free on both addresses.
    private static let maximumTries = 100

    /// Binds 127.0.0.1 and ::1 to the same port, because tools resolve `localhost` to either; port 0 takes one that is
    /// free on both. Skips an address whose family the machine does not have. Throws `SystemError` if the port is taken
    /// on either address: half of a name would belong to somebody else.
    public static func loopback(port: Int) throws -> [ListeningSocket] {
        for _ in 1..<maximumTries {
            do {
                return try pair(port: port)
            } catch let error as SystemError where port == 0 && error.code == EADDRINUSE {
                // Another socket has the port on the second address: try the next port.
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
                if case .tcp(_, let bound) = socket.address { port = bound }
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
