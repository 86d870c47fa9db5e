import EventIO
import HTTP1
import Platform
import ReverseProxy

/// A blocking HTTP client for a listener on this machine, with one connection and one request at a time. The listener
/// is not trusted: everything is limited.
final class LocalClient {
    enum Failure: Error {
        case notConnected
        /// No answer in time, or one that is not HTTP.
        case noAnswer
    }

    struct Response {
        var status: Int
        var body: [UInt8]
    }

    private let socket: FileDescriptor
    private let isUnixSocket: Bool
    private let host: String
    private let timeout: Duration
    /// In nanoseconds of `MonotonicClock`. Also ends a response that arrives byte by byte.
    private var deadline: UInt64 = 0
    private let input = ByteBuffer(capacity: 16 * 1024)
    private static let maximumBody = 4 << 20

    /// `timeout` limits the connection attempt and each response.
    init(_ address: ListenAddress, timeout: Duration) throws(Failure) {
        let descriptor: Int32
        self.timeout = timeout
        switch address {
        case .tcp(let host, let port):
            isUnixSocket = false
            self.host = SocketAddress(host: host, port: port).description
            descriptor = Self.connect(host: host, port: port, timeout)
        case .unix(let path):
            isUnixSocket = true
            host = "localhost"
            descriptor = Self.connect(path: path, timeout)
        }
        guard descriptor >= 0 else { throw .notConnected }
        socket = FileDescriptor(owning: descriptor)
    }

    /// Whether the listener belongs to this user. Call after its first response: before it accepts the connection, the
    /// system does not know the owner.
    var isOwn: Bool {
        PeerUsers.shared.peer(of: socket.number, isUnixSocket: isUnixSocket) == .user(geteuid())
    }

    func request(
        _ method: MethodName,
        _ target: String,
        fields: [(name: String, value: String)] = [],
        body: [UInt8] = []
    ) throws(Failure) -> Response {
        deadline = MonotonicClock.now() &+ timeout.nanoseconds
        let line = method == .post ? "POST" : "GET"
        var head = "\(line) \(target) HTTP/1.1\r\nHost: \(host)\r\n"
        for field in fields { head += "\(field.name): \(field.value)\r\n" }
        if method == .post { head += "Content-Length: \(body.count)\r\n" }
        guard sendAll(Array((head + "\r\n").utf8) + body) else { throw .noAnswer }
        return try read(answering: method)
    }

    private func sendAll(_ bytes: [UInt8]) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { bytes in
                SystemCall.retrying { send(socket.number, bytes.baseAddress, bytes.count, SystemConstant.noSignal) }
            }
            guard count > 0 else { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }

    private func read(answering method: MethodName) throws(Failure) -> Response {
        var parser = ResponseParser(limits: HeadLimits())
        var head = ResponseHead()
        while true {
            switch parser.parse(input.octets.span, answering: method, into: &head) {
            case .incomplete: try readMore()
            case .failed: throw .noAnswer
            case .complete(let length):
                input.consume(length)
                guard head.isInterim else { return Response(status: head.status, body: try readBody(head.framing)) }
            }
        }
    }

    private func readBody(_ framing: MessageFraming) throws(Failure) -> [UInt8] {
        var reader = BodyReader(framing)
        var body: [UInt8] = []
        while true {
            var offset = 0
            stepping: while true {
                switch reader.next(input.octets.span, from: offset) {
                case .data(let range):
                    offset = Int(range.upperBound)
                    body += input.octets[Int(range.lowerBound)..<offset]
                    guard body.count <= Self.maximumBody else { throw .noAnswer }
                case .needsMore(let end):
                    input.consume(end)
                    break stepping
                case .finished(let end):
                    input.consume(end)
                    return body
                case .failed: throw .noAnswer
                }
            }
            try readMore()
        }
    }

    private func readMore() throws(Failure) {
        let count = SystemCall.read(socket.number, into: input.writable(minimum: 16 * 1024))
        guard count > 0, MonotonicClock.now() < deadline else { throw .noAnswer }
        input.commit(count)
    }

    // MARK: Connecting

    /// Returns the descriptor, or -1 if nobody listens.
    private static func connect(host: String, port: Int, _ timeout: Duration) -> Int32 {
        var hints = addrinfo()
        hints.ai_flags = AI_NUMERICSERV
        hints.ai_socktype = SystemConstant.streamSocket
        hints.ai_family = AF_UNSPEC
        var results: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(host, String(port), &hints, &results) == 0, let first = results else { return -1 }
        defer { freeaddrinfo(results) }
        for entry in sequence(first: first, next: { $0.pointee.ai_next }).map(\.pointee) {
            let descriptor = open(entry.ai_family, timeout)
            guard descriptor >= 0 else { continue }
            if Platform.connect(descriptor, entry.ai_addr, entry.ai_addrlen) == 0 { return descriptor }
            _ = close(descriptor)
        }
        return -1
    }

    private static func connect(path: String, _ timeout: Duration) -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        guard path.utf8.count < MemoryLayout.size(ofValue: address.sun_path) else { return -1 }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let descriptor = open(AF_UNIX, timeout)
        guard descriptor >= 0 else { return -1 }
        let status = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Platform.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        if status == 0 { return descriptor }
        _ = close(descriptor)
        return -1
    }

    /// A socket whose calls time out after `timeout`.
    private static func open(_ family: Int32, _ timeout: Duration) -> Int32 {
        let descriptor = Platform.socket(family, SystemConstant.streamSocket, 0)
        guard descriptor >= 0 else { return -1 }
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        var limit = timeval()
        limit.tv_sec = .init(max(1, timeout.components.seconds))
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            setsockopt(descriptor, SOL_SOCKET, option, &limit, socklen_t(MemoryLayout<timeval>.size))
        }
        return descriptor
    }
}
