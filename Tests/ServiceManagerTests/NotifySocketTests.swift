import Platform
import ServiceManager
import Testing

@Suite struct NotifySocketTests {
    @Test(arguments: [
        "run/notify", "", "@", "notify", "vsock:2:1234", "vsock-stream:2:1234", "unix:/run/notify", " /run/notify",
        "/" + String(repeating: "x", count: 200), "@" + String(repeating: "x", count: 200),
    ])
    func whatIsNoAddressIsRefused(_ text: String) {
        #expect(throws: NotifyAddress.Unusable.self) { try NotifyAddress(text) }
    }

    @Test func whyIsSaid() {
        let why = { (text: String) in
            do throws(NotifyAddress.Unusable) {
                _ = try NotifyAddress(text)
                return "usable"
            } catch {
                return error.description
            }
        }
        #expect(why("vsock:2:1").contains("AF_VSOCK"))
        #expect(why("notify").contains("path from the root"))
        #expect(why("/" + String(repeating: "x", count: 107)).contains("107 octets"))
        #expect(why("/" + String(repeating: "x", count: 106)) == "usable")
    }

    @Test(arguments: Manager.Kind.here)
    func aManagerIsTold(_ kind: Manager.Kind) throws {
        let manager = try Manager(kind)
        let socket = try NotifySocket(try NotifyAddress(manager.name))
        #expect("\(socket.send(.ready(status: "It serves.")))" == "sent")
        #expect(manager.next() == "READY=1\nSTATUS=It serves.\n")
        #expect(manager.next() == nil)
    }

    @Test func oneThatDoesNotReadDelaysNobody() throws {
        let manager = try Manager(.path)
        let socket = try NotifySocket(try NotifyAddress(manager.name))
        var sent = 0
        while "\(socket.send(.status("\(sent)")))" == "sent", sent < 100_000 { sent += 1 }
        #expect(sent < 100_000)
        #expect("\(socket.send(.ready(status: "")))" == "busy")
        #expect(manager.next() == "STATUS=0\n")
        #expect("\(socket.send(.ready(status: "")))" == "sent")
    }

    @Test func whatIsNoManagerIsSaid() throws {
        for name in ["/nonexistent/notify", "/dev/null", "/"] {
            let socket = try NotifySocket(try NotifyAddress(name))
            guard case .failed(let error) = socket.send(.status("x")) else {
                Issue.record("\(name) was told")
                continue
            }
            #expect([ENOENT, ECONNREFUSED, EACCES].contains(error.code))
        }
        let stream = try Manager(.stream)
        guard case .failed = try NotifySocket(try NotifyAddress(stream.name)).send(.status("x")) else {
            Issue.record("a stream socket was told")
            return
        }
    }
}

/// A service manager's socket.
final class Manager {
    enum Kind: Sendable {
        case path, abstract
        /// None that takes notices.
        case stream

        static var here: [Kind] {
            #if os(Linux)
            [.path, .abstract]
            #else
            [.path]
            #endif
        }
    }

    let name: String
    private let socket: Int32

    init(_ kind: Kind) throws {
        let unique = "squire-notify-\(getpid())-\(UInt64.random(in: 0 ... .max))"
        name = kind == .abstract ? "@\(unique)" : "/tmp/\(unique)"
        let type = kind == .stream ? SystemConstant.streamSocket : SystemConstant.datagramSocket
        socket = Platform.socket(AF_UNIX, type, 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        var octets = Array(name.utf8)
        if kind == .abstract { octets[0] = 0 }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: octets) }
        let start = MemoryLayout<sockaddr_un>.offset(of: \.sun_path)!
        let length = socklen_t(start + octets.count + (kind == .abstract ? 0 : 1))
        let status = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(socket, $0, length) }
        }
        guard status == 0, kind != .stream || listen(socket, 1) == 0 else { throw SystemError("cannot bind \(name)") }
        _ = fcntl(socket, F_SETFL, O_NONBLOCK)
    }

    deinit {
        _ = close(socket)
        unlink(name)
    }

    /// The message that waits; nil if none does.
    func next() -> String? {
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = bytes.withUnsafeMutableBytes { SystemCall.read(socket, into: $0) }
        return count < 0 ? nil : String(decoding: bytes.prefix(count), as: UTF8.self)
    }
}
