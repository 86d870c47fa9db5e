import CSystem
import Platform
import Threads

/// The user at the other end of a connection.
public enum PeerUser: Equatable, Sendable {
    case user(UInt32)
    /// The peer was gone before the system could be asked. A foreign process could do that on purpose, but nobody would
    /// be there to receive the response.
    case gone
    /// A user of another machine, where user numbers mean nothing here. `access.allow-remote` and the key decide about
    /// it.
    case remote
    /// A user of this machine whom the system does not tell.
    case unknown

    /// Why `access.same-user` refuses the connection; nil admits it. Admits only this user, root and other machines.
    public var refusal: Problem? {
        switch self {
        case .user(let user): user == geteuid() || user == 0 ? nil : .forbiddenUser
        case .remote: nil
        case .gone: .departedUser
        case .unknown: .unknownUser
        }
    }
}

/// Asks the system for the users of connections. There is one instance for the process, whose socket to the kernel is
/// opened at the start: later, descriptors may have run out, or sockets may be forbidden.
///
/// *Threading*: any thread; a query takes a few microseconds.
public final class PeerUsers: Sendable {
    public static let shared = PeerUsers()

    /// Whether the system can tell the users of TCP connections at all.
    public static var tellsOfTCP: Bool {
        #if os(Linux)
        true
        #else
        false
        #endif
    }

    private let lock = Lock()
    /// A socket for the kernel's socket table (sock_diag(7)); -1 if there is none, and then /proc/net is read for each
    /// connection.
    private let diagnosis: Int32
    /// Why the users of TCP connections cannot be told here; nil if they can.
    public let problem: String?

    private init() {
        #if os(Linux)
        let socket = csystem_open_diagnosis()
        let reason = socket < 0 ? "AF_NETLINK: \(String(cString: strerror(errno)))" : "AF_NETLINK: no answer"
        if socket >= 0 {
            if Self.knowsThisProcess(socket) {
                (diagnosis, problem) = (socket, nil)
                return
            }
            _ = close(socket)
        }
        diagnosis = -1
        problem = Self.knowsThisProcess(-1) ? nil : "\(reason); /proc/net/tcp: no answer"
        #else
        (diagnosis, problem) = (-1, nil)
        #endif
    }

    /// The user who connected `descriptor`, an accepted socket.
    public func peer(of descriptor: Int32, isUnixSocket: Bool) -> PeerUser {
        if isUnixSocket {
            var user: uid_t = 0
            return csystem_unix_peer_user(descriptor, &user) == 0 ? .user(user) : .unknown
        }
        #if os(Linux)
        return lock.withLock { Self.ask(descriptor, diagnosis) }
        #else
        // This system can tell for Unix sockets, but not for TCP.
        return .remote
        #endif
    }

    private static func ask(_ descriptor: Int32, _ diagnosis: Int32) -> PeerUser {
        var user: uid_t = 0
        switch csystem_tcp_peer(descriptor, diagnosis, &user) {
        case CSYSTEM_PEER_USER: return .user(user)
        case CSYSTEM_PEER_GONE: return .gone
        case CSYSTEM_PEER_REMOTE: return .remote
        default: return .unknown
        }
    }

    #if os(Linux)
    /// A self-test: connects to itself and asks for the user.
    private static func knowsThisProcess(_ diagnosis: Int32) -> Bool {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        let (listener, client) = (socket(AF_INET, kind, 0), socket(AF_INET, kind, 0))
        defer { for descriptor in [listener, client] where descriptor >= 0 { _ = close(descriptor) } }
        guard listener >= 0, client >= 0 else { return false }
        let isConnected = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, length) == 0 && listen(listener, 1) == 0 && getsockname(listener, $0, &length) == 0
                    && connect(client, $0, length) == 0
            }
        }
        guard isConnected else { return false }
        // Not accept4(2), which Swift does not import; no child process can exist at this point.
        let accepted = accept(listener, nil, nil)
        guard accepted >= 0 else { return false }
        defer { _ = close(accepted) }
        return ask(accepted, diagnosis) == .user(geteuid())
    }
    #endif
}
