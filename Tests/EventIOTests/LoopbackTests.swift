import EventIO
import Platform
import Testing

@Suite struct LoopbackTests {
    private func number(_ socket: ListeningSocket) -> Int? {
        if case .tcp(_, let port) = socket.address { port } else { nil }
    }

    @Test func bothFamiliesHaveOnePort() throws {
        let sockets = try ListeningSocket.loopback(port: 0)
        defer { for socket in sockets { socket.close() } }
        let port = try #require(number(sockets[0]))
        #expect(sockets.map(\.address) == [.tcp(host: "127.0.0.1", port: port), .tcp(host: "::1", port: port)])
    }

    @Test(arguments: ["127.0.0.1", "::1"]) func aPortThatIsTakenAtEitherIsTaken(_ host: String) throws {
        let holder = try ListeningSocket.tcp(host: host, port: 0)
        let port = try #require(number(holder))
        let error = #expect(throws: SystemError.self) { try ListeningSocket.loopback(port: port) }
        #expect(error?.code == EADDRINUSE)
        // Nothing is held at the other one.
        let other = try ListeningSocket.tcp(host: host == "::1" ? "127.0.0.1" : "::1", port: port)
        other.close()
        holder.close()
    }
}
