import Platform

/// Sockets that the process's parent has bound and listens on already.
extension ListeningSocket {
    /// Why a descriptor is not a socket that clients can be accepted from. The text follows a name for the descriptor.
    public enum Unfit: Error, Equatable, Sendable, CustomStringConvertible {
        case closed
        case noSocket
        case noStream
        case notListening
        /// Neither IPv4 nor IPv6 nor a Unix socket.
        case otherFamily(Int32)

        public var description: String {
            switch self {
            case .closed: "is not open"
            case .noSocket: "is no socket"
            case .noStream: "is no stream socket (ListenStream=)"
            case .notListening: "is a socket that does not listen (Accept=no is needed)"
            case .otherFamily(let family): "has the address family \(family), and neither AF_INET, AF_INET6 nor AF_UNIX"
            }
        }
    }

    /// Takes over `descriptor`: checks it (getsockname(2); SO_TYPE and SO_ACCEPTCONN of socket(7)), and makes it
    /// non-blocking and close-on-exec. The file of a Unix socket belongs to whoever bound it, and stays when this is
    /// closed. An unsuitable descriptor stays open.
    public static func inherited(_ descriptor: Int32) throws(Unfit) -> ListeningSocket {
        guard fcntl(descriptor, F_GETFD) >= 0 else { throw .closed }
        guard let kind = option(SO_TYPE, of: descriptor) else { throw .noSocket }
        guard kind == SystemConstant.streamSocket else { throw .noStream }
        guard let listens = option(SO_ACCEPTCONN, of: descriptor), listens != 0 else { throw .notListening }
        let address: ListenAddress
        if let bound = SocketAddress.local(of: descriptor) {
            address = .tcp(host: bound.host, port: bound.port)
        } else {
            address = .unix(path: try UnixName(of: descriptor).text)
        }
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
        return ListeningSocket(inherited: descriptor, address: address)
    }

    /// Whether other users than this one and root may connect to a Unix socket, by the mode of its file (unix(7)); an
    /// abstract one has none. Permissions of directories are not considered, and the result is true if the file cannot
    /// be examined.
    public var admitsOtherUsers: Bool {
        guard let name = try? UnixName(of: descriptor) else { return false }
        guard !name.isAbstract else { return true }
        var information = stat()
        let isFound = (name.octets + [0]).withUnsafeBufferPointer {
            $0.withMemoryRebound(to: CChar.self) { stat($0.baseAddress!, &information) } == 0
        }
        guard isFound, [0, geteuid()].contains(information.st_uid) else { return true }
        return information.st_mode & (S_IWGRP | S_IWOTH) != 0
    }

    private static func option(_ name: Int32, of descriptor: Int32) -> Int32? {
        var value: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        return getsockopt(descriptor, SOL_SOCKET, name, &value, &length) == 0 ? value : nil
    }
}

/// The name that a Unix socket is bound to: a path, or an abstract name (unix(7)).
private struct UnixName {
    /// Without the zero byte that an abstract name begins with, or that a path ends with.
    var octets: [UInt8]
    var isAbstract: Bool

    /// `@name` for an abstract name, as in ss(8).
    var text: String { (isAbstract ? "@" : "") + String(decoding: octets, as: UTF8.self) }

    init(of descriptor: Int32) throws(ListeningSocket.Unfit) {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let status = withUnsafeMutablePointer(to: &storage) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
        }
        guard status == 0 else { throw .noSocket }
        guard Int32(storage.ss_family) == AF_UNIX else { throw .otherFamily(Int32(storage.ss_family)) }
        let start = MemoryLayout<sockaddr_un>.offset(of: \.sun_path)!
        let end = min(Int(length), MemoryLayout<sockaddr_un>.size)
        let address = withUnsafeBytes(of: &storage) { Array($0[min(start, end)..<end]) }
        isAbstract = address.count > 1 && address[0] == 0
        octets = isAbstract ? Array(address.dropFirst()) : Array(address.prefix { $0 != 0 })
    }
}
