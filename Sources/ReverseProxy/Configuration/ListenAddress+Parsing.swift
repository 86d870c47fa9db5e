public import EventIO
import HTTP1

extension ListenAddress {
    /// `HOST:PORT`, `unix:PATH`, or a port of this machine.
    public init?(_ text: String) {
        if !text.isEmpty, text.utf8.allSatisfy(Octet.isDigit) {
            guard let port = Int(text), port <= 65_535 else { return nil }
            self = .tcp(host: "localhost", port: port)
            return
        }
        if let path = UnixSpelling.path(text) {
            // Endpoints are printed one per line.
            guard !path.isEmpty, path.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else { return nil }
            self = .unix(path: path)
            return
        }
        guard let authority = Authority(text), let port = authority.port else { return nil }
        self = .tcp(host: authority.host, port: port)
    }

    /// Nil for a Unix socket.
    var port: Int? { if case .tcp(_, let port) = self { port } else { nil } }

    /// The name that clients may use for it, in addition to the loopback names: its address. Nil for a Unix socket, for a
    /// host name, which is not an address yet, and for "any address", by which a page could reach this machine.
    var ownName: Authority? {
        guard case .tcp(let host, let port) = self, host != "0.0.0.0", host != "::",
            host.contains(":") || host.utf8.allSatisfy({ Octet.isDigit($0) || $0 == UInt8(ascii: ".") })
        else { return nil }
        return Authority(host: host, port: port)
    }

    /// Only this machine can connect.
    public var isLocal: Bool {
        switch self {
        case .tcp(let host, _): Authority(host: host, port: nil).isLoopback
        case .unix: true
        }
    }
}
