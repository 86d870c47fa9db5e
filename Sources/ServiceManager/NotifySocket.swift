public import Platform

/// Sends notices to a service manager, without ever blocking.
///
/// *Ownership*: owns its socket. *Threading*: any thread.
public final class NotifySocket: Sendable {
    private let socket: FileDescriptor
    private let address: NotifyAddress

    public enum Outcome: Sendable {
        case sent
        /// The manager has not read earlier notices. The same one may be sent later.
        case busy
        case failed(SystemError)
    }

    /// Throws if no descriptor is available.
    public init(_ address: NotifyAddress) throws(SystemError) {
        self.address = address
        let number = Platform.socket(AF_UNIX, SystemConstant.datagramSocket, 0)
        guard number >= 0 else { throw SystemError("cannot make a socket") }
        socket = FileDescriptor(owning: number)
        _ = fcntl(number, F_SETFD, FD_CLOEXEC)
        _ = fcntl(number, F_SETFL, O_NONBLOCK)
    }

    public func send(_ notice: Notice) -> Outcome {
        var target = sockaddr_un()
        target.sun_family = sa_family_t(AF_UNIX)
        unsafe withUnsafeMutableBytes(of: &target.sun_path) { unsafe $0.copyBytes(from: address.octets) }
        // The end of an abstract name is that of the address; a path's final zero octet is already there.
        let start = MemoryLayout<sockaddr_un>.offset(of: \.sun_path)!
        let length = socklen_t(start + address.octets.count + (address.octets[0] == 0 ? 0 : 1))
        let bytes = notice.datagram
        let number = socket.number
        let count = unsafe withUnsafePointer(to: &target) {
            unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { target in
                SystemCall.retrying {
                    unsafe sendto(number, bytes, bytes.count, SystemConstant.noSignal, target, length)
                }
            }
        }
        guard count < 0 else { return .sent }
        return [EAGAIN, EWOULDBLOCK, ENOBUFS].contains(errno) ? .busy : .failed(SystemError("it cannot be told"))
    }
}
