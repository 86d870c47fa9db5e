import Platform

/// A bound, listening, non-blocking descriptor, and its address.
///
/// *Ownership*: the holder of the value closes it with `close()`, which also removes the path of a Unix socket that was
/// bound here.
public struct ListeningSocket: Sendable {
    public let descriptor: Int32
    public let address: ListenAddress
    /// Of a Unix socket's file.
    private var identity: FileIdentity?

    private struct FileIdentity: Equatable {
        let device: dev_t
        let inode: ino_t

        init?(_ path: String) {
            var information = stat()
            guard lstat(path, &information) == 0 else { return nil }
            device = information.st_dev
            inode = information.st_ino
        }
    }

    private init(descriptor: Int32, address: ListenAddress) {
        self.descriptor = descriptor
        self.address = address
        if case .unix(let path) = address { identity = FileIdentity(path) }
    }

    /// A socket that another process has bound: its file, if any, is not ours to remove.
    init(inherited descriptor: Int32, address: ListenAddress) {
        self.descriptor = descriptor
        self.address = address
    }

    /// Room for bursts of connections; the kernel caps it at `net.core.somaxconn`.
    private static let backlog: Int32 = 4096

    /// Binds `host:port`; port 0 takes a free one. Throws `SystemError`.
    public static func tcp(host: String, port: Int) throws -> ListeningSocket {
        var hints = addrinfo()
        hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV
        hints.ai_family = AF_UNSPEC
        hints.ai_socktype = SystemConstant.streamSocket
        var results: UnsafeMutablePointer<addrinfo>?
        let bare = host.hasPrefix("[") && host.hasSuffix("]") ? String(host.dropFirst().dropLast()) : host
        let status = getaddrinfo(bare, String(port), &hints, &results)
        guard status == 0, let first = results else {
            throw SystemError("cannot listen on \(host): \(String(cString: gai_strerror(status)))", code: EINVAL)
        }
        defer { freeaddrinfo(results) }
        // `localhost` has two addresses; most tools that know only one know IPv4.
        let entries = sequence(first: first, next: { $0.pointee.ai_next }).map(\.pointee)
        let entry = entries.first { $0.ai_family == AF_INET } ?? entries[0]

        let descriptor = socket(entry.ai_family, entry.ai_socktype, 0)
        guard descriptor >= 0 else { throw SystemError("cannot make a socket") }
        do {
            var on: Int32 = 1
            // Never SO_REUSEPORT: another process must not be able to share the port.
            setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
            guard bind(descriptor, entry.ai_addr, entry.ai_addrlen) == 0 else {
                throw SystemError("cannot listen on \(SocketAddress(host: bare, port: port))")
            }
            try startListening(descriptor)
            let bound = SocketAddress.local(of: descriptor)
            return ListeningSocket(
                descriptor: descriptor,
                address: .tcp(host: bound?.host ?? host, port: bound?.port ?? port)
            )
        } catch {
            _ = Platform.close(descriptor)
            throw error
        }
    }

    /// Binds a Unix socket that only this user can connect to (0600 from its first moment).
    ///
    /// Replaces a stale socket at the path. Leaves a live one, or any other kind of file, alone.
    public static func unix(path: String) throws -> ListeningSocket {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        guard path.utf8.count <= UnixSpelling.maxPath else {
            throw SystemError(
                "cannot listen on unix:\(path): the path is longer than \(UnixSpelling.maxPath) bytes",
                code: ENAMETOOLONG
            )
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }

        try removeStaleSocket(path: path, address: &address)
        let descriptor = try unixSocket()
        do {
            // bind(2) takes the socket file's mode from the umask; a later chmod would leave a gap.
            let mask = umask(0o177)
            let status = withSockaddr(&address) { bind(descriptor, $0, $1) }
            let code = errno
            umask(mask)
            guard status == 0 else { throw SystemError("cannot listen on unix:\(path)", code: code) }
            try startListening(descriptor)
            return ListeningSocket(descriptor: descriptor, address: .unix(path: path))
        } catch {
            _ = Platform.close(descriptor)
            throw error
        }
    }

    /// Stops listening, and removes a Unix socket's file.
    public func close() {
        _ = Platform.close(descriptor)
        removeName()
    }

    /// Removes a Unix socket's file, so that no new client finds it, unless another process has put its own there
    /// since.
    public func removeName() {
        guard case .unix(let path) = address, let identity, identity == FileIdentity(path) else { return }
        unlink(path)
    }

    private static func startListening(_ descriptor: Int32) throws {
        guard fcntl(descriptor, F_SETFD, FD_CLOEXEC) == 0,
            fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK) == 0,
            listen(descriptor, backlog) == 0
        else { throw SystemError("cannot listen") }
    }

    private static func unixSocket() throws -> Int32 {
        let descriptor = socket(AF_UNIX, SystemConstant.streamSocket, 0)
        guard descriptor >= 0 else { throw SystemError("cannot make a socket") }
        return descriptor
    }

    private static func removeStaleSocket(path: String, address: inout sockaddr_un) throws {
        var information = stat()
        guard lstat(path, &information) == 0 else { return }
        guard information.st_mode & S_IFMT == S_IFSOCK else {
            throw SystemError("cannot listen on unix:\(path): something that is not a socket is there", code: EEXIST)
        }
        let probe = try unixSocket()
        defer { _ = Platform.close(probe) }
        // One that listens and accepts nothing would make connect(2) wait; so it fails with EAGAIN.
        guard fcntl(probe, F_SETFL, fcntl(probe, F_GETFL) | O_NONBLOCK) == 0 else {
            throw SystemError("cannot make a socket")
        }
        let status = withSockaddr(&address) { connect(probe, $0, $1) }
        guard status != 0, errno == ECONNREFUSED else {
            throw SystemError("cannot listen on unix:\(path)", code: EADDRINUSE)
        }
        unlink(path)
    }

    private static func withSockaddr<Result>(
        _ address: inout sockaddr_un,
        _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result
    ) -> Result {
        withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }
}
