public import Platform

/// Sends notices to a service manager, and never waits for it.
///
/// *Ownership*: owns its socket. *Threading*: any thread.
public final class NotifySocket: Sendable {
    private let socket: FileDescriptor
    private let address: NotifyAddress

    public enum Outcome: Sendable {
        case sent
        /// The manager has not read what it was told before: the same may go later.
        case busy
        case failed(SystemError)
    }

    /// Throws when the process may have no more descriptors.
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
        // An abstract name ends where the address does; the zero behind a path is there already.
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
