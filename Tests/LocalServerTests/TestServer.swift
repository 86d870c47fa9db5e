import EventIO
import LocalServer
import Platform
import Threads

/// A `LocalServer` with `StreamingHandler`, on a thread of its own.
final class TestServer {
    private let thread: LoopThread
    private let running: LoopBound<Running>
    private let port: Int
    let wasFull = Latch<Bool>()
    let wasGone = Latch<Bool>()

    private struct Running {
        var server: LocalServer?
        var handler: StreamingHandler?
    }

    init(period: Duration = .seconds(30), maxConnections: Int = 100) throws {
        let socket = try ListeningSocket.tcp(host: "127.0.0.1", port: 0)
        guard case .tcp(_, let port) = socket.address else { fatalError("no port") }
        self.port = port
        thread = try LoopThread(name: "local-server")
        running = LoopBound(Running(), loop: thread.loop)
        let (running, loop, full, gone) = (running, thread.loop, wasFull, wasGone)
        loop.execute {
            let handler = StreamingHandler(loop: loop, wasFull: full, wasGone: gone)
            running.value.handler = handler
            running.value.server = LocalServer(
                loop: loop,
                socket: socket,
                handler: handler,
                maxConnections: maxConnections,
                period: period
            )
        }
    }

    deinit {
        let running = running
        thread.loop.execute {
            running.value.server?.stop()
            running.value.server = nil
            running.value.handler = nil
        }
        thread.stop()
    }

    /// Paths of the requests that reached the handler.
    var served: [String] {
        let (running, result) = (running, Latch<[String]>())
        thread.loop.execute { result.set(running.value.handler?.served ?? []) }
        return result.wait()
    }

    /// Returns when the server has served a request and closed all connections.
    func waitUntilEmpty() {
        while served.isEmpty { usleep(1000) }
        while true {
            let (running, result) = (running, Latch<Bool>())
            thread.loop.execute { result.set(running.value.server?.connectionCount == 0) }
            if result.wait() { return }
            usleep(1000)
        }
    }

    func connect() throws -> TestClient { try TestClient(port: port) }
}

/// What the tests ask for.
final class StreamingHandler: LocalHandler {
    static let pieces = 400
    private let loop: EventLoop
    private let wasFull: Latch<Bool>
    private let wasGone: Latch<Bool>
    private var timers: [EventTimer] = []
    var served: [String] = []

    init(loop: EventLoop, wasFull: Latch<Bool>, wasGone: Latch<Bool>) {
        self.loop = loop
        self.wasFull = wasFull
        self.wasGone = wasGone
    }

    static func piece(_ number: Int) -> String { "\(number):" + String(repeating: "x", count: 50_000) + ";" }

    func refusal(of request: LocalRequest) -> LocalResponse? {
        request.path == "/refused" ? LocalResponse(403, contentType: "text/plain", "refused;") : nil
    }

    func serve(_ request: LocalRequest, _ responder: LocalResponder) {
        served.append(request.path)
        switch request.path {
        case "/stream":
            responder.begin(200, fields: [])
            stream(responder, 1)
        case "/short", "/dropped":
            responder.begin(200, fields: [])
            _ = responder.write("one;")
            if request.path == "/dropped" { return responder.drop() }
            _ = responder.write("two;")
            responder.end()
        case "/twice":
            text(responder, "once;")
            later { self.text(responder, "twice;") }
        case "/later":
            later { self.later { self.text(responder, "later;") } }
        case "/slow":
            later(after: .milliseconds(100)) { self.text(responder, "slow;") }
        case "/204":
            responder.send(LocalResponse(204, body: .bytes([1, 2, 3])))
        case let path where path.hasPrefix("/pattern/"):
            responder.send(LocalResponse(200, body: .pattern(Int(path.dropFirst(9))!)))
        default:
            text(responder, "\(request.method) \(request.path) \(String(decoding: request.body, as: UTF8.self));")
        }
    }

    private func text(_ responder: LocalResponder, _ text: String) {
        responder.send(LocalResponse(200, contentType: "text/plain", text))
    }

    private func later(after delay: Duration = .milliseconds(5), _ work: @escaping () -> Void) {
        let timer = EventTimer(loop: loop, fire: work)
        timers.append(timer)
        timer.arm(after: delay)
    }

    private func stream(_ responder: LocalResponder, _ first: Int) {
        for number in first...Self.pieces {
            switch responder.write(Self.piece(number)) {
            case .taken: continue
            case .full:
                responder.whenDrained { self.stream(responder, number) }
                return wasFull.set(true)
            case .gone: return wasGone.set(true)
            }
        }
        responder.end()
    }
}

/// A blocking socket to a port of this machine, with a time limit of 20 s on everything.
final class TestClient {
    private let socket: FileDescriptor

    init(port: Int) throws {
        let number = Platform.socket(AF_INET, SystemConstant.streamSocket, 0)
        guard number >= 0 else { throw SystemError("cannot make a socket") }
        socket = FileDescriptor(owning: number)
        var limit = timeval(tv_sec: 20, tv_usec: 0)
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            setsockopt(number, SOL_SOCKET, option, &limit, socklen_t(MemoryLayout<timeval>.size))
        }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let status = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Platform.connect(number, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard status == 0 else { throw SystemError("cannot connect") }
    }

    @discardableResult
    func send(_ text: String) -> Bool {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes {
                Platform.send(socket.number, $0.baseAddress, $0.count, SystemConstant.noSignal)
            }
            guard count > 0 else { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }

    func endSending() {
        shutdown(socket.number, Int32(SHUT_WR))
    }

    func isReadable(milliseconds: Int32) -> Bool {
        var entry = pollfd(fd: socket.number, events: Int16(POLLIN), revents: 0)
        return poll(&entry, 1, milliseconds) == 1
    }

    /// Up to the end, or to the connection's being cut.
    func readAll() -> String {
        String(decoding: read { _ in false }, as: UTF8.self)
    }

    /// How many bytes come up to the end. They need not be text.
    func countAll() -> Int {
        read { _ in false }.count
    }

    func read(until end: String) -> String {
        String(decoding: read { $0.suffix(end.utf8.count).elementsEqual(end.utf8) }, as: UTF8.self)
    }

    private func read(_ isEnd: ([UInt8]) -> Bool) -> [UInt8] {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 64 * 1024)
        while !isEnd(bytes) {
            let count = chunk.withUnsafeMutableBytes { SystemCall.read(socket.number, into: $0) }
            guard count > 0 else { break }
            bytes += chunk[..<count]
        }
        return bytes
    }
}

extension String {
    /// How often `part` occurs.
    func components(of part: String) -> Int {
        let (text, wanted) = (Array(utf8), Array(part.utf8))
        guard text.count >= wanted.count else { return 0 }
        return (0...(text.count - wanted.count)).count { text[$0...].starts(with: wanted) }
    }

    /// The body of a chunked response, as far as it goes.
    var dechunked: String {
        var rest = Array(utf8)[...]
        func line() -> String {
            let end = rest.firstIndex(of: 10) ?? rest.endIndex
            defer { rest = rest[min(end + 1, rest.endIndex)...] }
            return String(decoding: rest[..<end].filter { $0 != 13 }, as: UTF8.self)
        }
        while !line().isEmpty {}
        var body: [UInt8] = []
        while let size = Int(line(), radix: 16), size > 0 {
            body += rest.prefix(size)
            rest = rest.dropFirst(size + 2)
        }
        return String(decoding: body, as: UTF8.self)
    }
}
