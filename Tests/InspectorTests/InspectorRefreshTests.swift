import Credentials
import EventIO
import Inspector
import Platform
import ReverseProxy
import Testing
import Threads

/// Refreshes that nobody waits for until the end.
@Suite struct InspectorRefreshTests {
    /// Refreshes when the test says so.
    private final class HeldSource: TokenSource {
        let (spends, startsAlone) = (true, false)
        let begun = Latch<Bool>()
        let mayEnd = Latch<Bool>()

        func get(_ held: HeldTokens) -> TokenOutcome {
            begun.set(true)
            _ = mayEnd.wait()
            let fresh = Token("aaaa.bbbb.cccc")!
            return .obtained(TokenSet(accessToken: fresh))
        }
    }

    private final class Inspecting {
        let source = HeldSource()
        let session: Session
        let thread: LoopThread
        private let reference: LoopBound<InspectorServer?>
        private let port: Int

        init(patience: Duration) throws {
            session = try Session(file: nil, source: source, policy: RefreshPolicy(margin: .zero))
            let adopted = Latch<Bool>()
            session.adopt(TokenSet(accessToken: Token("aaaa.bbbb.aaaa")!), .signIn) { _ in adopted.set(true) }
            _ = adopted.wait()
            let socket = try ListeningSocket.tcp(host: "127.0.0.1", port: 0)
            guard case .tcp(_, let port) = socket.address else { throw SystemError("no port") }
            self.port = port
            thread = try LoopThread(name: "inspector")
            reference = LoopBound(nil, loop: thread.loop)
            let (loop, reference) = (thread.loop, reference)
            let current = InspectedProxy.Current(
                upstream: "http://127.0.0.1:9",
                session: session,
                refreshTimeout: .milliseconds(1),
                configuration: nil
            )
            loop.execute {
                _ = InspectorServer(
                    loop: loop,
                    socket: socket,
                    proxy: InspectedProxy(
                        listen: [],
                        current: { current },
                        snapshot: { Counters.Snapshot() },
                        recordings: Recordings(workers: 1),
                        generationCounts: { [:] },
                        adopt: { descriptor, _ in close(descriptor) },
                        reload: { $1(.notReloadable) }
                    ),
                    refreshes: RefreshCounts(),
                    access: InspectorAccess(AccessConfiguration(), address: socket.address),
                    sameUser: false,
                    build: BuildInfo(version: "test"),
                    patience: patience,
                    reference: reference
                )
            }
        }

        func stop() {
            let reference = reference
            thread.loop.execute { reference.value?.stop() }
            thread.stop()
        }

        /// A connection on which a refresh was asked for.
        func ask() throws -> Client {
            let number = Platform.socket(AF_INET, SystemConstant.streamSocket, 0)
            guard number >= 0 else { throw SystemError("cannot make a socket") }
            let client = Client(number)
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = in_port_t(port).bigEndian
            address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
            let status = withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    connect(number, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
            guard status == 0 else { throw SystemError("cannot connect") }
            let request =
                "POST /api/session/refresh HTTP/1.1\r\nHost: localhost\r\nX-Squire-Inspector: 1\r\n"
                + "Content-Length: 0\r\nConnection: close\r\n\r\n"
            _ = SystemCall.writeAll(number, request.utf8)
            return client
        }
    }

    private final class Client {
        private let socket: FileDescriptor

        init(_ number: Int32) {
            socket = FileDescriptor(owning: number)
        }

        /// What comes up to the end.
        var answer: String {
            guard case .bytes(let bytes) = socket.readAll(limit: 1 << 16) else { return "" }
            return String(decoding: bytes, as: UTF8.self)
        }
    }

    /// The answer does not wait for ever, and the refresh goes on: its end is nobody's then.
    @Test func answerComesBeforeARefreshThatTakesTooLong() throws {
        let inspecting = try Inspecting(patience: .milliseconds(20))
        let answer = try inspecting.ask().answer
        #expect(answer.hasPrefix("HTTP/1.1 409 ") && answer.contains("\"session_unavailable\""))
        #expect(answer.contains("Retry-After: ") && answer.contains("\"retry_at\""))
        #expect(try inspecting.ask().answer.hasPrefix("HTTP/1.1 409 "))
        inspecting.source.mayEnd.set(true)
        #expect(inspecting.session.end(timeout: .seconds(20)) == nil)
        #expect(inspecting.session.generation == 2)
        inspecting.stop()
    }

    /// The refresh ends after the inspector has.
    @Test func inspectorEndsWhileARefreshIsWaitedFor() throws {
        let inspecting = try Inspecting(patience: .seconds(20))
        let clients = try (0..<4).map { _ in try inspecting.ask() }
        _ = inspecting.source.begun.wait()
        inspecting.stop()
        inspecting.source.mayEnd.set(true)
        #expect(inspecting.session.end(timeout: .seconds(20)) == nil)
        for client in clients { #expect(!client.answer.hasPrefix("HTTP/1.1 200")) }
    }
}
