import CSystem
import Platform

/// The result of a read or write on a non-blocking socket.
public enum IOResult: Equatable, Sendable {
    /// That many bytes, at least one.
    case moved(Int)
    /// Try again when the loop reports the socket.
    case wouldBlock
    /// The peer has ended its side (reading only).
    case endOfStream
    /// The connection is broken; the value is `errno`.
    case failed(Int32)
}

/// `recv(2)` and `send(2)` on a non-blocking socket, without SIGPIPE.
public enum SocketIO {
    @inline(__always)
    public static func read(_ descriptor: Int32, into buffer: UnsafeMutableRawBufferPointer) -> IOResult {
        let count = SystemCall.retrying { csystem_receive(descriptor, buffer.baseAddress, buffer.count, 0) }
        if count > 0 { return .moved(count) }
        if count == 0 { return .endOfStream }
        return errno == EAGAIN || errno == EWOULDBLOCK ? .wouldBlock : .failed(errno)
    }

    @inline(__always)
    public static func write(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer) -> IOResult {
        let count = SystemCall.retrying {
            csystem_send(descriptor, bytes.baseAddress, bytes.count, SystemConstant.noSignal)
        }
        if count >= 0 { return count > 0 ? .moved(count) : .wouldBlock }
        return errno == EAGAIN || errno == EWOULDBLOCK ? .wouldBlock : .failed(errno)
    }

    /// Whether nothing can be read: neither bytes nor the peer's end. Consumes nothing.
    public static func hasNothingToRead(_ descriptor: Int32) -> Bool {
        var byte: UInt8 = 0
        let count = SystemCall.retrying { csystem_receive(descriptor, &byte, 1, Int32(MSG_PEEK) | Int32(MSG_DONTWAIT)) }
        return count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)
    }

    /// Whether the peer has sent something that was not read yet. Takes no byte.
    public static func hasInput(_ descriptor: Int32) -> Bool {
        var byte: UInt8 = 0
        return SystemCall.retrying { csystem_receive(descriptor, &byte, 1, Int32(MSG_PEEK) | Int32(MSG_DONTWAIT)) } > 0
    }

    /// Whether the peer's system has not taken all that was written (SIOCOUTQ, tcp(7)). If the descriptor is closed and the
    /// peer sends something, the kernel discards the rest. False where the system does not tell.
    public static func hasUntakenOutput(_ descriptor: Int32) -> Bool {
        #if os(Linux)
        var count: Int32 = 0
        return ioctl(descriptor, UInt(TIOCOUTQ), &count) == 0 && count > 0
        #else
        return false
        #endif
    }

    /// Makes small writes leave at once instead of waiting for an acknowledgement (Nagle's algorithm); does nothing on
    /// a Unix socket.
    public static func disableDelay(_ descriptor: Int32) {
        var on: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
    }

    /// Whether the peer of a Unix socket has closed both directions (POLLHUP, poll(2)).
    public static func isHungUp(_ descriptor: Int32) -> Bool {
        var entry = pollfd(fd: descriptor, events: 0, revents: 0)
        return poll(&entry, 1, 0) == 1 && entry.revents & Int16(POLLHUP) != 0
    }

    /// Makes reads and writes non-blocking, and keeps child processes from inheriting the descriptor.
    public static func setNonBlocking(_ descriptor: Int32) {
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    }

    /// A second descriptor of the same socket, close-on-exec; nil if the process may have no more.
    public static func duplicate(_ descriptor: Int32) -> Int32? {
        let copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
        return copy >= 0 ? copy : nil
    }

    /// Both ends of a connection within this process, non-blocking and close-on-exec; nil if it may have no more
    /// descriptors.
    public static func pair() -> (Int32, Int32)? {
        var pair: [Int32] = [-1, -1]
        #if os(Linux)
        let kind = SystemConstant.streamSocket | Int32(SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        guard socketpair(AF_UNIX, kind, 0, &pair) == 0 else { return nil }
        #else
        guard socketpair(AF_UNIX, SystemConstant.streamSocket, 0, &pair) == 0 else { return nil }
        for descriptor in pair {
            _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
            _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
        }
        #endif
        guard max(pair[0], pair[1]) < Descriptors.ceiling else {
            for descriptor in pair { close(descriptor) }
            return nil
        }
        return (pair[0], pair[1])
    }

    /// Ends this side of the connection; the peer's bytes can still be read.
    public static func shutdownWriting(_ descriptor: Int32) {
        shutdown(descriptor, Int32(SHUT_WR))
    }

    /// Makes closing the descriptor reset the connection, even if the kernel does that because the process is killed;
    /// unsent bytes are discarded. If it is off, closing it ends the connection.
    public static func resetOnClose(_ descriptor: Int32, isOn: Bool = true) {
        var linger = linger(l_onoff: isOn ? 1 : 0, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout.size(ofValue: linger)))
    }

    /// Closes the socket so that the peer sees a reset: for a message that cannot be completed.
    public static func closeWithReset(_ descriptor: Int32) {
        resetOnClose(descriptor)
        close(descriptor)
    }

    public static func close(_ descriptor: Int32) {
        _ = Platform.close(descriptor)
    }
}
