import EventIO
import Platform
import Testing
import Threads

@Suite struct SocketListenerTests {
    /// A client that is there again as soon as it was accepted.
    private final class Insistent {
        private let address: SocketAddress
        private(set) var connections = 0

        init(_ socket: ListeningSocket) throws {
            guard let address = SocketAddress.local(of: socket.descriptor) else { throw SystemError("no address") }
            self.address = address
        }

        /// Far more than any burst. A loop that serves nobody else ends here, too.
        static let maximum = 5_000

        func connect() {
            guard connections < Self.maximum else { return }
            connections += 1
            let descriptor = Platform.socket(AF_INET, SystemConstant.streamSocket, 0)
            defer { _ = close(descriptor) }
            var target = sockaddr_in()
            target.sin_family = sa_family_t(AF_INET)
            target.sin_port = in_port_t(address.port).bigEndian
            target.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
            _ = withUnsafePointer(to: &target) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    Platform.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
        }
    }

    private struct Running {
        var listener: SocketListener?
        var client: Insistent?
    }

    /// Clients that come as fast as they are accepted leave the loop time for everything else.
    @Test func loopIsSharedWithWhoeverIsAccepted() throws {
        let socket = try ListeningSocket.tcp(host: "127.0.0.1", port: 0)
        defer { socket.close() }
        let thread = try LoopThread(name: "listener")
        let loop = thread.loop
        // Whole from the start: the loop runs, and the value is its own.
        let running = LoopBound(Running(client: try Insistent(socket)), loop: loop)
        let (hasBegun, connections) = (Latch<Bool>(), Latch<Int>())
        loop.execute {
            running.value.listener = SocketListener(loop: loop, socket: socket) { descriptor in
                SocketIO.close(descriptor)
                hasBegun.set(true)
                running.value.client?.connect()
            }
            running.value.client?.connect()
        }
        _ = hasBegun.wait()
        loop.execute { connections.set(running.value.client?.connections ?? 0) }
        #expect(connections.wait() < Insistent.maximum)
        loop.execute { running.value = Running() }
        thread.stop()
    }
}
