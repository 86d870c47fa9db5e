import EventIO
import Platform
import ServiceManager

/// What a service manager passed to this process. It is read once, at the start, and then removed from the environment,
/// so that no command inherits it.
struct ServiceEnvironment: Sendable {
    /// First used before anything else opens descriptors, starts threads or reads the environment.
    static let shared = ServiceEnvironment()

    /// `NOTIFY_SOCKET`; nil if no service manager wants notices.
    let notifySocket: String?
    let activation: SocketActivation
    /// The passed descriptors, in order. All of them are close-on-exec.
    let sockets: [Inherited]

    struct Inherited: Sendable {
        let descriptor: Int32
        let role: SocketActivation.Role
        let socket: Result<ListeningSocket, ListeningSocket.Unfit>
    }

    private init() {
        let value = { (name: String) in getenv(name).map { String(cString: $0) } }
        notifySocket = value("NOTIFY_SOCKET").flatMap { $0.isEmpty ? nil : $0 }
        activation = SocketActivation(process: getpid(), value)
        for name in SocketActivation.variables + ["NOTIFY_SOCKET"] { unsetenv(name) }
        guard case .passed(let passed) = activation else {
            sockets = []
            return
        }
        sockets = passed.map { one in
            _ = fcntl(one.descriptor, F_SETFD, FD_CLOEXEC)
            do throws(ListeningSocket.Unfit) {
                let socket = try ListeningSocket.inherited(one.descriptor)
                return Inherited(descriptor: one.descriptor, role: one.role, socket: .success(socket))
            } catch {
                return Inherited(descriptor: one.descriptor, role: one.role, socket: .failure(error))
            }
        }
    }
}
