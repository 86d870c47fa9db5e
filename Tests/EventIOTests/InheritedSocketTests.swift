import EventIO
import Platform
import Testing

/// Sockets that another process has made, as they are found: the kernel says what they are.
@Suite struct InheritedSocketTests {
    private static func socket(_ family: Int32, _ type: Int32 = SystemConstant.streamSocket) -> Int32 {
        Platform.socket(family, type, 0)
    }

    private func unfit(_ descriptor: Int32) -> ListeningSocket.Unfit? {
        do throws(ListeningSocket.Unfit) {
            _ = try ListeningSocket.inherited(descriptor)
            return nil
        } catch {
            return error
        }
    }

    /// Binds a Unix socket, with a file or without one (a name that begins with a zero), and listens.
    private func unix(_ name: [UInt8]) throws -> Int32 {
        let descriptor = Self.socket(AF_UNIX)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: name) }
        let length = MemoryLayout<sockaddr_un>.offset(of: \.sun_path)! + name.count + (name[0] == 0 ? 0 : 1)
        let status = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, socklen_t(length)) }
        }
        guard status == 0, listen(descriptor, 1) == 0 else { throw SystemError("cannot bind") }
        return descriptor
    }

    @Test func itsNameIsTheKernels() throws {
        let bound = try ListeningSocket.tcp(host: "127.0.0.1", port: 0)
        defer { bound.close() }
        _ = fcntl(bound.descriptor, F_SETFD, 0)
        _ = fcntl(bound.descriptor, F_SETFL, 0)
        let inherited = try ListeningSocket.inherited(bound.descriptor)
        #expect(inherited.address == bound.address && inherited.descriptor == bound.descriptor)
        #expect(fcntl(bound.descriptor, F_GETFD) & FD_CLOEXEC != 0)
        #expect(fcntl(bound.descriptor, F_GETFL) & O_NONBLOCK != 0)
        #expect(!inherited.admitsOtherUsers)
    }

    @Test func whatNobodyCanBeAcceptedFromIsRefused() throws {
        let datagram = Self.socket(AF_INET, SystemConstant.datagramSocket)
        let silent = Self.socket(AF_INET)
        let file = Platform.open("/dev/null", O_RDONLY)
        defer { for descriptor in [datagram, silent, file] { _ = close(descriptor) } }
        #expect(unfit(datagram) == .noStream)
        #expect(unfit(silent) == .notListening)
        #expect(unfit(file) == .noSocket)
        #expect(unfit(-1) == .closed)
        #expect(unfit(.max) == .closed)
        #expect(fcntl(silent, F_GETFD) >= 0, "what does not fit is not closed")
    }

    @Test func theFileIsAnothersToRemove() throws {
        let path = "/tmp/squire-inherited-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        let descriptor = try unix(Array(path.utf8))
        defer { unlink(path) }
        let socket = try ListeningSocket.inherited(descriptor)
        #expect(socket.address == .unix(path: path))
        socket.removeName()
        socket.close()
        #expect(access(path, F_OK) == 0)
    }

    @Test(arguments: [(0o600, false), (0o644, false), (0o660, true), (0o602, true), (0o666, true)])
    func whoMayConnectIsSaidByTheFile(_ mode: mode_t, _ admits: Bool) throws {
        let path = "/tmp/squire-inherited-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        let descriptor = try unix(Array(path.utf8))
        defer { unlink(path) }
        chmod(path, mode)
        let socket = try ListeningSocket.inherited(descriptor)
        defer { socket.close() }
        #expect(socket.admitsOtherUsers == admits)
        unlink(path)
        #expect(socket.admitsOtherUsers, "nobody can say")
    }

    #if os(Linux)
    @Test func aNameWithoutAFileIsEverybodys() throws {
        let name = "squire-inherited-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        let socket = try ListeningSocket.inherited(try unix([0] + Array(name.utf8)))
        defer { socket.close() }
        #expect(socket.address == .unix(path: "@\(name)"))
        #expect(socket.admitsOtherUsers)
    }
    #endif
}
